#include "exit_watch.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "qarax/core/threads.hpp"

namespace qarax::agent {

namespace {
constexpr int kRetryMs = 1'000;
}

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

ExitWatch::Watched ExitWatch::try_to_watch(std::uint64_t key, Entry& entry) const {
  entry.pidfd = open_pidfd(entry.id);
  if (!entry.pidfd) return is_shortage(errno) ? Watched::later : Watched::gone;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.pidfd.get(), &event) == 0) return Watched::yes;
  entry.pidfd.reset();
  return Watched::later;
}

void ExitWatch::watch(const ProcessId& id, std::function<void()> on_exit) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.second.id == id; })) return;
  const std::uint64_t key = next_++;
  Entry& entry = entries_.emplace(key, Entry{id, {}, std::move(on_exit)}).first->second;
  // Gone already, or no descriptor to watch it: the thread's next round handles it, so that the callback always comes
  // from that thread.
  if (try_to_watch(key, entry) != Watched::yes) ::eventfd_write(wake_.get(), 1);
}

// Moves entries without a pidfd whose process is gone to `ended`. False: some still can't be watched.
bool ExitWatch::take_ended(std::vector<Entry>& ended) {
  bool all = true;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Watched watched = it->second.pidfd ? Watched::yes : try_to_watch(it->first, it->second);
    all = all && watched != Watched::later;
    if (watched != Watched::gone) {
      ++it;
      continue;
    }
    ended.push_back(std::move(it->second));
    it = entries_.erase(it);
  }
  return all;
}

void ExitWatch::run() {
  core::name_this_thread("exit-watch");
  epoll_event events[64];
  bool all_watched = true;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events, 64, all_watched ? -1 : kRetryMs);
    if (count < 0 && errno == EINTR) continue;
    std::vector<Entry> ended;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 == 0) {
          eventfd_t value = 0;
          ::eventfd_read(wake_.get(), &value);
          all_watched = false;
          continue;
        }
        const auto found = entries_.find(events[i].data.u64);
        if (found == entries_.end()) continue;
        // A child between fork and exec holds a copy of the descriptor, so closing ours alone would not stop the
        // events.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.pidfd.get(), nullptr);
        ended.push_back(std::move(found->second));
        entries_.erase(found);
      }
      if (!all_watched) all_watched = take_ended(ended);
    }
    for (Entry& entry : ended) {
      if (entry.pidfd) reap(entry.pidfd);
      if (core::guarded("exit-watch", entry.on_exit)) continue;
      // The callback is repeated: if nobody learnt of this end, the VM would count as running for ever.
      entry.pidfd.reset();
      all_watched = false;
      const std::lock_guard lock(mutex_);
      entries_.emplace(next_++, std::move(entry));
    }
  }
}

}  // namespace qarax::agent
