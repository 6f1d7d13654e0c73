// One VM in memory: its folder, its strand, its commands, what is known of it. Private to the manager.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "boot_gate.hpp"
#include "reports.hpp"
#include "strand.hpp"
#include "timers.hpp"
#include "vm_folder.hpp"
#include "vm_manager.hpp"

namespace qarax::agent {

// Cancels a call: fd() is readable after now(). Thread-safe.
class Cancel {
 public:
  Cancel();
  void now() const;
  int fd() const { return fd_.get(); }

 private:
  core::Fd fd_;
};

// A command in progress. It is answered exactly once, and until then more callers may join it. Thread-safe where no
// member's comment says otherwise.
class Operation final : public CommandTicket {
 public:
  Operation(Command command, std::function<void(CommandResult)> done);
  void cancel() override;
  // The agent ends, and cancels the command unless somebody has before. If the call then fails, that says nothing about
  // the command, which the next agent takes up.
  void give_up();
  bool is_given_up() const { return ended_by_ == By::agents_end; }
  // All callers get `result`. False: they were answered before, at a missed deadline or at the agent's end.
  bool answer(const CommandResult& result);
  // `done` gets the answer, too. False: the callers were answered before, and `done` is never called.
  bool join(std::function<void(CommandResult)> done);

  const Command command;
  Settled settled;
  bool killed = false;  // the VMM was killed under its call; guarded by the VM's admission_mutex
  // The start's turn to boot, or the error why none came. Only the strand uses it.
  std::optional<Result<BootGate::Turn>> turn;
  // The timer of the command's deadline. Set before any other thread can see the operation.
  std::optional<Timers::Handle> deadline;
  int cancel_fd() const { return cancel_.fd(); }

 private:
  enum class By { nobody, caller, agents_end };
  void cancel_by(By whom);

  const Cancel cancel_;
  std::atomic<By> ended_by_{By::nobody};  // who has cancelled it first
  std::mutex mutex_;
  std::vector<std::function<void(CommandResult)>> waiting_;
  bool answered_ = false;
};

struct Vm {
  // `incarnation` is the one that a running VMM may belong to; `first` is the status before anything was looked at.
  Vm(core::WorkerPool& pool, std::string vm_id, std::string path, std::int64_t incarnation, VmStatus first)
      : id(std::move(vm_id)),
        folder(std::move(path)),
        strand(std::make_shared<Strand>(pool)),
        known(id, incarnation, std::move(first)) {
    document.incarnation = incarnation;
  }

  const std::string id;
  const VmFolder folder;

  // Everything done for the VM is a task of its strand, except where a function's comment names other threads.
  const std::shared_ptr<Strand> strand;

  // Guards everything from here to `dead`: what the strand is doing, and which commands are accepted.
  std::mutex admission_mutex;
  std::shared_ptr<Operation> running;      // the command that the strand carries out
  std::shared_ptr<const Cancel> own_call;  // the plugin call that the strand makes for no command: a recovery, a look
  std::condition_variable moved;           // `running` has changed, or a command has left `pending`

  std::int64_t revision = 0;  // the highest that was taken; `results` are those of this revision
  std::vector<std::pair<std::int32_t, CommandResult>> results;  // (step, result)
  std::vector<std::shared_ptr<Operation>> pending;              // accepted and not finished
  bool recovering = false;
  // The revision of the command that the agent's end has interrupted, as the journal says, until it is settled what
  // became of it. It stays when the recovery gives up.
  std::optional<std::int64_t> interrupted;
  bool is_journal_read = false;  // by a recovery: `revision` and `interrupted` are what the journal says
  bool is_stuck = false;         // an attempt to recover it has failed
  // The revision of a Cancel that came before the VM was recovered, and found no command under way; 0: none did.
  std::int64_t cancelled = 0;
  // Why the recovery, which goes on, hasn't read `revision` from the journal yet; empty: it has, or hasn't tried.
  std::string unread;
  bool looking = false;  // a task that looks at it is queued already
  bool dead = false;     // deleted: nothing is done or reported for it any more
  bool is_dead();
  std::int64_t highest_revision();

  // Only a task of the strand uses these.
  VmDocument document;
  std::optional<Journal> journal;
  // The report that the strand makes of the VM when its status is `status`.
  Facts facts(const VmStatus& status);

  Known known;
};

}  // namespace qarax::agent
