#include "wiring/rest_operations.hpp"

#include "handlers/reply.hpp"
#include "qarax/core/logging.hpp"
#include "request_scope.hpp"
#include "wiring/console_follower.hpp"
#include "wiring/console_peer.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kTail = 4096;
constexpr std::int64_t kWholeLog = 64 << 20;  // bytes, as tail: following without a tail would give only new output

}  // namespace

RestOperations::RestOperations(Store& store, Orchestrator& orchestrator, const NodeQueries& queries,
                               HostJobs& host_jobs, Editor& editor, DryRuns& dry_runs, Options options)
    : store_(store),
      orchestrator_(orchestrator),
      queries_(queries),
      host_jobs_(host_jobs),
      editor_(editor),
      dry_runs_(dry_runs),
      options_(options),
      waits_(store,
             {[this](const VmRecord& vm) { return console(vm, kWholeLog, true, ""); },
              [this](const VmRecord& vm) { return console_tail(vm); }, [this] { return orchestrator_.is_closed(); }}) {}

// Empty if it can't be read: it only accompanies another result.
std::string RestOperations::console_tail(const VmRecord& vm) {
  std::string text;
  const Status read = queries_.read_console(vm.id, kTail, false, [&](std::string_view piece) {
    text.append(piece);
    return true;
  });
  return read ? text : std::string();
}

Result<VmPtr> RestOperations::create_vm(const NewVmInput& input, const std::string& request_id) {
  auto vm = orchestrator_.create(input);
  if (vm) core::logger("vms")->info("created name={} vm={} request={}", (*vm)->name, (*vm)->id, request_id);
  return vm;
}

Result<VmPtr> RestOperations::edit_vm(const EditCall& call) {
  auto vm = editor_.edit_vm({call.id, call.patch, call.expected_version});
  if (vm) core::logger("vms")->info("changed name={} vm={} request={}", (*vm)->name, (*vm)->id, call.request_id);
  return vm;
}

Result<ActionResult> RestOperations::act(const ActionCall& call) {
  ActOptions options;
  options.request_id = call.request_id;
  options.wait_ms = options_.action_wait_ms;
  options.respond_async = call.respond_async;
  options.arguments = call.arguments;
  options.expected_version = call.expected_version;
  if (call.action == core::Action::remove) {
    ActionResult removal;
    QARAX_TRY(removal.job_id, orchestrator_.remove(call.vm_id, call.forget, options));
    removal.pending = call.respond_async && !removal.job_id.empty();
    core::logger("vms")->info("{} vm={} request={}", removal.pending ? "delete is asked for" : "deleted", call.vm_id,
                              call.request_id);
    return removal;
  }
  // For a repeated request: answer 202 again unless the first one was done at once.
  if (call.respond_async) {
    QARAX_TRY(const JobPtr claimed, store_.claimed_job());
    if (claimed && !was_done_at_once(*claimed)) return ActionResult{store_.vm(call.vm_id), claimed->id, true};
  }
  QARAX_TRY(VmPtr vm, orchestrator_.act(call.vm_id, call.action, options));
  // Another request deleted the VM during this action.
  if (vm == nullptr) return no_such_vm(call.vm_id);
  ActionResult result;
  result.job_id = vm->job_id;
  result.pending = call.respond_async && !vm->job_id.empty();
  result.vm = std::move(vm);
  return result;
}

Result<JobPtr> RestOperations::cancel_job(const std::string& job_id, bool respond_async) {
  ActOptions options;
  if (const RequestScope* request = RequestScope::current()) options.request_id = request->id();
  options.wait_ms = options_.action_wait_ms;
  options.respond_async = respond_async;
  return orchestrator_.cancel(job_id, options);
}

Result<std::unique_ptr<ConsoleReader>> RestOperations::console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                               const std::string&) {
  if (follow) {
    const std::int64_t from = tail_bytes > 0 ? tail_bytes : kWholeLog;
    return std::unique_ptr<ConsoleReader>(std::make_unique<ConsoleFollower>(
        [this, id = vm.id, from](const ConsoleFollower::Sink& sink, const std::stop_token& stop) {
          return queries_.read_console(id, from, true, sink, stop);
        }));
  }
  return read_whole_log(logs_, [&](const auto& sink) { return queries_.read_console(vm.id, tail_bytes, false, sink); });
}

Result<std::unique_ptr<http::SocketPeer>> RestOperations::attach_console(const VmRecord& vm,
                                                                         std::optional<std::int64_t> tail_bytes,
                                                                         const std::string& request_id) {
  QARAX_TRY(ConsolePlace place, ConsolePlace::take(attachments_, options_.max_attachments));
  QARAX_TRY(auto line, queries_.attach_console(vm, tail_bytes.value_or(kWholeLog)));
  core::logger("vms")->info("console attached name={} vm={} request={}", vm.name, vm.id, request_id);
  return std::unique_ptr<http::SocketPeer>(std::make_unique<ConsolePeer>(std::move(line), std::move(place)));
}

Result<HostPtr> RestOperations::add_host(const NewHostInput& input) {
  auto host = orchestrator_.add_host(input);
  if (host)
    core::logger("hosts")->info("added name={} address={} port={} host={}", (*host)->name, (*host)->address,
                                (*host)->port, (*host)->id);
  return host;
}

Result<HostPtr> RestOperations::edit_host(const EditCall& call) {
  auto host = editor_.edit_host({call.id, call.patch, call.expected_version});
  if (host)
    core::logger("hosts")->info("changed name={} address={} port={} host={} request={}", (*host)->name,
                                (*host)->address, (*host)->port, (*host)->id, call.request_id);
  return host;
}

Status RestOperations::remove_host(const RemoveHost& asked, const std::string& request_id) {
  QARAX_CHECK(editor_.remove_host(asked));
  core::logger("hosts")->info("removed host={} with_vms={} request={}", asked.host_id, asked.with_vms, request_id);
  return Ok{};
}

Result<HostPtr> RestOperations::init_host(const std::string& host_id, const std::string&) {
  return host_jobs_.init(host_id, options_.connect_wait_ms);
}

std::vector<api::Check> RestOperations::checks() {
  std::size_t up = 0;
  const auto hosts = store_.hosts();
  for (const HostPtr& host : hosts) up += host->status == HostStatus::up ? 1 : 0;
  // Always ok: a host that is down is no reason to send clients elsewhere. The other hosts work, and this server
  // reports the outage.
  return {{"hosts", true, std::to_string(up) + " of " + std::to_string(hosts.size()) + " up"}};
}

}  // namespace qarax::server
