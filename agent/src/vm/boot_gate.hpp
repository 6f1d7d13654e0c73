// Limits how many cold boots run at the same time: more boots than the host has CPUs lower the total throughput
// (measured under TCG: by a sixth). A slot is held until the guest calms down, which means that its VMM wanted less
// than half a CPU for a moment. No slot is held for longer than `at_most_ms`, so a plugin whose start never returns
// doesn't block other starts.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "call_limits.hpp"
#include "pidfd.hpp"

namespace qarax::agent {

class BootGate {
 public:
  static constexpr std::int64_t kAtMostMs = 20'000;
  explicit BootGate(std::size_t slots, std::int64_t at_most_ms = kAtMostMs);
  ~BootGate();
  BootGate(const BootGate&) = delete;
  BootGate& operator=(const BootGate&) = delete;

  // Holds a slot and frees it when destroyed: at once where the start failed, or runs under KVM and needs no limit.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), number_(other.number_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->leave(number_);
    }
    // The VMM runs: the slot becomes free when the VMM calms down, when it ends, or after `at_most_ms`.
    void until_calm(const ProcessId& vmm) && { std::exchange(gate_, nullptr)->leave_when_calm(number_, vmm); }

   private:
    friend class BootGate;
    Turn(BootGate& gate, std::uint64_t number) : gate_(&gate), number_(number) {}
    BootGate* gate_;
    std::uint64_t number_;
  };

  // nullopt: all slots are taken, or other starts wait for one.
  std::optional<Turn> try_enter();
  // `then` is called exactly once, with a slot or with the reason why none came within `limits`. It must only enqueue:
  // it runs on the gate's thread, or on the thread that calls stop(), or enter() after stop().
  using Then = std::function<void(Result<Turn>)>;
  void enter(const CallLimits& limits, Then then);
  // Starts that wait, and those that come later, get UNAVAILABLE. Call it before anything that a `then` uses is
  // destroyed.
  void stop();

 private:
  struct Booting {
    std::int32_t pid;
    core::Fd end;            // its pidfd: the slot of a VMM that has ended is free at once
    std::int64_t wanted_ns;  // CPU time wanted up to the last look
    std::int64_t since_ns;
    std::int64_t looked_ns;
    int calm = 0;  // calm looks in a row
  };
  struct Waiting {
    CallLimits limits;
    Then then;
  };
  Turn take();  // the caller holds mutex_, and a slot is free
  void leave(std::uint64_t turn);
  void leave_when_calm(std::uint64_t turn, const ProcessId& vmm);
  void watch();
  void look(std::int64_t now);
  std::vector<std::function<void()>> next_turns(std::int64_t now);

  const std::int64_t at_most_ns_;
  std::mutex mutex_;
  std::size_t free_;
  std::map<std::uint64_t, std::int64_t> out_;  // turns by number, each with the time when it was taken
  std::uint64_t turns_ = 0;
  std::vector<Booting> booting_;
  std::deque<Waiting> waiting_;
  bool stopping_ = false;
  core::Fd wake_;
  std::thread thread_;
};

}  // namespace qarax::agent
