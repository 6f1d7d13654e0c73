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

// NOT_FOUND: `plugin` never made this handle. FAILED_PRECONDITION: its format is newer than `format`.
inline Status check_handle(const VmArgs& args, std::string_view plugin, std::int64_t format) {
  const auto handle = json::parse(args.handle.text);
  const auto* its_format = handle ? handle->find("format") : nullptr;
  const auto* its_plugin = handle ? handle->find("plugin") : nullptr;
  if (its_format == nullptr || its_format->as_int() == nullptr || its_plugin == nullptr ||
      its_plugin->as_string() == nullptr || *its_plugin->as_string() != plugin)
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the plugin " + std::string(plugin));
  if (*its_format->as_int() > format)
    return make_error(Code::failed_precondition, "VM " + args.vm + " was started by a newer " + std::string(plugin) +
                                                     " (handle format " + std::to_string(*its_format->as_int()) +
                                                     ", this one knows " + std::to_string(format) +
                                                     "); upgrade this node's plugin");
  return Ok{};
}

}  // namespace qarax::plugin
