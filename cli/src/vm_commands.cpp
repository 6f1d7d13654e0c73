#include "commands.hpp"
#include "problem.hpp"
#include "sizes.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

// Hosts by id, for tables; a host that went away meanwhile shows as its id.
Result<std::vector<std::pair<std::string, std::string>>> host_names(ApiClient& api) {
  QARAX_TRY(const Document hosts, api.get_all("/hosts"));
  std::vector<std::pair<std::string, std::string>> names;
  for (std::size_t i = 0; i < element_count(hosts); ++i) {
    const json::Value host = element(hosts, i).value;
    names.emplace_back(text_of(host, "id"), text_of(host, "name"));
  }
  return names;
}

std::string name_of_host(const std::vector<std::pair<std::string, std::string>>& names, const std::string& id) {
  for (const auto& [known, name] : names)
    if (known == id) return name;
  return id;
}

// What the options say of a VM, under its members' names.
json::Object wanted(const Arguments& arguments) {
  json::Object body;
  const auto add = [&](const char* key, auto value) { body.emplace_back(key, json::Value(std::move(value))); };
  if (arguments.memory) add("memory_size", *arguments.memory);
  if (arguments.vcpus) add("boot_vcpus", *arguments.vcpus);
  if (arguments.max_vcpus) add("max_vcpus", *arguments.max_vcpus);
  if (arguments.memory_hotplug) body.emplace_back("memory_hotplug_size", *arguments.memory_hotplug);
  if (!arguments.restart.empty()) add("restart_policy", arguments.restart);
  if (arguments.restart_limit) add("restart_limit", *arguments.restart_limit);
  if (arguments.description) add("description", *arguments.description);
  if (arguments.config) body.emplace_back("config", *arguments.config);
  if (arguments.tags) {
    json::Array tags;
    for (const std::string& tag : *arguments.tags) tags.emplace_back(tag);
    add("tags", std::move(tags));
  }
  return body;
}

std::string new_vm(const Arguments& arguments) {
  json::Object body = wanted(arguments);
  body.emplace(body.begin(), "name", json::Value(arguments.target));
  if (!arguments.hypervisor.empty()) body.emplace_back("hypervisor", json::Value(arguments.hypervisor));
  return json::to_text(json::Value(std::move(body)));
}

// The VMs that the filters leave.
std::string list_path(const Arguments& arguments) {
  std::string query;
  const auto add = [&](const std::string& name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + name + "=" + percent_encoded(value);
  };
  if (!arguments.status.empty()) add("status", arguments.status);
  for (const std::string& tag : arguments.tags.value_or(std::vector<std::string>())) add("tags", tag);
  return "/vms" + query;
}

std::string tags_of(const json::Value& vm) {
  std::string out;
  const json::Value* tags = vm.find("tags");
  if (tags == nullptr || tags->as_array() == nullptr) return out;
  for (const json::Value& tag : *tags->as_array())
    if (tag.as_string() != nullptr) out += (out.empty() ? "" : ", ") + printable(*tag.as_string());
  return out;
}

}  // namespace

std::string state_line(const json::Value& vm, bool colour) {
  std::string line = printable(text_of(vm, "name")) + " is " + coloured_state(text_of(vm, "status"), colour);
  if (const std::string activity = text_of(vm, "activity"); !activity.empty())
    line += " (" + printable(activity) + " is under way)";
  return line + "\n";
}

std::string size_text(const json::Value& object, std::string_view key) {
  const auto value = integer_of(object, key);
  return value ? format_size(*value) : std::string();
}

std::string number_text(const json::Value& object, std::string_view key) {
  const auto value = integer_of(object, key);
  return value ? std::to_string(*value) : std::string();
}

Result<Document> create_vm(const Context& context) {
  QARAX_TRY(Reply reply, context.api.call({.method = "POST", .path = "/vms", .body = new_vm(context.arguments)}));
  return parse_document(std::move(reply.body));
}

void say_made(const Context& context, const Document& document, std::string_view made, std::string_view next) {
  if (context.arguments.json()) {
    context.out << document.text << '\n';
    return;
  }
  const std::string name = printable(text_of(document.value, "name"));
  context.out << name << " is " << made << " (" << printable(text_of(document.value, "id")) << ")\n";
  context.note << "  next: qarax " << next << ' ' << name << '\n';
}

Status create(const Context& context) {
  QARAX_TRY(const Document vm, create_vm(context));
  say_made(context, vm, "created", "start");
  return Ok{};
}

