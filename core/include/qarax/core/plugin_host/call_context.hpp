// The context of one call into a plugin. The functions are called on the calling thread, or on threads of the plugin
// that end before the call returns; what they throw becomes an error that the plugin sees.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/result.hpp"

namespace qarax::core {

struct CallContext {
  std::int64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: none. The plugin gives up by itself; a hung call isn't cut off.
  int cancel_fd = -1;            // the caller makes it readable to end the call early
  std::string request_id{};
  std::vector<int> fds{};  // borrowed; snapshot and restore: [0] is the folder; attach: as the document says
  // Stores the handle, durably when this returns ok. Unset: the plugin's keep is refused with FAILED_PRECONDITION.
  std::function<Status(std::string_view handle)> keep{};
  // Hears how far the call is. Unset: nobody listens.
  std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total)> progress{};
};

}  // namespace qarax::core
