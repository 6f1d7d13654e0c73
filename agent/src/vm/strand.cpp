#include "strand.hpp"

#include <utility>

namespace qarax::agent {

void Strand::enqueue(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;
    tasks_.push_back(std::move(task));
    if (std::exchange(is_busy_, true)) return;
  }
  pool_.post([self = shared_from_this()] { self->work(); });
}

void Strand::resume(std::function<void()> rest) {
  pool_.post([self = shared_from_this(), rest = std::move(rest)] {
    rest();
    self->work();
  });
}

void Strand::work() {
  for (;;) {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.empty()) {
        is_busy_ = false;
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    if (task() == Went::aside) return;
  }
}

std::deque<Strand::Task> Strand::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  return std::exchange(tasks_, {});
}

bool Strand::is_busy() const {
  const std::lock_guard lock(mutex_);
  return is_busy_;
}

}  // namespace qarax::agent
