// The nodes as the orchestrator sees them: reachable or not, commands down, reports and consoles up. Nodes and NodeLink
// are it over gRPC.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"
#include "store.hpp"

namespace grpc {
class ClientContext;
}

namespace qarax::server {

// What a node is to do with a VM, for one job. Who sends the same (vm, revision) again gets the answer of the first
// time.
struct NodeCommand {
  core::Action action = core::Action::start;
  std::string vm{};              // UUID
  std::int64_t incarnation = 0;  // that the action begins, or is about
  std::int64_t revision = 0;     // of the job; the node refuses one below the highest that it has on disk
  std::string request_id{};
  std::string document{};  // JSON by action: StartCommand, StopCommand, …; empty where the action says it all
};

// What came of a command. `error` is the node's own word when `decided`, else why nothing is known of it.
struct CommandOutcome {
  bool decided = false;
  std::optional<core::VmReport> report;
  std::optional<Error> error;
};

// What a node tells every server: whom it obeys (an empty cluster: nobody yet), what it keeps.
struct NodeSurvey {
  Activation obeyed;
  std::int64_t position = 0;  // how far that one's database had come, by its own word; 0: nothing is known
  core::NodeInfo info;
  std::vector<core::KeptVm> vms;
};

// A VM's serial console, open in both directions. Nothing in it waits. One thread at a time; destroying it hangs up.
class ConsoleLine {
 public:
  virtual ~ConsoleLine() = default;
  // `wake` after each change of what the others say; any thread calls it, also after this one's end.
  virtual void on_change(std::function<void()> wake) = 0;
  // Appends what the guest has written since, some ten kilobytes at most. What isn't taken holds up the node's side of
  // this line alone, which leaves out what was missed.
  virtual void take(std::string& out) = 0;
  // Everything was taken and nothing more comes: the guest's console has ended, or why it is cut off.
  virtual std::optional<Status> ended() = 0;
  // For the guest's keyboard; without room nothing should be given until there is some.
  virtual bool has_room() const = 0;
  virtual void give(std::string_view bytes) = 0;
  // Ends when all that was given has reached the node.
  virtual void end_input() = 0;
};

// Whose node it is changes by somebody's doing and not with time: asking again doesn't help.
inline bool is_anothers(const Error& error) { return error.reason == "other-cluster" || error.reason == "other-node"; }

class NodeAccess {
 public:
  virtual ~NodeAccess() = default;

  virtual bool is_up() const = 0;
  // Up, and by a greeting of that activation: of this server as it was then.
  virtual bool is_greeted_as(const std::string& activation) const = 0;
  // Whether the node that was greeted last knows this feature (core/documents.hpp); never assumed.
  virtual bool knows(std::string_view feature) const = 0;
  // A fresh attempt now, not after the back-off; waits until up or `timeout_ms`.
  virtual Status connect_now(std::int64_t timeout_ms) = 0;
  // `done` once, from any thread, also from within this call. What is returned asks the node to cancel the command,
  // from any thread and as often as wanted; what became of it comes by `done`. Whatever else ends the call, such as a
  // lost connection or this server's end, leaves the command to go on (towards a node without kFeatureCancel it is
  // cancelled).
  virtual std::function<void()> execute(NodeCommand command, std::int64_t timeout_ms,
                                        std::function<void(CommandOutcome)> done) = 0;
  // Asks the node to cancel that command, whoever's call brought it there; needs kFeatureCancel. Returns at once, and
  // does nothing where the node isn't up.
  virtual void cancel(const std::string& vm_id, std::int64_t revision, const std::string& request_id) = 0;
  // Tells the node what the server wants back of a VM; needs kFeatureKeep. Returns at once: whether it is kept shows in
  // the VM's reports.
  virtual void keep(const VmRecord& vm, const RawJson& words) = 0;
  // What a VM has counted, asked of its VMM now; blocks the caller for up to `timeout_ms`.
  virtual Result<Counters> counters(const std::string& vm_id, std::int64_t timeout_ms) = 0;
  // What the start would give its VMM, and what its plugin thinks of it. Needs kFeatureResolve. Both block the caller
  // for up to `timeout_ms`.
  virtual Result<VmSpec> resolve(const core::StartCommand& command, std::int64_t timeout_ms) = 0;
  // The end of the VMM's own log. Needs kFeatureVmmLog.
  virtual Result<std::string> read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) = 0;
  // The serial log, piece by piece on the calling thread, until the end, until `sink` says false, or until somebody
  // cancels `context` (a quiet guest gives `sink` no chance to say it); null: the call's own.
  virtual Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                              const std::function<bool(std::string_view)>& sink,
                              std::shared_ptr<grpc::ClientContext> context) = 0;
  // NOT_FOUND "no-console"; UNAVAILABLE, FAILED_PRECONDITION "console-closed". Needs kFeatureConsole. `tail_bytes`: of
  // what the guest has written so far, 0: none. Blocks the caller until the console is open, for up to `timeout_ms`.
  virtual Result<std::unique_ptr<ConsoleLine>> attach_console(const std::string& vm_id, std::int64_t tail_bytes,
                                                              std::int64_t timeout_ms) = 0;
  // Also where the node obeys another server. `deleted_of`: these ids' tombstones too. UNIMPLEMENTED: an older node.
  virtual Result<NodeSurvey> survey(const std::vector<std::string>& deleted_of) = 0;
  // Runs `first`, which makes the store's activation that of the adopt, and then has the node obey it, if it still
  // obeys `seen`; ABORTED "plan-changed". In between the node proves nothing: that it obeys another one is what is
  // being ended.
  virtual Status adopt(const Activation& seen, const std::function<Status()>& first) = 0;
  // Of a node that is up. `owned`: the VMs that this server has there. UNIMPLEMENTED: an older node.
  virtual Result<std::vector<core::Leftover>> leftovers(bool collect, const std::vector<std::string>& owned) = 0;
  // Greets again, as the store's activation now is.
  virtual void reconnect() = 0;
};

class Fleet {
 public:
  struct Events {
    std::function<void(const std::string& host_id)> up;                         // greeted, and its snapshot is applied
    std::function<void(const VmPtr& vm, const core::VmReport& report)> report;  // applied
    // How far a command is. Unset: nobody wants to know.
    std::function<void(const std::string& host_id, const core::CommandProgress& progress)> progress{};
  };
  virtual ~Fleet() = default;

  // Before the first start(); called from the links' threads.
  virtual void on(Events events) = 0;
  // Connects in the background, and again whenever it is lost; to where the host is by now. Nothing of one that is
  // gone.
  virtual void start(const HostPtr& host) = 0;
  virtual void drop(const std::string& host_id) = 0;  // ends that link; commands in flight end as not decided
  virtual void stop() = 0;                            // ends every link; after it no event comes and no link is made
  virtual std::shared_ptr<NodeAccess> link(const std::string& host_id) const = 0;  // null: none
  virtual void check_heartbeats() = 0;
  virtual void reconnect_all() = 0;
};

}  // namespace qarax::server
