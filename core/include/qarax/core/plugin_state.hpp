// What became of a plugin's file on a node: in the node's memory, in its documents and at REST.
#pragma once

#include <string_view>

#include "qarax/plugin/fields.hpp"

namespace qarax::core {

// `unknown` is never a node's own word: it is what a reader makes of a state that only a newer node has.
enum class PluginState { unknown, loading, loaded, refused };

}  // namespace qarax::core

namespace qarax {

template <>
struct EnumNames<core::PluginState> {
  static constexpr std::string_view kNames[] = {"unknown", "loading", "loaded", "refused"};
  static constexpr core::PluginState kUnknown = core::PluginState::unknown;
  static constexpr bool kOpen = true;
};

namespace core {
constexpr std::string_view to_string(PluginState state) {
  return EnumNames<PluginState>::kNames[static_cast<std::size_t>(state)];
}
}  // namespace core

}  // namespace qarax
