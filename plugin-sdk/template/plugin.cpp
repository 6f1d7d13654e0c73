// A whole hypervisor plugin. Its "VMM" is sleep(1), so that it runs anywhere: put yours in its place.
#include "qarax/plugin/bare_process.hpp"
#include "qarax/plugin/export.hpp"

namespace {
using qarax::Result;
using qarax::VmStatus;
using qarax::plugin::Call;

class Sleeper final : public qarax::plugin::Hypervisor {
 public:
  Sleeper(qarax::plugin::Host& host, const qarax::CreateArgs&) : host_(host) {}

  Result<qarax::Description> describe(Call&) override {
    return qarax::Description{.vmm_path = "/bin/sleep", .accelerator = "none", .boot_modes = {"kernel"}};
  }
  Result<VmStatus> start(Call& call, const qarax::StartArgs& args) override {
    QARAX_CHECK(call.keep(qarax::plugin::make_handle("sleeper", 1)));  // durable before anything is spawned
    auto vmm = host_.spawn(&call, {.vm = args.vm, .incarnation = args.incarnation, .argv = {"/bin/sleep", "1d"}}, {});
    if (!vmm && vmm.error().code != qarax::Code::already_exists) return std::move(vmm).error();
    return qarax::plugin::process_status(host_, call, args.vm, args.incarnation);
  }
  Result<VmStatus> stop(Call& call, const qarax::StopArgs& args) override {
    QARAX_CHECK(qarax::plugin::may_stop(args, qarax::plugin::check_handle(args.vm, "sleeper", 1)));
    QARAX_CHECK(host_.kill(&call, {args.vm.vm, args.vm.incarnation}));
    return VmStatus{.state = qarax::VmState::shutdown};
  }
  Result<VmStatus> inspect(Call& call, const qarax::VmArgs& args) override {
    return qarax::plugin::inspect_process(host_, call, args, "sleeper", 1);
  }
  Result<VmStatus> recover(Call& call, const qarax::VmArgs& args) override {
    return qarax::plugin::recover_process(host_, call, args, "sleeper", 1);
  }

 private:
  qarax::plugin::Host& host_;
};
}  // namespace

QARAX_PLUGIN(Sleeper, "org.example.hypervisor.sleeper", "sleeper", "0.1.0");
