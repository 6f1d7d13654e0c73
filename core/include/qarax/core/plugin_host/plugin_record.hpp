// What the node's config says about a plugin, and what became of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qarax/core/plugin_state.hpp"
#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::core {

struct PluginFileConfig {
  std::string path{};        // absolute
  RawJson config{};          // an object, or null where the node's config has none
  bool required = false;     // the node refuses to start without it
  std::string state_root{};  // absolute; the plugin's folder is the one of its short name in it, made with mode 0700
  RawJson offers{};          // an object: its members are added to a config that lacks them, if the schema has them
  std::string at{};          // where the node's config has it: "/etc/qarax/node.yaml:12"; may be empty

  // How reasons name it: "plugin /opt/x.so (/etc/qarax/node.yaml:12)".
  std::string title(const std::string& what = "plugin") const {
    return what + " " + path + (at.empty() ? "" : " (" + at + ")");
  }
};

// The steps of the handshake, in the order in which they run. Each refuses with texts of its own.
enum class LoadStep {
  path,
  exports,
  open,
  magic,
  major,
  size,
  config,
  clash,
  create,
  interfaces,
  describe,
  registered,
};
constexpr std::string_view to_string(LoadStep step) {
  constexpr std::string_view kNames[] = {"path",   "exports", "open",   "magic",      "major",    "size",
                                         "config", "clash",   "create", "interfaces", "describe", "registered"};
  return kNames[static_cast<std::size_t>(step)];
}

// Kept for the life of the process, refused or not. Strings from the plugin's file are repaired to valid UTF-8.
struct PluginRecord {
  std::string path{};
  std::string id{};       // empty if the file was refused before it could be read
  std::string name{};     // short name
  std::string version{};  // the plugin's own
  std::string abi{};      // "0.9": what it was built against
  PluginState state = PluginState::refused;
  LoadStep step = LoadStep::path;  // registered when loaded
  std::string reason{};            // why refused, and what to do, or what it still waits for; names the file
  std::vector<std::string>
      warnings{};  // what the plugin changed in the process and the host restored, see ProcessGuard
  std::vector<ErrorDetail> unchecked{};   // rules of its options_schema that only the plugin itself can enforce
  std::vector<std::string> interfaces{};  // ids that it offers and this host knows
  Description description{};              // as of the last describe
  bool required = false;
  bool hangs = false;  // refused because a step didn't return: its thread and its library stay
};

}  // namespace qarax::core
