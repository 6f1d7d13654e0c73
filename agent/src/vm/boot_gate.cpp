#include "boot_gate.hpp"

#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr int kCalmLooks = 2;
constexpr std::int64_t kAtMostNs = 20'000'000'000;

// utime + stime, fields 14 and 15 of /proc/<pid>/stat, in clock ticks.
std::optional<std::int64_t> cpu_ticks(std::int32_t pid) {
  const auto text = core::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return std::nullopt;
  std::size_t at = text->rfind(')');
  for (int field = 3; at != std::string::npos && field <= 14; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  char* end = nullptr;
  const std::int64_t user = std::strtoll(text->c_str() + at, &end, 10);
  return user + std::strtoll(end, nullptr, 10);
}

}  // namespace

BootGate::BootGate(std::size_t slots) : free_(slots), thread_([this] { watch(); }) {}

BootGate::~BootGate() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status BootGate::enter(const CallLimits& limits) {
  std::unique_lock lock(mutex_);
  while (free_ == 0) {
    // Short waits, because a cancel shows on a descriptor and not here.
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    if (free_ != 0) break;
    if (limits.deadline_ns != 0 && plugin::monotonic_ns() >= limits.deadline_ns)
      return make_error(Code::deadline_exceeded,
                        "too many VMs boot on this node; the start's turn did not come in time");
    pollfd cancel{limits.cancel_fd, POLLIN, 0};
    if (limits.cancel_fd >= 0 && ::poll(&cancel, 1, 0) > 0)
      return make_error(Code::cancelled, "the start was cancelled while it waited for its turn");
  }
  --free_;
  return Ok{};
}

void BootGate::leave() {
  {
    const std::lock_guard lock(mutex_);
    ++free_;
  }
  changed_.notify_all();
}

void BootGate::leave_when_calm(std::int32_t pid) {
  const auto ticks = cpu_ticks(pid);
  if (!ticks) return leave();
  {
    const std::lock_guard lock(mutex_);
    booting_.push_back({pid, *ticks, plugin::monotonic_ns()});
  }
  changed_.notify_all();
}

void BootGate::watch() {
  const std::int64_t per_look = ::sysconf(_SC_CLK_TCK) / 10;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (booting_.empty()) {
      changed_.wait(lock, [&] { return stopping_ || !booting_.empty(); });
      continue;
    }
    changed_.wait_for(lock, kLook, [&] { return stopping_; });
    const std::int64_t now = plugin::monotonic_ns();
    const std::size_t before = booting_.size();
    std::erase_if(booting_, [&](Booting& one) {
      const auto ticks = cpu_ticks(one.pid);
      if (!ticks || now - one.since_ns > kAtMostNs) return true;
      one.calm = *ticks - one.ticks < per_look / 2 ? one.calm + 1 : 0;
      one.ticks = *ticks;
      return one.calm >= kCalmLooks;
    });
    free_ += before - booting_.size();
    if (before != booting_.size()) changed_.notify_all();
  }
}

}  // namespace qarax::agent
