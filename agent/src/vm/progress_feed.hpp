// How far the commands under way are, as their plugins tell it: to whoever listens, at most four times a second for a
// command. Nothing of it is on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/clock.hpp"
#include "qarax/core/documents.hpp"

namespace qarax::agent {

// Thread-safe: any thread calls any function, plugins' own threads among them. The listener is called under the feed's
// lock: it may neither block nor call the feed.
class ProgressFeed {
 public:
  using Listener = std::function<void(const core::CommandProgress&)>;
  using Report = std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total)>;
  // Runs `work` after `ms`, on any thread, or never where the agent ends before.
  using Later = std::function<void(std::int64_t ms, std::function<void()> work)>;

  // `clock` outlives the feed, which outlives each Report and what `later` runs.
  ProgressFeed(const core::Clock& clock, Later later) : clock_(clock), later_(std::move(later)) {}

  // What a call into a plugin tells for that command. The progress is forgotten when the last copy is destroyed. A call
  // of a lower revision that still lives tells nothing more. Null for revision 0, which is no server's command.
  Report of(const std::string& vm, std::int64_t revision);
  // Replaces the listener; null removes it. The previous one isn't running any more when this returns.
  void listen(Listener listener);
  // The latest progress of each command under way that has told any.
  std::vector<core::CommandProgress> latest() const;

 private:
  struct Entry {
    int calls = 0;            // those that have a Report
    std::int64_t newest = 0;  // the highest revision of these
    std::optional<core::CommandProgress> latest;
    std::int64_t told_ns = 0;
    bool is_told = false;  // the listener knows `latest`
    bool waits = false;    // for its time, in `later_`
  };
  void take(core::CommandProgress progress);
  void tell_late(const std::string& vm);
  void tell(Entry& entry);  // with mutex_ held; `latest` is set
  void forget(const std::string& vm, std::int64_t revision);

  const core::Clock& clock_;
  const Later later_;
  mutable std::mutex mutex_;
  Listener listener_;
  std::map<std::string, Entry> under_way_;  // by VM: it has one command at a time, beside calls that hang
};

}  // namespace qarax::agent