Status list(const Context& context) {
  const std::string path = list_path(context.arguments);
  QARAX_TRY(const Document vms, context.api.get_all(path));
  const std::size_t count = element_count(vms);
  if (context.arguments.names) {
    for (std::size_t i = 0; i < count; ++i) context.out << printable(text_of(element(vms, i).value, "name")) << '\n';
    return Ok{};
  }
  if (context.arguments.json()) {
    context.out << vms.text << '\n';
    return Ok{};
  }
  if (count == 0) {
    context.note << (path == "/vms" ? "no VMs yet\n  next: qarax launch NAME\n" : "no VM matches\n");
    return Ok{};
  }
  QARAX_TRY(const auto names, host_names(context.api));
  Table table({"NAME", "STATUS", "VCPUS", "MEMORY", "HYPERVISOR", "ACCELERATOR", "HOST", "ID"});
  for (std::size_t i = 0; i < count; ++i) {
    const json::Value vm = element(vms, i).value;
    table.add({text_of(vm, "name"), text_of(vm, "status"), number_text(vm, "boot_vcpus"), size_text(vm, "memory_size"),
               text_of(vm, "hypervisor"), text_of(vm, "accelerator"), name_of_host(names, text_of(vm, "host_id")),
               text_of(vm, "id")});
  }
  context.out << table.text(context.colour);
  return Ok{};
}

Status show(const Context& context) {
  QARAX_TRY(const Document found, find_vm(context.api, context.arguments.target));
  if (context.arguments.json()) {
    context.out << found.text << '\n';
    return Ok{};
  }
  const json::Value& vm = found.value;
  QARAX_TRY(const auto names, host_names(context.api));
  const auto line = [&](const char* key) { return printable(text_of(vm, key)); };
  const json::Value* config = vm.find("config");
  context.out << field_list({{"name", line("name")},
                             {"id", line("id")},
                             {"description", line("description")},
                             {"tags", tags_of(vm)},
                             {"status", coloured_state(line("status"), context.colour)},
                             {"reason", line("status_reason")},
                             {"asked for", line("desired_status")},
                             {"under way", line("activity")},
                             {"host", printable(name_of_host(names, text_of(vm, "host_id")))},
                             {"hypervisor", line("hypervisor")},
                             {"run by", line("effective_hypervisor")},
                             {"accelerator", line("accelerator")},
                             {"vcpus", number_text(vm, "boot_vcpus")},
                             {"max vcpus", number_text(vm, "max_vcpus")},
                             {"memory", size_text(vm, "memory_size")},
                             {"hotplug", size_text(vm, "memory_hotplug_size")},
                             {"restart", line("restart_policy")},
                             {"config", config == nullptr || config->is_null() ? "" : json::to_text(*config)},
                             {"starts", number_text(vm, "incarnation")},
                             {"created", line("created_at")},
                             {"seen", line("observed_at")}});
  return Ok{};
}

Status act(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  QARAX_TRY(const Document now, act_on(context, vm.value, context.arguments.command));
  context.out << (context.arguments.json() ? now.text + "\n" : state_line(now.value, context.colour));
  return Ok{};
}

Status set(const Context& context) {
  json::Object changes = wanted(context.arguments);
  if (context.arguments.name) changes.emplace_back("name", json::Value(*context.arguments.name));
  if (changes.empty())
    return make_error(Code::invalid_argument,
                      "set needs at least one option, such as --memory 1G; see qarax set --help", std::string(kUsage));
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  // The limit goes up where it has to, and never down unasked.
  const auto& vcpus = context.arguments.vcpus;
  if (vcpus && !context.arguments.max_vcpus && *vcpus > integer_of(vm.value, "max_vcpus").value_or(*vcpus))
    changes.emplace_back("max_vcpus", json::Value(*vcpus));
  QARAX_TRY(Reply reply, context.api.call({.method = "PATCH",
                                           .path = vm_path(vm.value),
                                           .body = json::to_text(json::Value(std::move(changes)))}));
  if (context.arguments.json()) {
    context.out << reply.body << '\n';
    return Ok{};
  }
  QARAX_TRY(const Document now, parse_document(std::move(reply.body)));
  context.out << printable(text_of(now.value, "name")) << " is changed\n";
  return Ok{};
}

Status remove(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  const std::string path = vm_path(vm.value, context.arguments.forget ? "?forget=true" : "");
  auto answer = carry_out(context, vm.value, {.method = "DELETE", .path = path});
  const bool is_left = context.arguments.wait.count() == 0;
  // What was left to the server may be done by the time that it is looked at.
  if (!answer && is_left && answer.error().reason == kVmNotFound) answer = Document{};
  if (!answer) {
    Error error = std::move(answer).error();
    if (error.reason == "node-unreachable")
      error.hint = "Where that host never comes back: qarax delete " + context.arguments.target +
                   " --forget; should it come back after all, it ends the VM.";
    return error;
  }
  const std::string name = text_of(vm.value, "name");
  if (is_left && !answer->text.empty()) {
    context.out << (context.arguments.json() ? answer->text : printable(name) + " is being deleted") << '\n';
    return Ok{};
  }
  if (context.arguments.json())
    context.out << json::to_text(json::Value(json::Object{{"id", json::Value(text_of(vm.value, "id"))},
                                                          {"name", json::Value(name)},
                                                          {"deleted", json::Value(true)}}))
                << '\n';
  else
    context.out << printable(name) << " is deleted\n";
  return Ok{};
}

}  // namespace qarax::cli
