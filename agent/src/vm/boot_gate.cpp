#include "boot_gate.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

constexpr int kLookMs = 100;
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

BootGate::BootGate(std::size_t slots)
    : free_(slots), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { watch(); }) {}

BootGate::~BootGate() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
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

void BootGate::leave_when_calm(const ProcessId& vmm) {
  const auto ticks = cpu_ticks(vmm.pid);
  core::Fd end = open_pidfd(vmm);
  if (!ticks || !end) return leave();
  {
    const std::lock_guard lock(mutex_);
    booting_.push_back({vmm.pid, std::move(end), *ticks, plugin::monotonic_ns()});
  }
  ::eventfd_write(wake_.get(), 1);
}

void BootGate::watch() {
  const std::int64_t per_look = ::sysconf(_SC_CLK_TCK) * kLookMs / 1000;
  std::int64_t next_look = 0;
  std::vector<pollfd> fds;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    fds.assign(1, {wake_.get(), POLLIN, 0});
    for (const Booting& one : booting_) fds.push_back({one.end.get(), POLLIN, 0});
    lock.unlock();
    ::poll(fds.data(), fds.size(), fds.size() > 1 ? kLookMs : -1);
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
    lock.lock();
    const std::int64_t now = plugin::monotonic_ns();
    const bool look = now >= next_look;
    if (look) next_look = now + std::int64_t{kLookMs} * 1'000'000;
    const std::size_t before = booting_.size();
    std::erase_if(booting_, [&](Booting& one) {
      pollfd ended{one.end.get(), POLLIN, 0};
      if (::poll(&ended, 1, 0) > 0 || now - one.since_ns > kAtMostNs) return true;
      if (!look) return false;
      const std::int64_t ticks = cpu_ticks(one.pid).value_or(one.ticks);
      one.calm = ticks - one.ticks < per_look / 2 ? one.calm + 1 : 0;
      one.ticks = ticks;
      return one.calm >= kCalmLooks;
    });
    free_ += before - booting_.size();
    if (before != booting_.size()) changed_.notify_all();
  }
}

}  // namespace qarax::agent
