// The VMs of this host: what gRPC asks of them, in order per VM, and what is true of them.
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
  std::string document;          // as node.proto says for the action
};

// `report` is what is true after the command, also after one that failed (unless the VM isn't known at all).
struct CommandResult {
  core::VmReport report;
  Status outcome = Ok{};
};

// What became of the guests when their host was about to go down.
struct HostShutdown {
  int powered_off = 0;
  int killed = 0;  // after their time was up
  int failed = 0;  // still there
};

// A handle on a command that runs, also one that was asked for again, for cancelling it when its caller goes away.
// Thread-safe.
class CommandTicket {
 public:
  virtual ~CommandTicket() = default;
  virtual void cancel() = 0;
};

// What a server wants back of a VM, in its own words.
struct Words {
  std::string name{};
  RawJson keep{};
  std::int64_t edition = 0;  // earlier ones never replace later ones; 0: an older server's, which have no order
};

class VmManager {
 public:
  virtual ~VmManager() = default;

  // Any thread; returns at once. `done` is called exactly once, from a worker thread, when the command has ended (with
  // its stored result for a repeated (revision, step), refused for a lower revision or for a VM that is still
  // recovering).
  virtual std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) = 0;
  // Any thread; returns at once. What is under way for this VM with this revision is broken off; its callers hear of it
  // as its end. Whether there was anything. While a VM is being recovered this is remembered: that command, asked for
  // later, is answered CANCELLED where it never began, and ABORTED "interrupted" where the agent's end interrupted it
  // and the recovery doesn't come to an end.
  virtual bool cancel(const std::string& vm, std::int64_t revision) = 0;

  // Any thread; only enqueues. The server's words about a VM are others now; its report shows when they are kept.
  // NOT_FOUND: there is no such VM here.
  virtual Status keep(const std::string& vm, Words words) = 0;

  // Any thread; asks the VMM within `deadline_ns`. A VM without a folder: a report with `missing`.
  virtual core::VmReport inspect(const std::string& vm, std::int64_t deadline_ns) = 0;
  // The same for what it has counted. FAILED_PRECONDITION "wrong-state" where no VMM runs.
  virtual Result<Counters> counters(const std::string& vm, std::int64_t deadline_ns) = 0;

  // All VMs (and tombstones, with `deleted`) as last seen, and every report from then on: the listener is called under
  // the lock that orders reports, so it must only enqueue. Snapshot and subscription are atomic: no gap, no duplicate.
  using Listener = std::function<void(const core::VmReport&)>;
  virtual std::vector<core::VmReport> subscribe(Listener listener, std::uint64_t& id) = 0;
  virtual void unsubscribe(std::uint64_t id) = 0;

  // Sets the one listener that hears how far commands are, as their plugins tell it; null removes it. The previous
  // listener isn't running any more when this returns. A listener must only enqueue. Any thread.
  using ProgressListener = std::function<void(const core::CommandProgress&)>;
  virtual void on_progress(ProgressListener listener) = 0;
  // The latest progress of each command under way whose plugin has told any. Any thread.
  virtual std::vector<core::CommandProgress> progress() = 0;

  // What is kept of every VM, and of those of `deleted_of` that were deleted here by command. Any thread; reads files.
  virtual std::vector<core::KeptVm> kept(const std::vector<std::string>& deleted_of) = 0;

  // What agents have made here and no VM owns, neither one of this node's nor one of `owned`, the server's; with
  // `collect` it is removed. Any thread; may take seconds.
  virtual std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned) = 0;

  // The power button to every guest, `timeout_ms` for all of them at once, then the VMMs are killed. No start is taken
  // from then on until the agent's end. Any thread; returns when all are done.
  virtual HostShutdown stop_guests(std::int64_t timeout_ms) = 0;

  // What a start with this StartCommand would give its plugin; blocks, changes nothing. The errors that the start would
  // have, up to the plugin's own judgement.
  virtual Result<VmSpec> resolve(const std::string& document, std::int64_t deadline_ns) = 0;

  // Folder of the running (or last) incarnation, where the supervisor keeps console.log and control.sock; NOT_FOUND
  // without one.
  virtual Result<std::string> run_dir(const std::string& vm) = 0;
};

}  // namespace qarax::agent
