// `qarax unmanaged` and `adopt`: VMs that a host's node has but the server doesn't know. `qarax leftovers`: things on
// the host that belong to no VM.
#include <algorithm>

#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

std::string vm_table(const Document& vms, bool colour) {
  Table table({"NAME", "STATUS", "ACTION", "HYPERVISOR", "STARTS", "ID", "NOTE"});
  for (std::size_t i = 0; i < element_count(vms); ++i) {
    const json::Value vm = element(vms, i).value;
    table.add({text_of(vm, "name"), text_of(vm, "status"), text_of(vm, "action"), text_of(vm, "hypervisor"),
               std::to_string(integer_of(vm, "incarnation").value_or(0)), text_of(vm, "id"), text_of(vm, "note")});
  }
  return table.text(colour);
}

// The number of VMs that the plan would change.
std::size_t count_changed(const json::Value* vms) {
  if (vms == nullptr || vms->as_array() == nullptr) return 0;
  return static_cast<std::size_t>(
      std::count_if(vms->as_array()->begin(), vms->as_array()->end(), [](const json::Value& vm) {
        const std::string action = text_of(vm, "action");
        return action != "none" && action != "leave";
      }));
}

Result<Document> ask(const Context& context, const char* method, const std::string& path) {
  QARAX_TRY(Reply reply, context.api.call({.method = method, .path = path}));
  return parse_document(std::move(reply.body));
}

}  // namespace

Status leftovers(const Context& context) {
  QARAX_TRY(const Document host, find_host(context.api, context.arguments.target));
  const bool collect = context.arguments.collect;
  QARAX_TRY(const Document found, ask(context, collect ? "POST" : "GET",
                                      host_path(host.value, collect ? "/leftovers/collect" : "/leftovers")));
  if (context.arguments.json()) {
    context.out << found.text << '\n';
    return Ok{};
  }
  const std::string name = printable(text_of(host.value, "name"));
  if (element_count(found) == 0) {
    context.note << "nothing is left over on " << name << '\n';
    return Ok{};
  }
  Table table({"KIND", "NAME", "VM", "WHY", "STATE"});
  for (std::size_t i = 0; i < element_count(found); ++i) {
    const json::Value one = element(found, i).value;
    const std::string problem = text_of(one, "problem");
    table.add({text_of(one, "kind"), text_of(one, "name"), text_of(one, "vm"), text_of(one, "why"),
               flag_of(one, "removed") ? "removed"
               : problem.empty()       ? "there"
                                       : problem});
  }
  context.out << table.text(context.colour);
  if (!collect) context.note << "  next: qarax leftovers " << name << " --collect\n";
  return Ok{};
}

Status unmanaged(const Context& context) {
  QARAX_TRY(const Document host, find_host(context.api, context.arguments.target));
  const std::string name = printable(text_of(host.value, "name"));
  const auto of_vm = [&](const std::string& id, const char* rest) {
    return host_path(host.value, "/unmanaged/" + percent_encoded(id) + rest);
  };
  if (const std::string& id = context.arguments.adopt; !id.empty()) {
    QARAX_TRY(const Document vm, ask(context, "POST", of_vm(id, "/adopt")));
    context.out << (context.arguments.json() ? vm.text : printable(text_of(vm.value, "name")) + " is adopted") << '\n';
    return Ok{};
  }
  if (const std::string& id = context.arguments.remove; !id.empty()) {
    QARAX_TRY(const Reply gone, context.api.call({.method = "DELETE", .path = of_vm(id, "")}));
    context.out << printable(id) << " is deleted on " << name << '\n';
    return Ok{};
  }
  QARAX_TRY(const Document vms, context.api.get(host_path(host.value, "/unmanaged")));
  if (context.arguments.json()) {
    context.out << vms.text << '\n';
    return Ok{};
  }
  if (element_count(vms) == 0) {
    if (const std::string status = text_of(host.value, "status"); status != "up") {
      // The node that answers may belong to another host, so its VMs say nothing about this host.
      const std::string reason = printable(text_of(host.value, "status_reason"));
      context.note << name << " is " << printable(status) << (reason.empty() ? "" : ": " + reason)
                   << "\n  what answers there has no VM that the server doesn't know; the host's own may be elsewhere\n"
                   << "  next: qarax hosts\n";
      return Ok{};
    }
    context.note << "the server knows every VM of " << name << '\n';
    return Ok{};
  }
  context.out << vm_table(vms, context.colour);
  context.note << "  next: qarax unmanaged " << name << " --adopt ID, or --remove ID\n";
  return Ok{};
}

Status adopt(const Context& context) {
  QARAX_TRY(const Document host, find_host(context.api, context.arguments.target));
  const std::string& confirmed = context.arguments.plan;
  const std::string query = confirmed.empty() ? "" : "?plan=" + percent_encoded(confirmed);
  QARAX_TRY(const Document plan, ask(context, "POST", host_path(host.value, "/adopt" + query)));
  if (context.arguments.json()) {
    context.out << plan.text << '\n';
    return Ok{};
  }
  const std::string name = printable(text_of(plan.value, "host"));
  const json::Value* vms = plan.value.find("vms");
  const bool any = vms != nullptr && vms->as_array() != nullptr && !vms->as_array()->empty();
  if (any) context.out << vm_table({json::to_text(*vms), *vms}, context.colour);
  if (flag_of(plan.value, "applied")) {
    context.note << name << " is adopted\n  next: qarax list\n";
    return Ok{};
  }
  const std::string reason = printable(text_of(plan.value, "reason"));
  const std::size_t changed = count_changed(vms);
  if (reason.empty() && changed == 0) {
    context.note << name << " needs no adopt: its node obeys this server, and each knows what the other does\n";
    return Ok{};
  }
  context.note << (reason.empty() ? name + "'s node obeys this server; of its VMs " + std::to_string(changed) +
                                        " would be taken over or changed here\n"
                                  : reason + "\n")
               << "  nothing is changed yet; to carry it out: qarax adopt " << name << " --plan "
               << printable(text_of(plan.value, "plan")) << '\n';
  return Ok{};
}

}  // namespace qarax::cli
