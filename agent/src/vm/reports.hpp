// What is known of each VM, and what of it is told: reports in one order, to the callers and to the event stream.
//
// Its words, each with one meaning:
//   record    A report becomes the VM's last one and takes the next sequence number. No listener hears it yet.
//   announce  The listeners hear a report that was recorded.
//   publish   Record, then announce.
//   decision  What is true of a VM was determined outside its strand, e.g. by a force-stop that killed the VMM.
//             A decision voids whatever the strand had seen before it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "qarax/core/clock.hpp"
#include "qarax/core/documents.hpp"

namespace qarax::agent {

inline constexpr const char* kNoFolder = "this node has no folder for it";

// What is known of one VM. The VM owns it and outlives every call that gets it; Reports alone reads and changes it.
class Known {
 public:
  // The first report has no sequence number yet: the first record, or the first snapshot that holds it, assigns one.
  Known(std::string vm, std::int64_t incarnation, VmStatus status);

 private:
  friend class Reports;
  core::VmReport report_;
  std::int64_t decisions_ = 0;
  std::int64_t exit_told_of_ = 0;  // the incarnation whose end publish_exit() told; 0: none
};

// Whether the outcome of one command is recorded. The command owns it; Reports alone reads and changes it.
class Settled {
  friend class Reports;
  bool is_settled_ = false;
};

// What the strand of a VM says in a report.
struct Facts {
  std::string name;
  std::string hypervisor;
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;
  std::optional<VmSpec> resolved;
  std::string keep;  // fingerprint_of_keep()
  std::int64_t keep_edition = 0;
  VmStatus status;
};

// Thread-safe: any thread calls any function. Every function takes the lock of Reports and no other, so its caller may
// hold its own. The listeners are called under that lock: they may neither block nor call Reports.
class Reports {
 public:
  using Listener = std::function<void(const core::VmReport&)>;

  // `clock` outlives the reports. `session` names this run of the agent; sequence numbers count up within it.
  Reports(std::string session, const core::Clock& clock) : session_(std::move(session)), clock_(clock) {}

  core::VmReport last(const Known& vm) const;
  VmStatus status_of(const Known& vm) const;
  // The strand reads the epoch before it looks at a VM. A record of what it saw then is dropped if the epoch has
  // changed.
  std::int64_t decision_epoch(const Known& vm) const;

  // From the strand of the VM.

  // The caller of a command must hear its outcome before the listeners: it gets the report that this returns, and then
  // announce() tells the listeners. From here on publish_unless_settled() publishes nothing for the command.
  core::VmReport record_outcome(Known& vm, Settled& command, const Facts& facts);
  // nullopt: a decision was made after `epoch`, and nothing is recorded.
  std::optional<core::VmReport> record_if_current(Known& vm, const Facts& facts, std::int64_t epoch);
  // A report that is no longer the VM's last one is not announced: the listeners have heard, or will hear, a newer one.
  void announce(const Known& vm, const core::VmReport& report) const;
  void publish(Known& vm, const Facts& facts);
  // False: a decision was made after `epoch`, and nothing is published.
  bool publish_if_current(Known& vm, const Facts& facts, std::int64_t epoch);
  // Sets the VM's incarnation before its VMM is made, so that a thread that has to kill the VMM under a hung call knows
  // which one it is. The listeners hear it with the next report.
  void set_incarnation(Known& vm, std::int64_t incarnation);

  // From other threads, while the strand may be in any call. `revision` is the highest that the VM has taken.

  // Reports what another thread has found out about a command that hasn't ended. A status other than unknown is a
  // decision. nullopt: the command's outcome is recorded already, and nothing is published.
  std::optional<core::VmReport> publish_unless_settled(Known& vm, const Settled& command, std::int64_t revision,
                                                       const VmStatus& status);
  // The VM can't be asked. This is no decision: what the strand says when it comes back holds. nullopt: a VM without a
  // VMM is not doubted, and nothing is published.
  std::optional<core::VmReport> publish_doubt(Known& vm, std::int64_t revision, const VmStatus& status);
  // The VMM of `incarnation` has ended, and the strand hasn't said so. This is a decision. False: is_exit_untold() no
  // longer holds, and nothing is published.
  bool publish_exit(Known& vm, std::int64_t incarnation, std::int64_t revision, const VmStatus& status);
  // The VM has this incarnation and is not reported as shut down.
  bool is_exit_untold(const Known& vm, std::int64_t incarnation) const;
  // The VM is gone for good. This is a decision.
  core::VmReport publish_deleted(Known& vm);

  // What the strand finds reported when it learns of the end of `incarnation`.
  struct ExitNews {
    bool is_shutdown = false;   // the last report says so
    bool is_published = false;  // publish_exit() said so while the strand hung
  };
  ExitNews exit_news(const Known& vm, std::int64_t incarnation) const;

  // A numbered report of a VM that this node has no folder for. The report is recorded nowhere.
  core::VmReport report_missing(const std::string& vm);

  // The snapshot holds the last report of each of `vms`; the listener then hears, once, each report that is announced
  // later. If a report in the snapshot is announced after the snapshot, this listener doesn't hear it again.
  std::vector<core::VmReport> subscribe(const std::vector<Known*>& vms, Listener listener, std::uint64_t& id);
  // When this returns, the listener doesn't run and won't be called again.
  void unsubscribe(std::uint64_t id);

 private:
  struct Subscription {
    Listener listener;
    std::int64_t since = 0;  // the snapshot held the reports up to this number
  };

  // All of these run under mutex_.
  void number(core::VmReport& report);
  const core::VmReport& record(Known& vm, const Facts& facts);
  core::VmReport publish_status(Known& vm, const VmStatus& status);
  void announce_to_all(const core::VmReport& report) const;

  const std::string session_;
  const core::Clock& clock_;

  mutable std::mutex mutex_;  // guards what is below, each Known and each Settled
  std::int64_t seq_ = 0;
  std::uint64_t next_listener_ = 1;
  std::map<std::uint64_t, Subscription> listeners_;
};

}  // namespace qarax::agent
