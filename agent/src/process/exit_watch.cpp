#include "exit_watch.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace qarax::agent {

ExitWatch::ExitWatch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (!epoll_ || !wake_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    throw std::system_error(errno, std::generic_category(), "exit watch");
  thread_ = std::thread([this] { run(); });
}

ExitWatch::~ExitWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void ExitWatch::watch(const ProcessId& id, std::function<void()> on_exit) {
  core::Fd pidfd = open_pidfd(id);
  const std::lock_guard lock(mutex_);
  if (std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.second.id == id; })) return;
  const std::uint64_t key = next_++;
  const int fd = pidfd.get();
  entries_.emplace(key, Entry{id, std::move(pidfd), std::move(on_exit)});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  // Gone already, or no room to watch: the thread's next round reports it, so that the callback always comes from
  // there.
  if (fd < 0 || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    entries_[key].pidfd.reset();
    ::eventfd_write(wake_.get(), 1);
  }
}

void ExitWatch::run() {
  epoll_event events[64];
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events, 64, -1);
    if (count < 0 && errno == EINTR) continue;
    std::vector<Entry> ended;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 != 0) {
          const auto found = entries_.find(events[i].data.u64);
          if (found == entries_.end()) continue;
          // A child between fork and exec has a copy of the descriptor: closing ours alone wouldn't end the events.
          ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.pidfd.get(), nullptr);
          ended.push_back(std::move(found->second));
          entries_.erase(found);
          continue;
        }
        eventfd_t value = 0;
        ::eventfd_read(wake_.get(), &value);
        for (auto it = entries_.begin(); it != entries_.end();) {
          if (it->second.pidfd) {
            ++it;
            continue;
          }
          ended.push_back(std::move(it->second));
          it = entries_.erase(it);
        }
      }
    }
    for (Entry& entry : ended) {
      if (entry.pidfd) reap(entry.pidfd);
      entry.on_exit();
    }
  }
}

}  // namespace qarax::agent
