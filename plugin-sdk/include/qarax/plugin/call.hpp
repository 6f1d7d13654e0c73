// The context of one call, as a plugin's C++ code sees it. A view: copy freely, never keep beyond the call.
#pragma once

#include <poll.h>
#include <time.h>

#include <cstdint>
#include <string_view>

#include "qarax/plugin/abi.h"
#include "qarax/plugin/call_args.hpp"

namespace qarax::plugin {

constexpr qarax_text text(std::string_view view) { return {view.data(), view.size()}; }
inline std::string_view view(qarax_text text) {
  return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len);
}

inline std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

class Call {
 public:
  explicit Call(const qarax_call* raw) : raw_(raw) {}

  const qarax_call* raw() const { return raw_; }
  std::int64_t deadline_ns() const { return raw_->deadline_ns; }  // CLOCK_MONOTONIC; 0: none
  int cancel_fd() const { return static_cast<int>(raw_->cancel_fd); }
  std::string_view request_id() const { return view(raw_->request_id); }
  std::size_t fd_count() const { return raw_->fd_count; }
  int fd(std::size_t index) const { return index < raw_->fd_count ? raw_->fds[index] : -1; }  // borrowed

  // Milliseconds until the deadline, never above `at_most`; 0 when it has passed. For poll().
  int remaining_ms(int at_most) const {
    if (raw_->deadline_ns == 0) return at_most;
    const std::int64_t left = (raw_->deadline_ns - monotonic_ns()) / 1'000'000;
    return left <= 0 ? 0 : left < at_most ? static_cast<int>(left) : at_most;
  }
  bool expired() const { return raw_->deadline_ns != 0 && monotonic_ns() >= raw_->deadline_ns; }
  bool cancelled() const {
    if (raw_->cancel_fd < 0) return false;
    pollfd p{static_cast<int>(raw_->cancel_fd), POLLIN, 0};
    return ::poll(&p, 1, 0) > 0;
  }

  // The handle is durable when this returns OK; call it before anything is spawned.
  Status keep(std::string_view handle) const {
    const auto code = raw_->keep != nullptr ? raw_->keep(raw_, text(handle)) : QARAX_UNIMPLEMENTED;
    if (code != QARAX_OK) return make_error(code_from_int(code), "the host could not keep the handle");
    return Ok{};
  }
  // `done` and `total` have the unit of the step, by convention bytes; a total of 0 is unknown.
  void progress(std::string_view step, std::uint64_t done = 0, std::uint64_t total = 0) const {
    if (raw_->progress != nullptr) raw_->progress(raw_, text(step), done, total);
  }
  // Ownership of `fd` moves to the host. Returns the index by which a document names it.
  Result<std::size_t> put_fd(int fd) const {
    std::size_t index = 0;
    if (raw_->put_fd == nullptr) return make_error(Code::unimplemented, "this call takes no file descriptors back");
    if (const auto code = raw_->put_fd(raw_, fd, &index); code != QARAX_OK)
      return make_error(code_from_int(code), "the host refused a file descriptor");
    return index;
  }

 private:
  const qarax_call* raw_;
};

}  // namespace qarax::plugin
