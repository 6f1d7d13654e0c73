// A whole hypervisor plugin. Its "VMM" is sleep(1), so that it runs anywhere: put yours in its place.
#include "qarax/plugin/export.hpp"
#include "qarax/plugin/handle.hpp"

namespace {
using qarax::plugin::Call;

class Sleeper final : public qarax::plugin::Hypervisor {
 public:
  Sleeper(qarax::plugin::Host& host, const qarax::CreateArgs&) : host_(host) {}

  qarax::Result<qarax::Description> describe(Call&) override {
    return qarax::Description{.vmm_path = "/bin/sleep", .accelerator = "none", .boot_modes = {"kernel"}};
  }
  qarax::Result<qarax::VmStatus> start(Call& call, const qarax::StartArgs& args) override {
    QARAX_CHECK(call.keep(qarax::plugin::make_handle("sleeper", 1)));  // durable before anything is spawned
    auto process =
        host_.spawn(&call, {.vm = args.vm, .incarnation = args.incarnation, .argv = {"/bin/sleep", "1d"}}, {});
    if (!process && process.error().code != qarax::Code::already_exists) return std::move(process).error();
    return status(call, args.vm, args.incarnation);
  }
  qarax::Result<qarax::VmStatus> stop(Call& call, const qarax::StopArgs& args) override {
    QARAX_CHECK(host_.kill(&call, {args.vm.vm, args.vm.incarnation}));
    return qarax::VmStatus{.state = qarax::VmState::shutdown};
  }
  qarax::Result<qarax::VmStatus> inspect(Call& call, const qarax::VmArgs& args) override {
    QARAX_CHECK(qarax::plugin::check_handle(args, "sleeper", 1));
    return status(call, args.vm, args.incarnation);
  }
  qarax::Result<qarax::VmStatus> recover(Call& call, const qarax::VmArgs& args) override {
    const bool kept = args.handle.text != "null";
    if (kept) QARAX_CHECK(qarax::plugin::check_handle(args, "sleeper", 1));
    auto found = status(call, args.vm, args.incarnation);
    if (kept && (found || found.error().code != qarax::Code::not_found)) return found;
    QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));  // a start that was broken off: nothing stays of it
    return qarax::VmStatus{.state = qarax::VmState::shutdown};
  }

 private:
  qarax::Result<qarax::VmStatus> status(Call& call, const std::string& vm, std::int64_t incarnation) {
    QARAX_TRY(auto process, host_.find(&call, {vm, incarnation}));
    return qarax::VmStatus{.state = process.alive ? qarax::VmState::running : qarax::VmState::shutdown,
                           .exit = std::move(process.exit)};
  }
  qarax::plugin::Host& host_;
};
}  // namespace

QARAX_PLUGIN(Sleeper, "org.example.hypervisor.sleeper", "sleeper", "0.1.0");
