// The interface of nodes to the orchestrator: reachable or not, commands down, reports and consoles up. Nodes and
// NodeLink implement it over gRPC.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "node_store.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"

namespace qarax::server {

// A command to a node about a VM, for one job. Sending the same (vm, revision) again returns the first result.
struct NodeCommand {
  core::Action action = core::Action::start;
  std::string vm{};              // UUID
  std::int64_t incarnation = 0;  // the one that the action begins or applies to
  std::int64_t revision = 0;     // of the job; the node refuses one below the highest that it has on disk
  std::string request_id{};
  // JSON that depends on the action: StartCommand, StopCommand, …; empty if the action alone is enough.
  std::string document{};
};

// The result of a command. With `decided`, `error` is the node's own; without it, `error` says why the result isn't
// known.
struct CommandOutcome {
  bool decided = false;
  std::optional<core::VmReport> report;
  std::optional<Error> error;
};

// What a node tells any server: which one it obeys (empty cluster id: none yet) and what it keeps.
struct NodeSurvey {
  Activation obeyed;
  std::int64_t position = 0;  // how far the database of the obeyed server had come, as it told the node; 0: not known
  core::NodeInfo info;
  std::vector<core::KeptVm> vms;
};

// A VM's serial console, open in both directions. No call blocks. Used by one thread at a time; the destructor hangs
// up.
class ConsoleLine {
 public:
  virtual ~ConsoleLine() = default;
  // `wake` is called, on any thread, after each change of what the other functions return; possibly still after this
  // object's end.
  virtual void on_change(std::function<void()> wake) = 0;
  // Appends what the guest has written since, some ten kilobytes at most. What isn't taken blocks only this line on the
  // node's side, which then skips the output that was missed.
  virtual void take(std::string& out) = 0;
  // Set once everything was taken and nothing more comes: Ok if the guest's console has ended, else why the line was
  // cut.
  virtual std::optional<Status> ended() = 0;
  // Input for the guest. Don't call give() while has_room() is false.
  virtual bool has_room() const = 0;
  virtual void give(std::string_view bytes) = 0;
  // How much of it still waits here.
  virtual std::size_t unsent() const = 0;
  // Closes the input once all that was given has been sent.
  virtual void end_input() = 0;
};

// Whether the node belongs to another server, or another node answers. Only an operator can change that, so a retry
// doesn't help.
inline bool is_anothers(const Error& error) { return error.reason == "other-cluster" || error.reason == "other-node"; }

constexpr std::int64_t kSurveyMs = 30'000;  // time for a survey with all VMs

class NodeAccess {
 public:
  virtual ~NodeAccess() = default;

  virtual bool is_up() const = 0;
  // Whether the node is up and was greeted as that activation of this server.
  virtual bool is_greeted_as(const std::string& activation) const = 0;
  // Whether the node that was greeted last announced this feature (core/documents.hpp); never assumed.
  virtual bool knows(std::string_view feature) const = 0;
  // Tries to connect now instead of after the back-off; blocks until the node is up, the attempt has failed, or
  // `timeout_ms` is over.
  virtual Status connect_now(std::int64_t timeout_ms) = 0;
  // Calls `done` once, on any thread, possibly within this call. The returned function asks the node to cancel the
  // command; it may be called on any thread and any number of times, and the result still comes by `done`. If the call
  // ends for another reason, e.g. a lost connection or this server's end, the command goes on (at a node without
  // kFeatureCancel it is cancelled).
  virtual std::function<void()> execute(NodeCommand command, std::int64_t timeout_ms,
                                        std::function<void(CommandOutcome)> done) = 0;
  // Asks the node to cancel that command, whichever call brought it there; needs kFeatureCancel. Returns at once; does
  // nothing if the node isn't up.
  virtual void cancel(const std::string& vm_id, std::int64_t revision, const std::string& request_id) = 0;
  // Tells the node what to keep of a VM for the server (keep.hpp); needs kFeatureKeep. Returns at once: the VM's
  // reports show whether the node keeps it.
  virtual void keep(const VmRecord& vm, const RawJson& words) = 0;
  // Reads a VM's counters from its VMM; blocks the caller for up to `timeout_ms`.
  virtual Result<Counters> counters(const std::string& vm_id, std::int64_t timeout_ms) = 0;
  // The spec that the start would give the VMM, or the plugin's objection. Needs kFeatureResolve. This and the next one
  // block the caller for up to `timeout_ms`.
  virtual Result<VmSpec> resolve(const core::StartCommand& command, std::int64_t timeout_ms) = 0;
  // The end of the VMM's own log. Needs kFeatureVmmLog.
  virtual Result<std::string> read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) = 0;
  // Passes the serial log to `sink`, piece by piece on the calling thread, until its end, until `sink` returns false,
  // or until a stop is requested, possibly before this call (while the guest is quiet `sink` isn't called).
  virtual Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                              const std::function<bool(std::string_view)>& sink, const std::stop_token& stop) = 0;
  // Opens a VM's console; blocks the caller until it is open, for up to `timeout_ms`. `tail_bytes`: how much of the
  // output so far to send first. NOT_FOUND "no-console"; UNAVAILABLE, FAILED_PRECONDITION "console-closed". Needs
  // kFeatureConsole.
  virtual Result<std::unique_ptr<ConsoleLine>> attach_console(const std::string& vm_id, std::int64_t tail_bytes,
                                                              std::int64_t timeout_ms) = 0;
  // Works even if the node obeys another server; blocks the caller for up to `timeout_ms`. `deleted_of`: ids whose
  // tombstones are wanted too. UNIMPLEMENTED: an older node.
  virtual Result<NodeSurvey> survey(const std::vector<std::string>& deleted_of, std::int64_t timeout_ms) = 0;
  // Runs `first`, in which the store takes the adopt's activation, and then makes the node obey it if it still obeys
  // `seen`; else ABORTED "plan-changed". Until then nothing that the node says counts as proof that the database was
  // set back, because it still obeys the other server.
  virtual Status adopt(const Activation& seen, const std::function<Status()>& first) = 0;
  // The node must be up. `owned`: the VMs that this server has there. UNIMPLEMENTED: an older node.
  virtual Result<std::vector<core::Leftover>> leftovers(bool collect, const std::vector<std::string>& owned) = 0;
  // Greets the node again, with the store's present activation.
  virtual void reconnect() = 0;
};

class Fleet {
 public:
  struct Events {
    std::function<void(const std::string& host_id)> up;                         // greeted, and its snapshot is applied
    std::function<void(const VmPtr& vm, const core::VmReport& report)> report;  // the report is applied
    // How far a command is; unset: nobody listens.
    std::function<void(const std::string& host_id, const core::CommandProgress& progress)> progress{};
  };
  virtual ~Fleet() = default;

  // Call this before the first start(). The callbacks run on the links' threads.
  virtual void on(Events events) = 0;
  // Connects in the background, to the host's present address, and again whenever the connection is lost. Does nothing
  // if the host was removed.
  virtual void start(const HostPtr& host) = 0;
  virtual void drop(const std::string& host_id) = 0;  // ends that link; commands in flight end undecided
  virtual void stop() = 0;                            // ends every link; no event and no link come after it
  virtual std::shared_ptr<NodeAccess> link(const std::string& host_id) const = 0;  // null: none
  virtual void check_heartbeats() = 0;
  virtual void reconnect_all() = 0;
};

}  // namespace qarax::server
