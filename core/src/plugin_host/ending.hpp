// Ends one plugin instance in a thread of its own, so that an instance that hangs doesn't hold up the others.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "table_hypervisor.hpp"

namespace qarax::core {

// Keeps the client of a plugin that hangs until the process ends: the plugin's threads may still use it.
void abandon(std::unique_ptr<TableHypervisor> hypervisor);

class Ending {
 public:
  enum class Phase { waiting, destroying, done };
  using Clock = std::chrono::steady_clock;

  // Waits until `until` for the calls in flight, then destroys the instance. `hypervisor` must outlive the thread.
  Ending(TableHypervisor& hypervisor, Clock::time_point until);
  Ending(Ending&&) = default;
  Ending& operator=(Ending&&) = delete;
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending();

  // Returns the phase reached by `until`. If that isn't `done`, joining the thread could hang: it is left running, and
  // the caller must abandon() the hypervisor.
  Phase wait(Clock::time_point until);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<std::thread> thread_;
};

}  // namespace qarax::core
