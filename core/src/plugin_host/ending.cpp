#include "ending.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "keep.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::core {

struct Ending::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  Phase phase = Phase::waiting;
  bool given_up = false;  // wait() has returned: destroy isn't called any more if it hasn't begun

  bool enter(Phase next) {
    const std::lock_guard lock(mutex);
    if (given_up && next == Phase::destroying) return false;
    phase = next;
    changed.notify_all();
    return true;
  }
};

void abandon(std::unique_ptr<TableHypervisor> hypervisor) { keep_for_ever(std::move(hypervisor)); }

Ending::Ending(TableHypervisor& hypervisor, Clock::time_point until) : shared_(std::make_shared<Shared>()) {
  thread_ = std::make_unique<std::thread>([shared = shared_, &hypervisor, until] {
    name_this_thread("plugin-end");
    if (!hypervisor.close(until)) return;
    if (!shared->enter(Phase::destroying)) return;
    hypervisor.destroy();
    shared->enter(Phase::done);
  });
}

Ending::~Ending() {
  if (thread_ && thread_->joinable()) thread_->join();
}

Ending::Phase Ending::wait(Clock::time_point until) {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_until(lock, until, [this] { return shared_->phase == Phase::done; });
  const Phase phase = shared_->phase;
  shared_->given_up = true;
  lock.unlock();
  if (phase == Phase::done)
    thread_->join();
  else
    keep_for_ever(std::move(thread_));
  return phase;
}

}  // namespace qarax::core
