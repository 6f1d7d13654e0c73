// Commands for a VM's size and snapshots.
#include <algorithm>

#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

std::string text_of_body(json::Object body) { return json::to_text(json::Value(std::move(body))); }

// Finds a snapshot of the VM by id or name.
Result<Document> find_snapshot(const Context& context, const json::Value& vm) {
  const std::string& wanted = context.arguments.snapshot;
  QARAX_TRY(const Document all, context.api.get(vm_path(vm, "/snapshots")));
  for (const char* key : {"id", "name"})
    for (std::size_t i = 0; i < element_count(all); ++i)
      if (Document one = element(all, i); text_of(one.value, key) == wanted) return one;
  return make_error(Code::not_found,
                    "VM " + context.arguments.target + " has no snapshot with the name or id " + wanted,
                    std::string(kSnapshotNotFound));
}

std::string snapshot_path(const json::Value& vm, const json::Value& snapshot) {
  return vm_path(vm, "/snapshots/" + percent_encoded(text_of(snapshot, "id")));
}

// Adds a hint to use `set` for sizes that only a stopped VM can get.
Error resize_refused(const Context& context, const json::Value& vm, Error error) {
  const bool is_about_size = std::any_of(error.details.begin(), error.details.end(), [](const ErrorDetail& detail) {
    return detail.pointer == "/desired_vcpus" || detail.pointer == "/desired_ram";
  });
  if (error.reason != "validation" || !is_about_size) return error;
  const std::string& name = context.arguments.target;
  const std::string status = text_of(vm, "status");
  if (status != "created" && status != "shutdown")
    error.hint = "Its limits can be changed while it doesn't run: qarax stop " + name + ", then qarax set " + name +
                 " --max-vcpus N, --memory-hotplug SIZE.";
  else if (context.arguments.vcpus)
    error.hint = "As it doesn't run, its limit can be changed too: qarax set " + name + " --vcpus " +
                 std::to_string(*context.arguments.vcpus) + ".";
  return error;
}

}  // namespace

Status resize(const Context& context) {
  const Arguments& arguments = context.arguments;
  QARAX_TRY(const Document vm, find_vm(context.api, arguments.target));
  json::Object body;
  if (arguments.vcpus) body.emplace_back("desired_vcpus", json::Value(*arguments.vcpus));
  if (arguments.memory) body.emplace_back("desired_ram", json::Value(*arguments.memory));
  const auto reached = [&](const json::Value& now) {
    return (!arguments.vcpus || integer_of(now, "boot_vcpus") == arguments.vcpus) &&
           (!arguments.memory || integer_of(now, "memory_size") == arguments.memory);
  };
  auto answer =
      carry_out(context, vm.value,
                {.method = "PUT", .path = vm_path(vm.value, "/resize"), .body = text_of_body(std::move(body))});
  if (!answer) return resize_refused(context, vm.value, std::move(answer).error());
  const Document& now = *answer;
  if (arguments.json()) {
    context.out << now.text << '\n';
    return Ok{};
  }
  const std::string name = printable(text_of(now.value, "name"));
  if (!reached(now.value)) {
    context.out << state_line(now.value, context.colour);
    return Ok{};
  }
  context.out << name << " has " << number_text(now.value, "boot_vcpus") << " vCPUs and "
              << size_text(now.value, "memory_size") << " of memory\n";
  const std::string status = text_of(now.value, "status");
  if (status == "created" || status == "shutdown")
    context.note << "  from its next start on: qarax start " << name << '\n';
  return Ok{};
}

Status snapshot(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  json::Object body;
  if (!context.arguments.snapshot.empty()) body.emplace_back("name", json::Value(context.arguments.snapshot));
  QARAX_TRY(
      Document taken,
      carry_out(context, vm.value,
                {.method = "POST", .path = vm_path(vm.value, "/snapshots"), .body = text_of_body(std::move(body))}));
  // With --wait 0 the answer is the VM, and the snapshot just begun is its newest.
  if (taken.value.find("vm_id") == nullptr) {
    QARAX_TRY(const Document all, context.api.get(vm_path(vm.value, "/snapshots")));
    if (element_count(all) == 0)
      return make_error(Code::failed_precondition,
                        "the snapshot of VM " + context.arguments.target + " is gone already", "vmm-failed");
    taken = element(all, element_count(all) - 1);
  }
  if (context.arguments.json()) {
    context.out << taken.text << '\n';
    return Ok{};
  }
  const std::string name = printable(text_of(taken.value, "name"));
  context.out << "snapshot " << name << " of " << printable(text_of(vm.value, "name")) << " is "
              << printable(text_of(taken.value, "status"));
  if (integer_of(taken.value, "size").value_or(0) > 0) context.out << ", " << size_text(taken.value, "size");
  context.out << '\n';
  context.note << "  to go back to it: qarax stop " << context.arguments.target << ", then qarax restore "
               << context.arguments.target << ' ' << name << '\n';
  return Ok{};
}

Status snapshots(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  QARAX_TRY(const Document all, context.api.get(vm_path(vm.value, "/snapshots")));
  if (context.arguments.names) {
    for (std::size_t i = 0; i < element_count(all); ++i)
      context.out << printable(text_of(element(all, i).value, "name")) << '\n';
    return Ok{};
  }
  if (context.arguments.json()) {
    context.out << all.text << '\n';
    return Ok{};
  }
  if (element_count(all) == 0) {
    context.note << "no snapshots yet\n  next: qarax snapshot " << context.arguments.target << '\n';
    return Ok{};
  }
  Table table({"NAME", "STATUS", "VCPUS", "MEMORY", "SIZE", "CREATED", "ID"});
  for (std::size_t i = 0; i < element_count(all); ++i) {
    const json::Value one = element(all, i).value;
    table.add({text_of(one, "name"), text_of(one, "status"), number_text(one, "vcpus"), size_text(one, "memory_size"),
               size_text(one, "size"), text_of(one, "created_at"), text_of(one, "id")});
  }
  context.out << table.text(context.colour);
  return Ok{};
}

Status restore(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  QARAX_TRY(const Document snapshot, find_snapshot(context, vm.value));
  QARAX_TRY(const Document now,
            carry_out(context, vm.value,
                      {.method = "POST",
                       .path = vm_path(vm.value, "/restore"),
                       .body = text_of_body({{"snapshot_id", json::Value(text_of(snapshot.value, "id"))}})}));
  context.out << (context.arguments.json() ? now.text + "\n" : state_line(now.value, context.colour));
  return Ok{};
}

Status delete_snapshot(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  QARAX_TRY(const Document snapshot, find_snapshot(context, vm.value));
  QARAX_TRY(const Document answer,
            carry_out(context, vm.value, {.method = "DELETE", .path = snapshot_path(vm.value, snapshot.value)}));
  const std::string name = text_of(snapshot.value, "name");
  if (context.arguments.wait.count() == 0 && !answer.text.empty()) {
    context.out << (context.arguments.json() ? answer.text : "snapshot " + printable(name) + " is being deleted")
                << '\n';
    return Ok{};
  }
  if (context.arguments.json())
    context.out << text_of_body({{"id", json::Value(text_of(snapshot.value, "id"))},
                                 {"name", json::Value(name)},
                                 {"deleted", json::Value(true)}})
                << '\n';
  else
    context.out << "snapshot " << printable(name) << " is deleted\n";
  return Ok{};
}

}  // namespace qarax::cli
