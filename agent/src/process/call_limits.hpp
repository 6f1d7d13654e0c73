// How long a blocking call may take, and what ends it early.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "qarax/plugin/call.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct CallLimits {
  std::int64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: none
  int cancel_fd = -1;            // readable: give up; -1: never

  CallLimits within_ms(std::int64_t ms) const {
    const std::int64_t limit = plugin::monotonic_ns() + ms * 1'000'000;
    return {deadline_ns == 0 ? limit : std::min(deadline_ns, limit), cancel_fd};
  }

  bool is_cancelled() const {
    pollfd cancel{cancel_fd, POLLIN, 0};
    return cancel_fd >= 0 && ::poll(&cancel, 1, 0) > 0;
  }

  bool is_over() const { return deadline_ns != 0 && plugin::monotonic_ns() >= deadline_ns; }

  // OK once `fd` is readable; DEADLINE_EXCEEDED or CANCELLED with `what` in the message otherwise.
  Status await(int fd, std::string_view what) const {
    for (;;) {
      int timeout = -1;
      if (deadline_ns != 0)
        timeout = static_cast<int>(
            std::clamp<std::int64_t>((deadline_ns - plugin::monotonic_ns() + 999'999) / 1'000'000, 0, 1 << 30));
      pollfd fds[2] = {{fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
      const int ready = ::poll(fds, cancel_fd >= 0 ? 2 : 1, timeout);
      if (ready < 0 && errno == EINTR) continue;
      if (fds[0].revents != 0) return Ok{};
      if (ready > 0) return make_error(Code::cancelled, std::string(what) + " was cancelled");
      return make_error(Code::deadline_exceeded, std::string(what) + " took longer than the caller allowed");
    }
  }
};

}  // namespace qarax::agent
