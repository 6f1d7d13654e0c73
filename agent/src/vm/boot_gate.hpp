// Cold boots at the same time are limited: more than the host has CPUs lowers what all of them get done (measured, by a
// sixth under TCG). A slot is held until the guest has calmed down: its VMM wanted less than half a CPU for a moment.
// Nobody keeps one for longer than `at_most`: a plugin whose start never returns doesn't stop the others' starts.
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

  // A slot, given back with it: a start that failed, or needs no CPU of ours, frees it at once.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), number_(other.number_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->leave(number_);
    }
    // The VMM runs: the slot is free when it calms down, ends, or has had it for long enough.
    void until_calm(const ProcessId& vmm) && { std::exchange(gate_, nullptr)->leave_when_calm(number_, vmm); }

   private:
    friend class BootGate;
    Turn(BootGate& gate, std::uint64_t number) : gate_(&gate), number_(number) {}
    BootGate* gate_;
    std::uint64_t number_;
  };

  // Nothing where all slots are taken, or others wait for one.
  std::optional<Turn> try_enter();
  // `then` gets a slot, or why there is none within the limits; once, on the gate's thread or stop()'s, so it only
  // enqueues.
  using Then = std::function<void(Result<Turn>)>;
  void enter(const CallLimits& limits, Then then);
  // Whoever waits, or comes later, is told UNAVAILABLE. Before what `then` uses ends.
  void stop();

 private:
  struct Booting {
    std::int32_t pid;
    core::Fd end;            // its pidfd: an ended VMM's slot is free at once
    std::int64_t wanted_ns;  // of CPU time, at the last look
    std::int64_t since_ns;
    std::int64_t looked_ns;
    int calm = 0;  // looks in a row
  };
  struct Waiting {
    CallLimits limits;
    Then then;
  };
  Turn take();  // with mutex_ held, and a slot free
  void leave(std::uint64_t turn);
  void leave_when_calm(std::uint64_t turn, const ProcessId& vmm);
  void watch();
  void look(std::int64_t now);
  std::vector<std::function<void()>> next_turns(std::int64_t now);

  const std::int64_t at_most_ns_;
  std::mutex mutex_;
  std::size_t free_;
  std::map<std::uint64_t, std::int64_t> out_;  // turns, and since when
  std::uint64_t turns_ = 0;
  std::vector<Booting> booting_;
  std::deque<Waiting> waiting_;
  bool stopping_ = false;
  core::Fd wake_;
  std::thread thread_;
};

}  // namespace qarax::agent
