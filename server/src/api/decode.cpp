#include <algorithm>

#include "api/decode_body.hpp"
#include "api/host.hpp"
#include "api/new_vm.hpp"
#include "api/rules.hpp"
#include "api/vm_changes.hpp"
#include "qarax/core/addresses.hpp"

namespace qarax::api {

namespace {

// Generated clients of the first API write null for optional members that aren't set; for members that can't be null
// this means absent. Members that a VM needs stay strict.
void drop_unset(json::Value& document) {
  static constexpr std::string_view kMayBeUnset[] = {
      "max_vcpus",        "kvm_hyperv",      "memory_mergeable", "memory_shared",
      "memory_hugepages", "memory_prefault", "memory_thp",       "tags"};
  if (auto* object = document.as_object())
    std::erase_if(*object, [](const json::Member& member) {
      return member.second.is_null() &&
             std::find(std::begin(kMayBeUnset), std::end(kMayBeUnset), member.first) != std::end(kMayBeUnset);
    });
}

}  // namespace

Result<NewVm> decode_new_vm(std::string_view body) {
  auto parsed = json::parse(body);
  if (!parsed) return std::move(parsed).error().context("NewVm");
  drop_unset(*parsed);
  return decode_vm_body("NewVm", *parsed, body);
}

Result<NewVm> decode_vm_body(std::string_view document, const json::Value& value, std::string_view source,
                             std::string_view kept_config) {
  // Report the problems of the codec and those of the rules together, as far as the rules can be checked.
  auto vm = decode<NewVm>(value, Unknown::refuse, source);
  Problems problems = vm ? Problems() : std::move(vm.error().details);
  const auto add_name = [&](const json::Value* name) {
    if (name == nullptr || name->as_string() == nullptr || name->as_string()->empty() ||
        name->as_string()->size() > 253)
      return;  // the codec has reported it
    check_name(problems, "/name", *name->as_string());
  };
  add_name(value.find("name"));
  if (const auto* config = value.find("config")) {
    check_no_host_path(problems, "/config", *config);
    if (!vm || vm->spec.config.text != kept_config) check_depth(problems, "/config", *config);
  }
  if (vm) {
    if (value.find("max_vcpus") == nullptr) vm->spec.max_vcpus = vm->spec.boot_vcpus;
    check_spec(problems, vm->spec);
    check_tags(problems, "/tags", vm->tags);
    if (vm->description) check_text(problems, "/description", *vm->description);
    if (vm->boot_source_id) check_uuid(problems, "/boot_source_id", *vm->boot_source_id);
    if (vm->hypervisor && !is_safe_name(*vm->hypervisor))
      problems.push_back(
          {"/hypervisor", "is not a plugin's short name; GET /hosts/{id}/plugins lists those there are"});
  }
  if (!problems.empty()) return validation_error(document, std::move(problems));
  return vm;
}

Result<VmResize> decode_resize(std::string_view body) {
  QARAX_TRY(VmResize size, decode<VmResize>(body));
  if (!size.desired_vcpus && !size.desired_ram)
    return validation_error("VmResize", {{"", "names nothing to change; give desired_vcpus, desired_ram or both"}});
  return size;
}

Result<NewSnapshot> decode_new_snapshot(std::string_view body) {
  if (body.empty()) return NewSnapshot{};
  QARAX_TRY(NewSnapshot snapshot, decode<NewSnapshot>(body));
  Problems problems;
  if (snapshot.name) check_name(problems, "/name", *snapshot.name);
  if (!problems.empty()) return validation_error("NewSnapshot", std::move(problems));
  return snapshot;
}

Result<Restore> decode_restore(std::string_view body) {
  QARAX_TRY(Restore restore, decode<Restore>(body));
  Problems problems;
  check_uuid(problems, "/snapshot_id", restore.snapshot_id);
  if (!problems.empty()) return validation_error("Restore", std::move(problems));
  return restore;
}

Result<NewHost> decode_new_host(std::string_view body) {
  auto parsed = json::parse(body);
  if (!parsed) return std::move(parsed).error().context("NewHost");
  return decode_host_body("NewHost", *parsed);
}

Result<NewHost> decode_host_body(std::string_view document, const json::Value& value) {
  auto host = decode<NewHost>(value);
  if (!host) return validation_error(document, std::move(host.error().details));
  Problems problems;
  check_name(problems, "/name", host->name);
  check_address(problems, "/address", host->address);
  if (host->host_user) check_text(problems, "/host_user", *host->host_user);
  if (!problems.empty()) return validation_error(document, std::move(problems));
  host->address = core::bare_address(std::move(host->address));
  return host;
}

}  // namespace qarax::api
