#include "readers.hpp"

#include <utility>

#include "qarax/core/scope.hpp"

namespace qarax::server {

Status Readers::use(const std::function<Status(Session&)>& work) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !idle_.empty(); });
  // The one that was used last: its compiled statements are there, and the others' may never be needed.
  ReaderPtr reader = std::move(idle_.back());
  idle_.pop_back();
  lock.unlock();
  const core::Scope back([&] {
    {
      const std::lock_guard again(mutex_);
      idle_.push_back(std::move(reader));
    }
    changed_.notify_one();
  });
  Session& session = reader->ready();
  const core::Scope rested([&] { session.rested(); });
  return work(session);
}

}  // namespace qarax::server
