#include "node_words.hpp"

#include <algorithm>

#include "qarax/core/cut.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/json/parse.hpp"

namespace qarax::server {

namespace {

Error unbelievable(std::string why) {
  Error error = make_error(Code::failed_precondition, std::move(why), std::string(kUnbelievable));
  error.hint = "Its data is broken, or it isn't a node of qarax: look who answers there, or give it a new data folder.";
  return error;
}

Status check_number(const std::string& what, std::int64_t value) {
  if (value >= 0 && value <= core::kLargestNumber) return Ok{};
  return unbelievable("it says " + what + " " + std::to_string(value) + ", which no node comes to");
}

Status check_numbers(const core::VmReport& report) {
  const std::string of_vm = " of VM " + report.vm.substr(0, 64);
  QARAX_CHECK(check_number("incarnation" + of_vm + ":", report.incarnation));
  QARAX_CHECK(check_number("revision" + of_vm + ":", report.revision));
  QARAX_CHECK(check_number("edition" + of_vm + ":", report.keep_edition));
  return check_number("report number" + of_vm + ":", report.seq);
}

Result<core::VmReport> taken(core::VmReport report) {
  QARAX_CHECK(check_numbers(report));
  core::cut(report.status);
  return report;
}

}  // namespace

Result<core::VmReport> read_report(std::string_view document) {
  QARAX_TRY(core::VmReport report, decode<core::VmReport>(document, Unknown::ignore));
  return taken(std::move(report));
}

std::string vm_of_report(std::string_view document) {
  const auto parsed = json::parse(document);
  const json::Value* vm = parsed ? parsed->find("vm") : nullptr;
  const std::string* id = vm != nullptr ? vm->as_string() : nullptr;
  return id != nullptr ? *id : std::string();
}

Result<core::NodeInfo> read_node_info(std::string_view document) {
  QARAX_TRY(core::NodeInfo info, decode<core::NodeInfo>(document, Unknown::ignore));
  QARAX_CHECK(check_number("memory:", info.memory));
  for (core::PluginInfo& plugin : info.plugins) {
    plugin.reason = core::cut_text(std::move(plugin.reason));
    if (!plugin.description) continue;
    core::cut(*plugin.description);
    // Bounded because it is added to other numbers.
    auto& overhead = plugin.description->limits.vmm_overhead;
    overhead = std::min(overhead, core::kLargestNumber);
  }
  return info;
}

Result<core::CommandProgress> read_progress(std::string_view document) {
  QARAX_TRY(core::CommandProgress progress, decode<core::CommandProgress>(document, Unknown::ignore));
  progress.step = core::cut_text(std::move(progress.step));
  progress.total = std::min(progress.total, core::kLargestNumber);
  progress.done = std::min(progress.done, core::kLargestNumber);
  return progress;
}

Result<core::KeptVm> read_kept_vm(std::string_view document) {
  QARAX_TRY(core::KeptVm vm, decode<core::KeptVm>(document, Unknown::ignore));
  QARAX_TRY(vm.report, taken(std::move(vm.report)));
  for (const core::KeptSnapshot& snapshot : vm.snapshots)
    QARAX_CHECK(check_number("size of a snapshot of VM " + vm.report.vm.substr(0, 64) + ":", snapshot.size));
  vm.problem = core::cut_text(std::move(vm.problem));
  const core::VmReport& report = vm.report;
  if (std::max({report.incarnation, report.revision, report.keep_edition}) > kLargestAdopted)
    vm.problem = "its node says that it was commanded or started more often than anything can be";
  return vm;
}

Status read_obeyed(const node::v1::Authority& said, NodeSurvey& out) {
  QARAX_CHECK(check_number("that it obeys term", said.term()));
  QARAX_CHECK(check_number("that it has heard of change", said.position()));
  out.obeyed = {said.cluster_id(), said.term(), said.activation()};
  out.position = said.position();
  return Ok{};
}

Status check_adoptable(const NodeSurvey& seen, std::int64_t own_term) {
  if (seen.obeyed.term <= std::max(kLargestAdopted, own_term)) return Ok{};
  return unbelievable("it obeys term " + std::to_string(seen.obeyed.term) +
                      ", and no server was started so often; above that one there are too few for the other nodes");
}

std::optional<Error> read_error(std::string_view document) {
  auto error = decode_error(document);
  if (!error) return error;
  core::cut(*error);
  return error;
}

}  // namespace qarax::server
