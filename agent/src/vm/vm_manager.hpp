// The VMs of this host: carries out what gRPC asks of them, in order per VM, and reports their state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// One step of one job, as CommandRequest carries it.
struct Command {
  std::string vm;
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;
  std::int32_t step = 0;
  core::Action action = core::Action::start;
  std::string request_id;
  std::int64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: none
  std::string document;          // format by action, as in node.proto
};

// `report` is the VM's state after the command, also after a command that failed (except where the VM is unknown here).
struct CommandResult {
  core::VmReport report;
  Status outcome = Ok{};
};

// What stop_guests() achieved, in numbers of VMs.
struct HostShutdown {
  int powered_off = 0;
  int killed = 0;  // after the timeout
  int failed = 0;  // still running
};

// Cancels a command in progress when its caller goes away. A repeated command gets the ticket of the one in progress.
// Thread-safe.
class CommandTicket {
 public:
  virtual ~CommandTicket() = default;
  virtual void cancel() = 0;
};

// Data of a VM that the server stores on the node in its own format, to get it back if its database is lost.
struct Words {
  std::string name{};
  RawJson keep{};
  std::int64_t edition = 0;  // a lower one never replaces a higher one; 0: from an older server, without an order
};

class VmManager {
 public:
  virtual ~VmManager() = default;

  // Any thread; returns at once. `done` is called exactly once, from a worker thread, when the command has ended. A
  // repeated (revision, step) gets its stored result. A lower revision, and a VM that is still recovering, are refused.
  virtual std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) = 0;
  // Any thread; returns at once. Cancels the commands of this revision that are in progress for this VM; their callers
  // get the result as usual. Returns whether there were any. While a VM is being recovered the cancel is remembered:
  // that command, asked for later, is answered CANCELLED if it never began, and ABORTED "interrupted" if the agent's
  // end interrupted it and the recovery doesn't come to an end.
  virtual bool cancel(const std::string& vm, std::int64_t revision) = 0;

  // Any thread; only enqueues. Replaces the words that the server stores for a VM; its report shows when they are on
  // disk. NOT_FOUND: this node has no such VM.
  virtual Status keep(const std::string& vm, Words words) = 0;

  // Any thread; asks the VMM within `deadline_ns`. For a VM without a folder: a report with `missing`. The last report
  // where the plugin hangs in earlier questions about the VM, or too many are under way.
  virtual core::VmReport inspect(const std::string& vm, std::int64_t deadline_ns) = 0;
  // Any thread; asks the VMM for its counters. FAILED_PRECONDITION "wrong-state" if no VMM runs.
  // DEADLINE_EXCEEDED "plugin-hangs": the plugin hangs in earlier questions about the VM. RESOURCE_EXHAUSTED
  // "overloaded": too many are under way.
  virtual Result<Counters> counters(const std::string& vm, std::int64_t deadline_ns) = 0;

  // Returns the last report of every VM; the listener gets every report from then on, also that of a VM's deletion. It
  // is called under the lock that orders reports, so it must only enqueue. Snapshot and subscription are atomic: no
  // gap, no duplicate.
  using Listener = std::function<void(const core::VmReport&)>;
  virtual std::vector<core::VmReport> subscribe(Listener listener, std::uint64_t& id) = 0;
  virtual void unsubscribe(std::uint64_t id) = 0;

  // Sets the one listener that hears how far commands are, as their plugins tell it; null removes it. The previous
  // listener isn't running any more when this returns. A listener must only enqueue. Any thread.
  using ProgressListener = std::function<void(const core::CommandProgress&)>;
  virtual void on_progress(ProgressListener listener) = 0;
  // The latest progress of each command under way whose plugin has told any. Any thread.
  virtual std::vector<core::CommandProgress> progress() = 0;

  // What is stored of every VM, and the tombstones of those of `deleted_of` that were deleted here by command. Any
  // thread; reads files.
  virtual std::vector<core::KeptVm> kept(const std::vector<std::string>& deleted_of) = 0;

  // What agents made on this host and no VM owns: neither a VM of this node nor one of `owned`, the server's list. With
  // `collect` it is removed. Any thread; may take seconds.
  virtual std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned) = 0;

  // Presses the power button of every guest, waits `timeout_ms` for all of them together, then kills the VMMs that are
  // left. Neither start nor restore is accepted from then on until the agent ends. Any thread; returns when all are
  // done.
  virtual HostShutdown stop_guests(std::int64_t timeout_ms) = 0;

  // Returns the spec that a start with this StartCommand would give its plugin. Blocks; changes nothing. Fails as the
  // start would at the document, the plugin, the boot files or the plugin's resolve, or with DEADLINE_EXCEEDED
  // "plugin-hangs", as long as the plugin hangs in two earlier ones of any VM. RESOURCE_EXHAUSTED "overloaded": too
  // many are under way.
  virtual Result<VmSpec> resolve(const std::string& document, std::int64_t deadline_ns) = 0;

  // Folder of the running (or last) incarnation, where the supervisor keeps console.log and control.sock; NOT_FOUND
  // without one.
  virtual Result<std::string> run_dir(const std::string& vm) = 0;
};

}  // namespace qarax::agent
