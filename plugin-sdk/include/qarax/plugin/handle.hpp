// A minimal handle: it names the plugin that made it and its format. For plugins that find everything else in the VM's
// run folder. A plugin with more to remember writes a document of its own, with an integer `format` in it.
#pragma once

#include <string>
#include <string_view>

#include "qarax/plugin/call_args.hpp"

namespace qarax::plugin {

inline std::string make_handle(std::string_view plugin, std::int64_t format) {
  return json::to_text(
      json::Value(json::Object{{"format", json::Value(format)}, {"plugin", json::Value(std::string(plugin))}}));
}

// Checks a handle that is an object with an integer `format` from 1 to `newest` and `name`, the plugin's short name, as
// its `member`. NOT_FOUND: this plugin never made it. FAILED_PRECONDITION: a newer version of this plugin made it.
inline Status check_handle(const VmArgs& args, std::string_view member, std::string_view name, std::int64_t newest) {
  const auto handle = json::parse(args.handle.text);
  const auto* format = handle ? handle->find("format") : nullptr;
  const auto* whose = handle ? handle->find(member) : nullptr;
  if (format == nullptr || format->as_int() == nullptr || *format->as_int() < 1 || whose == nullptr ||
      whose->as_string() == nullptr || *whose->as_string() != name)
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the plugin " + std::string(name));
  if (*format->as_int() > newest)
    return make_error(Code::failed_precondition, "VM " + args.vm + " was started by a newer plugin " +
                                                     std::string(name) + " (handle format " +
                                                     std::to_string(*format->as_int()) + ", this one knows " +
                                                     std::to_string(newest) + "); upgrade this node's plugin");
  return Ok{};
}

// The same for a handle of make_handle().
inline Status check_handle(const VmArgs& args, std::string_view plugin, std::int64_t newest) {
  return check_handle(args, "plugin", plugin, newest);
}

// For stop, of the handle as check_handle() or the like found it. FAILED_PRECONDITION: a graceful stop of a VM that a
// newer version of this plugin started. How to reach its guest may have changed, and a guest that can't be asked to
// power off is killed. Without a handle, or by force, any VM can be stopped.
template <class T>
Status may_stop(const StopArgs& args, const Result<T>& handle) {
  const bool is_newers = !handle && handle.error().code == Code::failed_precondition;
  if (is_newers && args.mode == StopMode::graceful) return handle.error();
  return Ok{};
}

}  // namespace qarax::plugin
