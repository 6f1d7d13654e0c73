// QARAX_PLUGIN(Class, "org.example.hypervisor.foo", "foo", "0.1.0"), once, in plugin.cpp: defines the one exported
// symbol of the file. Class derives from Hypervisor and from the Can… classes of what its VMM can do. It is constructed
// as Class(Host&, const CreateArgs&); if the constructor throws, the plugin is refused. Optional:
//   static constexpr std::string_view kConfigSchema = R"({"type":"object",...})";   // default: no options at all
// Nothing that the class throws crosses the border: it becomes an INTERNAL error that names the plugin.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "qarax/plugin/host_client.hpp"

extern "C" {
extern QARAX_EXPORT const qarax_plugin_table qarax_plugin;
}

namespace qarax::plugin::detail {

constexpr std::string_view kSdkVersion = "0.9";

inline std::int32_t fail(const qarax_call* call, const Error& error) noexcept {
  try {
    call->error(call, text(encode(error)));
  } catch (const std::exception&) {
    // out of memory while encoding the error: the code alone is returned
  }
  return error.code == Code::ok ? QARAX_INTERNAL : static_cast<std::int32_t>(error.code);
}

// Everything that Traits::Type offers, as C tables. Traits: Type, kId, kName, kVersion.
template <class Traits>
class Entry {
  using T = typename Traits::Type;
  static_assert(std::is_base_of_v<Hypervisor, T>, "a plugin's class derives from qarax::plugin::Hypervisor");

  struct Instance {
    Instance(const qarax_host* raw, const CreateArgs& args) : host(raw), object(std::make_unique<T>(host, args)) {}
    HostClient host;  // before the object, which uses it until its destructor's end
    std::unique_ptr<T> object;
  };

  // True if the caller's context has all fields of 0.9, and the two functions that every answer needs.
  static bool usable(const qarax_call* call) noexcept {
    return call != nullptr && call->size >= QARAX_CALL_SIZE_0_9 && call->put != nullptr && call->error != nullptr;
  }

  template <class F>
  static std::int32_t guard(const qarax_call* call, F&& body) noexcept {
    if (!usable(call)) return QARAX_INTERNAL;
    try {
      return std::forward<F>(body)();
    } catch (const std::exception& e) {
      return report(call, e.what());
    } catch (...) {
      return report(call, "an exception that isn't a std::exception");
    }
  }
  static std::int32_t report(const qarax_call* call, const char* what) noexcept {
    try {
      return fail(call, make_error(Code::internal, named().append(": ").append(what), "plugin-exception"));
    } catch (const std::exception&) {
      return QARAX_INTERNAL;
    }
  }
  static std::string named() {
    return std::string("plugin ")
        .append(Traits::kName)
        .append(" ")
        .append(Traits::kVersion)
        .append(", SDK ")
        .append(kSdkVersion);
  }

  // Arguments with an unknown member are refused: the plugin can't honour what it doesn't know.
  static std::int32_t refuse(const qarax_call* call, Error error) {
    if (!error.details.empty() && error.details.front().detail == "unknown member")
      error.message = named() + " doesn't know " + error.details.front().pointer;
    else
      error.message = named() + " can't read its arguments: " + error.message;
    return fail(call, error);
  }
  template <class R>
  static std::int32_t answer(const qarax_call* call, const Result<R>& result) {
    if (!result) return fail(call, result.error());
    return call->put(call, text(encode(result.value())));
  }

  template <class Args, auto Method>
  static std::int32_t slot(void* self, const qarax_call* raw, qarax_text args) noexcept {
    return guard(raw, [&] {
      auto decoded = decode<Args>(view(args), Unknown::refuse);
      if (!decoded) return refuse(raw, std::move(decoded).error());
      Call call(raw);
      T& object = *static_cast<Instance*>(self)->object;
      return answer(raw, (object.*Method)(call, *decoded));
    });
  }
  template <class Base>
  static std::int32_t open_console(void* self, const qarax_call* raw, qarax_text args) noexcept {
    return guard(raw, [&] {
      auto decoded = decode<VmArgs>(view(args), Unknown::refuse);
      if (!decoded) return refuse(raw, std::move(decoded).error());
      Call call(raw);
      Base& object = *static_cast<Instance*>(self)->object;
      auto fd = object.open_console(call, *decoded);
      if (!fd) return fail(raw, fd.error());
      const auto index = call.put_fd(*fd);
      return index ? static_cast<std::int32_t>(QARAX_OK) : fail(raw, index.error());
    });
  }
  static std::int32_t describe(void* self, const qarax_call* raw, qarax_text) noexcept {
    return guard(raw, [&] {
      Call call(raw);
      return answer(raw, static_cast<Instance*>(self)->object->describe(call));
    });
  }

