// Whether a resolved spec still is the VM that was asked for.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_spec.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// A plugin resolves what the spec leaves open. INTERNAL "plugin-bug", with every place: it changed the vCPUs, the
// memory, or another member that doesn't have its default. `config` is the plugin's own. A max_vcpus below boot_vcpus,
// as it is where a spec names only boot_vcpus, may become boot_vcpus.
inline Status check_resolved(const VmSpec& asked, const VmSpec& resolved) {
  static const VmSpec defaults{};
  Error error = make_error(Code::internal, "resolve changed the VM that was asked for:", "plugin-bug");
  qarax::detail::for_each_field<VmSpec>([&](const auto& f) {
    using T = typename std::remove_cvref_t<decltype(f)>::Type;
    const T& was = asked.*(f.kMember);
    const T& is = resolved.*(f.kMember);
    if (f.name == "config" || qarax::detail::same(was, is)) return;
    const bool is_size = f.name == "boot_vcpus" || f.name == "max_vcpus" || f.name == "memory_size";
    if (!is_size && qarax::detail::same(was, defaults.*(f.kMember))) return;
    if (f.name == "max_vcpus" && asked.max_vcpus < asked.boot_vcpus && resolved.max_vcpus == asked.boot_vcpus) return;
    std::string change;
    encode_to(change, was, Defaults::omit);
    encode_to(change.append(" became "), is, Defaults::omit);
    error.message.append(error.details.empty() ? " /" : ", /").append(f.name).append(" " + change);
    error.details.push_back({"/" + std::string(f.name), change});
  });
  return error.details.empty() ? Status(Ok{}) : Status(std::move(error));
}

}  // namespace qarax::core
