#include "node_queries.hpp"

#include "able.hpp"
#include "placing.hpp"
#include "refusals.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kAskMs = 5'000;

// `only`: the part of the message that says what a running VM has.
Status check_runs(const VmRecord& vm, const std::string& only) {
  const VmState state = vm.observed.status.state;
  if (state != VmState::created && state != VmState::shutdown) return Ok{};
  return make_error(Code::failed_precondition, "VM " + vm.name + " is " + std::string(to_string(state)) + "; " + only,
                    "wrong-state");
}

bool has_no_log(const Error& error) { return error.reason == "no-console" || error.reason == "vm-not-found"; }

}  // namespace

Result<std::shared_ptr<NodeAccess>> NodeQueries::link_of(const VmRecord& vm) const {
  auto link = vm.host_id ? nodes_.link(*vm.host_id) : nullptr;
  if (!link || !link->is_up()) return unreachable(vm, store_);
  return link;
}

Result<Counters> NodeQueries::counters(const std::string& vm_id) const {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return no_such_vm(vm_id);
  QARAX_CHECK(check_runs(*vm, "only a VMM that runs counts anything. Start it first."));
  QARAX_TRY(const auto link, link_of(*vm));
  QARAX_CHECK(check_able(*vm, "counters", core::kFeatureCounters, store_, nodes_));
  auto counted = link->counters(vm_id, kAskMs);
  if (!counted) return answer_of_node(std::move(counted).error(), *vm, store_);
  return counted;
}

Status NodeQueries::read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                                 const std::function<bool(std::string_view)>& sink, const std::stop_token& stop) const {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return no_such_vm(vm_id);
  if (!vm->host_id) return Ok{};  // never started
  QARAX_TRY(const auto link, link_of(*vm));
  auto read = link->read_console(vm_id, tail_bytes, follow, sink, stop);
  if (!read && has_no_log(read.error())) return Ok{};
  if (!read) return answer_of_node(std::move(read).error(), *vm, store_);
  return read;
}

Result<std::unique_ptr<ConsoleLine>> NodeQueries::attach_console(const VmRecord& vm, std::int64_t tail_bytes) const {
  QARAX_CHECK(check_runs(vm,
                         "only a guest that runs has a console to attach to. Start it, or read its log at "
                         "GET /vms/{id}/console."));
  QARAX_TRY(const auto link, link_of(vm));
  QARAX_CHECK(check_able(vm, "", core::kFeatureConsole, store_, nodes_));
  auto line = link->attach_console(vm.id, tail_bytes, kAskMs);
  if (!line && line.error().reason == "no-console")
    return make_error(Code::failed_precondition, "VM " + vm.name + " has no console on its host", "wrong-state");
  if (!line) return answer_of_node(std::move(line).error(), vm, store_);
  return line;
}

Result<std::string> NodeQueries::read_vmm_log(const VmRecord& vm) const {
  QARAX_TRY(const auto link, link_of(vm));
  if (!link->knows(core::kFeatureVmmLog))
    return make_error(Code::unimplemented, "the node of VM " + vm.name + " is too old to tell it; upgrade it",
                      "node-outdated");
  auto log = link->read_vmm_log(vm.id, kAskMs);
  if (!log && has_no_log(log.error())) return std::string();
  if (!log) return answer_of_node(std::move(log).error(), vm, store_);
  return log;
}

}  // namespace qarax::server
