#include "progress_feed.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace qarax::agent {

namespace {

constexpr std::int64_t kEveryMs = 250;

std::int64_t bounded(std::uint64_t value) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(value, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

}  // namespace

ProgressFeed::Report ProgressFeed::of(const std::string& vm, std::int64_t revision) {
  if (revision == 0) return nullptr;
  auto id_of_vm = std::make_unique<const std::string>(vm);
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = under_way_[vm];
    ++entry.calls;
    entry.newest = std::max(entry.newest, revision);
  }
  const std::shared_ptr<const std::string> under_way(id_of_vm.release(), [this, revision](const std::string* id) {
    forget(*id, revision);
    delete id;
  });
  return [this, under_way, revision](std::string_view step, std::uint64_t done, std::uint64_t total) {
    take({*under_way, revision, std::string(step), bounded(done), bounded(total)});
  };
}

void ProgressFeed::take(core::CommandProgress progress) {
  const std::string vm = progress.vm;
  std::int64_t in_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = under_way_[vm];
    // A call that hangs may still tell of a command that another one has overtaken.
    if (entry.newest > progress.revision) return;
    const auto& last = entry.latest;
    const bool is_first = !last || last->revision != progress.revision;
    if (!is_first && last->step == progress.step && last->done == progress.done && last->total == progress.total)
      return;
    if (is_first) entry.told_ns = 0;
    entry.latest = std::move(progress);
    entry.is_told = false;
    if (entry.waits) return;
    const std::int64_t since_ms = (clock_.monotonic_ns() - entry.told_ns) / 1'000'000;
    if (entry.told_ns == 0 || since_ms >= kEveryMs) return tell(entry);
    entry.waits = true;
    in_ms = kEveryMs - since_ms;
  }
  later_(in_ms, [this, vm] { tell_late(vm); });
}

void ProgressFeed::tell_late(const std::string& vm) {
  const std::lock_guard lock(mutex_);
  const auto found = under_way_.find(vm);
  if (found == under_way_.end()) return;
  found->second.waits = false;
  if (found->second.latest && !found->second.is_told) tell(found->second);
}

void ProgressFeed::tell(Entry& entry) {
  entry.told_ns = clock_.monotonic_ns();
  entry.is_told = true;
  if (listener_) listener_(*entry.latest);
}

void ProgressFeed::forget(const std::string& vm, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto found = under_way_.find(vm);
  Entry& entry = found->second;
  if (entry.latest && entry.latest->revision == revision) entry.latest.reset();
  if (--entry.calls == 0) under_way_.erase(found);
}

void ProgressFeed::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

std::vector<core::CommandProgress> ProgressFeed::latest() const {
  const std::lock_guard lock(mutex_);
  std::vector<core::CommandProgress> out;
  for (const auto& [vm, entry] : under_way_)
    if (entry.latest) out.push_back(*entry.latest);
  return out;
}

}  // namespace qarax::agent
