#include "agent.hpp"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "qarax/core/files.hpp"

namespace qarax::conformance {

Status expect_state(const Result<VmStatus>& got, VmState wanted, std::string_view when) {
  if (!got) return broken(std::string(when) + " failed: " + got.error().message);
  if (got->state == wanted) return Ok{};
  return broken(std::string(when) + " says " + std::string(to_string(got->state)) + ", not " +
                std::string(to_string(wanted)) + (got->status_reason.empty() ? "" : " (" + got->status_reason + ")"));
}

// ---- a VM ----

Vm::Vm(Agent& agent, int number, std::int64_t incarnation)
    : agent_(agent),
      id_(agent.place().vm_ids.at(static_cast<std::size_t>(number - 1))),
      incarnation_(incarnation),
      run_dir_(agent.processes().run_dir(id_, incarnation)) {}

Hypervisor& Vm::plugin() { return agent_.plugin(); }

core::CallContext Vm::context(const Ask& ask) {
  core::CallContext out;
  out.deadline_ns = plugin::monotonic_ns() + ask.within_ms * 1'000'000;
  out.cancel_fd = ask.cancel_fd;
  out.request_id = "check";
  out.fds = ask.fds;
  kept_ = 0;
  out.keep = [this, ask](std::string_view handle) -> Status {
    agent_.services().note("keep");
    const int nth = ++kept_;
    if (ask.before_keep) ask.before_keep(nth);
    QARAX_CHECK(core::write_file_durably(agent_.place().handle_file(id_), handle));
    if (ask.after_keep) ask.after_keep(nth);
    return Ok{};
  };
  return out;
}

Result<StartArgs> Vm::start_args() {
  QARAX_CHECK(core::make_folder(run_dir_));
  StartArgs out;
  QARAX_TRY(out.spec, checked(plugin().resolve(context({}), {agent_.settings().spec})));
  out.vm = id_;
  out.name = "qarax-plugin-check";
  out.incarnation = incarnation_;
  out.run_dir = run_dir_;
  out.boot = agent_.settings().boot;
  if (out.boot.kernel.empty()) out.boot.kernel = agent_.place().empty_kernel();
  return out;
}

std::string Vm::kept() const {
  auto handle = core::read_file(agent_.place().handle_file(id_));
  return handle ? std::move(*handle) : std::string("null");
}

void Vm::keep_instead(const std::string& handle) {
  const std::string path = agent_.place().handle_file(id_);
  if (handle == "null")
    ::unlink(path.c_str());
  else
    static_cast<void>(core::write_file_durably(path, handle));
}

VmArgs Vm::args() const { return {id_, incarnation_, run_dir_, {kept()}}; }

std::optional<Process> Vm::process() const {
  auto found = agent_.processes().find({id_, incarnation_});
  if (!found) return std::nullopt;
  return std::move(*found);
}

Result<VmStatus> Vm::start(const Ask& ask) {
  QARAX_TRY(const StartArgs start, start_args());
  return call(&Hypervisor::start, start, ask);
}

Result<VmStatus> Vm::stop(StopMode mode, std::int64_t timeout_ms, const Ask& ask) {
  return call(&Hypervisor::stop, {args(), mode, timeout_ms}, ask);
}

// ---- the agent ----

Agent::Agent(const Settings& settings, const Place& place)
    : settings_(settings),
      place_(place),
      processes_(
          std::make_unique<agent::ProcessService>(agent::ProcessService::Options{settings.supervisor, place.vms()},
                                                  place.cgroups, [](const std::string&, std::int64_t) {})),
      agent_services_(
          std::make_unique<agent::PluginServices>(*processes_, [](const std::string&, const std::string&) {})),
      services_(std::make_unique<TrialServices>(*agent_services_)),
      host_(std::make_unique<core::PluginHost>(*services_)) {}

Agent::~Agent() = default;

Status Agent::load(const RawJson& config) {
  record_ = host_->load({settings_.plugin, config, false, place_.state(), {}});
  if (record_.state == core::PluginState::loaded) return Ok{};
  return make_error(Code::failed_precondition,
                    "refused at " + std::string(core::to_string(record_.step)) + ": " + record_.reason);
}

Status Agent::unload() { return host_->shutdown(settings_.patience * std::int64_t{5000}); }

// Only called by rules whose plugin was loaded.
Hypervisor& Agent::plugin() { return *host_->hypervisor(record_.name); }

Result<Vm> Agent::started(int number) {
  Vm out = vm(number);
  QARAX_CHECK(expect_state(out.start(), VmState::running, "start"));
  return out;
}

Result<Vm> Agent::ended() {
  QARAX_TRY(Vm out, started());
  QARAX_CHECK(expect_state(out.stop(StopMode::force), VmState::shutdown, "stop"));
  return out;
}

void Agent::die() {
  ::kill(::getpid(), SIGKILL);
  ::_exit(1);  // never reached
}

}  // namespace qarax::conformance