  static std::int32_t create(const qarax_host* host, const qarax_call* raw, qarax_text args, void** out) noexcept {
    return guard(raw, [&] {
      if (host == nullptr || host->size < QARAX_HOST_SIZE_0_9)
        return fail(raw, make_error(Code::failed_precondition, named() + " needs a host of ABI 0.9 or newer"));
      auto decoded = decode<CreateArgs>(view(args), Unknown::refuse);
      if (!decoded) return refuse(raw, std::move(decoded).error());
      *out = std::make_unique<Instance>(host, *decoded).release();  // destroy takes it back
      return static_cast<std::int32_t>(QARAX_OK);
    });
  }
  // A destructor that throws ends the process, here as everywhere in C++.
  static void destroy(void* self) noexcept { delete static_cast<Instance*>(self); }

  static constexpr qarax_hypervisor_1 kHypervisor = {
      sizeof(qarax_hypervisor_1),           &slot<ResolveArgs, &Hypervisor::resolve>,
      &slot<StartArgs, &Hypervisor::start>, &slot<StopArgs, &Hypervisor::stop>,
      &slot<VmArgs, &Hypervisor::inspect>,  &slot<VmArgs, &Hypervisor::recover>,
  };

  static const void* query(void*, qarax_text interface_id) noexcept {
    const auto id = view(interface_id);
    if (id == QARAX_HYPERVISOR_1) return &kHypervisor;
    if constexpr (std::is_base_of_v<CanPause, T>) {
      static constexpr qarax_hypervisor_pause_1 kTable = {sizeof kTable, &slot<VmArgs, &CanPause::pause>,
                                                          &slot<VmArgs, &CanPause::resume>};
      if (id == QARAX_HYPERVISOR_PAUSE_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanReboot, T>) {
      static constexpr qarax_hypervisor_reboot_1 kTable = {sizeof kTable, &slot<VmArgs, &CanReboot::reboot>};
      if (id == QARAX_HYPERVISOR_REBOOT_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanResize, T>) {
      static constexpr qarax_hypervisor_resize_1 kTable = {sizeof kTable, &slot<ResizeArgs, &CanResize::resize>};
      if (id == QARAX_HYPERVISOR_RESIZE_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanSnapshot, T>) {
      static constexpr qarax_hypervisor_snapshot_1 kTable = {sizeof kTable, &slot<SnapshotArgs, &CanSnapshot::snapshot>,
                                                             &slot<StartArgs, &CanSnapshot::restore>};
      if (id == QARAX_HYPERVISOR_SNAPSHOT_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanDisks, T>) {
      static constexpr qarax_hypervisor_disks_1 kTable = {sizeof kTable, &slot<DiskArgs, &CanDisks::attach_disk>,
                                                          &slot<DetachArgs, &CanDisks::detach_disk>,
                                                          &slot<DiskResizeArgs, &CanDisks::resize_disk>};
      if (id == QARAX_HYPERVISOR_DISKS_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanNics, T>) {
      static constexpr qarax_hypervisor_nics_1 kTable = {sizeof kTable, &slot<NicArgs, &CanNics::attach_nic>,
                                                         &slot<DetachArgs, &CanNics::detach_nic>};
      if (id == QARAX_HYPERVISOR_NICS_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanConsole, T>) {
      static constexpr qarax_hypervisor_console_1 kTable = {sizeof kTable, &open_console<CanConsole>};
      if (id == QARAX_HYPERVISOR_CONSOLE_1) return &kTable;
    }
    if constexpr (std::is_base_of_v<CanCounters, T>) {
      static constexpr qarax_hypervisor_counters_1 kTable = {sizeof kTable, &slot<VmArgs, &CanCounters::counters>};
      if (id == QARAX_HYPERVISOR_COUNTERS_1) return &kTable;
    }
    return nullptr;
  }

  static constexpr std::string_view config_schema() {
    if constexpr (requires { T::kConfigSchema; })
      return T::kConfigSchema;
    else
      return R"({"type":"object","additionalProperties":false})";
  }

 public:
  static constexpr qarax_plugin_table table() {
    return {QARAX_ABI_MAGIC,
            QARAX_ABI_MAJOR,
            QARAX_ABI_MINOR,
            sizeof(qarax_plugin_table),
            text(Traits::kId),
            text(Traits::kName),
            text(Traits::kVersion),
            text(config_schema()),
            &create,
            &destroy,
            &query,
            &describe};
  }
};

}  // namespace qarax::plugin::detail

// `plugin_id`: reverse DNS. `short_name`: what people and REST use, [a-z][a-z0-9_]{0,31}.
#define QARAX_PLUGIN(Class, plugin_id, short_name, plugin_version)                                              \
  namespace {                                                                                                   \
  struct QaraxPluginTraits {                                                                                    \
    using Type = Class;                                                                                         \
    static constexpr std::string_view kId = plugin_id;                                                          \
    static constexpr std::string_view kName = short_name;                                                       \
    static constexpr std::string_view kVersion = plugin_version;                                                \
  };                                                                                                            \
  }                                                                                                             \
  extern "C" {                                                                                                  \
  constinit const qarax_plugin_table qarax_plugin = ::qarax::plugin::detail::Entry<QaraxPluginTraits>::table(); \
  }                                                                                                             \
  static_assert(true, "a semicolon may follow")
