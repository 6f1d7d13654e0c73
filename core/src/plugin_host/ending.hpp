// The end of one instance, in a thread of its own, so that one that hangs can be left behind without holding up the
// others.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "table_hypervisor.hpp"

namespace qarax::core {

// Keeps what a plugin that hangs may still use, until the process ends.
void abandon(std::unique_ptr<TableHypervisor> hypervisor);

class Ending {
 public:
  enum class Phase { waiting, destroying, done };
  using Clock = std::chrono::steady_clock;

  // Waits until `until` for the calls in flight, then destroys. `hypervisor` outlives the thread.
  Ending(TableHypervisor& hypervisor, Clock::time_point until);
  Ending(Ending&&) = default;
  Ending& operator=(Ending&&) = delete;
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending();

  // How far it came by `until`. Not done: the thread can't be joined without hanging with it; it is left running, and
  // the caller abandons the hypervisor.
  Phase wait(Clock::time_point until);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<std::thread> thread_;
};

}  // namespace qarax::core
