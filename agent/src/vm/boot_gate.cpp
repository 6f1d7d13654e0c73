#include "boot_gate.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "agents_end.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::agent {

namespace {

// Short, because a slot that nobody uses delays the next boot; long enough that a guest that waits for a timer isn't
// taken for calm.
constexpr std::int64_t kLookNs = 25'000'000;
constexpr int kCalmLooks = 3;

// CPU time that a process has used plus the time for which its threads waited for a CPU: a process that others keep
// from the CPU isn't calm. Without the kernel's count of waiting, the CPU time used. In nanoseconds.
std::optional<std::int64_t> wanted_ns(std::int32_t pid) {
  std::int64_t wanted = 0;
  std::error_code error;
  // The process may end while its threads are listed; a range-based loop would throw then.
  for (std::filesystem::directory_iterator it("/proc/" + std::to_string(pid) + "/task", error), end;
       !error && it != end; it.increment(error)) {
    const auto text = core::read_file(it->path().string() + "/schedstat", 256);
    long long ran = 0;
    long long waited = 0;
    if (text && std::sscanf(text->c_str(), "%lld %lld", &ran, &waited) == 2) wanted += ran + waited;
  }
  if (wanted > 0) return wanted;
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return std::nullopt;
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

bool is_readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&wait, 1, 0) > 0;
}

}  // namespace

BootGate::BootGate(std::size_t slots, std::int64_t at_most_ms)
    : at_most_ns_(at_most_ms * 1'000'000),
      free_(slots),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { watch(); }) {}

BootGate::~BootGate() { stop(); }

void BootGate::stop() {
  std::deque<Waiting> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(waiting_);
  }
  ::eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
  for (const Waiting& one : left) one.then(agent_is_ending());
}

BootGate::Turn BootGate::take() {
  --free_;
  out_.emplace(++turns_, plugin::monotonic_ns());
  return {*this, turns_};
}

std::optional<BootGate::Turn> BootGate::try_enter() {
  const std::lock_guard lock(mutex_);
  if (free_ == 0 || !waiting_.empty()) return std::nullopt;
  return take();
}

void BootGate::enter(const CallLimits& limits, Then then) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return then(agent_is_ending());
  }
  waiting_.push_back({limits, std::move(then)});
  lock.unlock();
  ::eventfd_write(wake_.get(), 1);
}

void BootGate::leave(std::uint64_t turn) {
  {
    const std::lock_guard lock(mutex_);
    if (out_.erase(turn) == 0) return;  // the gate took the slot back after at_most_ns_
    ++free_;
    if (waiting_.empty()) return;
  }
  ::eventfd_write(wake_.get(), 1);
}

void BootGate::leave_when_calm(std::uint64_t turn, const ProcessId& vmm) {
  const auto wanted = wanted_ns(vmm.pid);
  core::Fd end = open_pidfd(vmm);
  if (!wanted || !end) return leave(turn);
  {
    const std::lock_guard lock(mutex_);
    if (out_.erase(turn) == 0) return;
    const std::int64_t now = plugin::monotonic_ns();
    booting_.push_back({vmm.pid, std::move(end), *wanted, now, now});
  }
  ::eventfd_write(wake_.get(), 1);
}

void BootGate::look(std::int64_t now) {
  const std::size_t before = booting_.size();
  std::erase_if(booting_, [&](Booting& one) {
    if (is_readable(one.end.get()) || now - one.since_ns > at_most_ns_) return true;
    const std::int64_t passed = now - one.looked_ns;
    if (passed < kLookNs) return false;
    const std::int64_t wanted = wanted_ns(one.pid).value_or(one.wanted_ns);
    one.calm = wanted - one.wanted_ns < passed / 2 ? one.calm + 1 : 0;
    one.wanted_ns = wanted;
    one.looked_ns = now;
    return one.calm >= kCalmLooks;
  });
  free_ += before - booting_.size();
  free_ += std::erase_if(out_, [&](const auto& turn) { return now - turn.second > at_most_ns_; });
}

// The callbacks of the starts that get a slot now, in order of arrival, and of those whose limits are exceeded.
std::vector<std::function<void()>> BootGate::next_turns(std::int64_t now) {
  std::vector<std::function<void()>> calls;
  std::erase_if(waiting_, [&](Waiting& one) {
    std::shared_ptr<Result<Turn>> outcome;
    if (is_readable(one.limits.cancel_fd))
      outcome = std::make_shared<Result<Turn>>(
          make_error(Code::cancelled, "the start was cancelled while it waited for its turn"));
    else if (one.limits.deadline_ns != 0 && now >= one.limits.deadline_ns)
      outcome = std::make_shared<Result<Turn>>(
          make_error(Code::deadline_exceeded, "too many VMs boot on this node; the start's turn did not come in time",
                     "boot-queue-full"));
    else if (free_ > 0)
      outcome = std::make_shared<Result<Turn>>(take());
    if (!outcome) return false;
    calls.emplace_back([then = std::move(one.then), outcome] { then(std::move(*outcome)); });
    return true;
  });
  return calls;
}

void BootGate::watch() {
  core::name_this_thread("boot-gate");
  std::vector<pollfd> fds;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::int64_t until = INT64_MAX;
    fds.assign(1, {wake_.get(), POLLIN, 0});
    for (const Booting& one : booting_) {
      fds.push_back({one.end.get(), POLLIN, 0});
      until = std::min(until, one.looked_ns + kLookNs);
    }
    for (const Waiting& one : waiting_) {
      if (one.limits.cancel_fd >= 0) fds.push_back({one.limits.cancel_fd, POLLIN, 0});
      if (one.limits.deadline_ns != 0) until = std::min(until, one.limits.deadline_ns);
    }
    // Turns are numbered in the order in which they were taken, so the first is the oldest.
    if (!waiting_.empty() && !out_.empty()) until = std::min(until, out_.begin()->second + at_most_ns_ + 1);
    lock.unlock();
    int wait_ms = -1;
    if (until != INT64_MAX)
      wait_ms =
          static_cast<int>(std::clamp<std::int64_t>((until - plugin::monotonic_ns() + 999'999) / 1'000'000, 0, 60'000));
    ::poll(fds.data(), fds.size(), wait_ms);
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
    lock.lock();
    const std::int64_t now = plugin::monotonic_ns();
    std::vector<std::function<void()>> calls;
    core::guarded("boot-gate", [&] {
      look(now);
      calls = next_turns(now);
    });
    lock.unlock();
    for (const auto& call : calls) core::guarded("boot-gate", call);
    calls.clear();
    lock.lock();
  }
}

}  // namespace qarax::agent
