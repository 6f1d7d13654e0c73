// The VmManager of the node: VMs are folders on disk, VMMs are processes. The commands of a VM run one at a time on its
// strand. A force-stop or a delete doesn't wait for a hung plugin call: it kills the VMM's processes under it. No lock
// is held across a call of a driver.
//
// The manager decides what is done and in which order. Other classes do the rest: Strand runs a VM's tasks, Reports
// holds and publishes what is known of a VM, Recovery finds out what is true of a VM after a restart, Starting makes a
// VMM, Ending brings it to its end, Snapshots takes and drops snapshots, BootGate limits concurrent boots, Journal and
// VmFolder store a VM on disk.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "boot_gate.hpp"
#include "driver_calls.hpp"
#include "ending.hpp"
#include "in_flight.hpp"
#include "own_calls.hpp"
#include "process_service.hpp"
#include "progress_feed.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/worker_pool.hpp"
#include "questions.hpp"
#include "reports.hpp"
#include "snapshots.hpp"
#include "starting.hpp"
#include "timers.hpp"
#include "tombstones.hpp"
#include "vm.hpp"
#include "vm_manager.hpp"

namespace qarax::agent {

class Manager final : public VmManager {
 public:
  struct Options {
    std::string data_dir;
    std::string session;
    std::size_t cold_boots = 1;
    std::size_t most_threads = 512;         // this many plugin calls may hang before other VMs have to wait
    std::int64_t grace_ms = 2000;           // from a deadline until the caller is answered although the plugin hangs
    std::int64_t stop_timeout_ms = 30'000;  // for a stop that names no timeout
    std::int64_t call_ms = 5'000;           // limit of a plugin call that the agent makes for no command
    std::int64_t look_ms = 10'000;          // interval of looks at running VMs, for changes without an event; 0: never
  };
  // Makes the data folders and reads the list of VMs; fails only if that fails. Everything passed must outlive the
  // manager.
  static Result<std::unique_ptr<Manager>> open(Options options, Drivers& drivers, ProcessService& processes,
                                               BootFilesProvider& boot_files, const core::Clock& clock);
  ~Manager() override;
  // The node calls this once, after it has connected exits and notifications to this manager. The VMs recover in the
  // background.
  void begin_recovery();

  std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) override;
  bool cancel(const std::string& vm, std::int64_t revision) override;
  Status keep(const std::string& vm, Words words) override;
  core::VmReport inspect(const std::string& vm, std::int64_t deadline_ns) override;
  Result<Counters> counters(const std::string& vm, std::int64_t deadline_ns) override;
  std::vector<core::VmReport> subscribe(Listener listener, std::uint64_t& id) override;
  void unsubscribe(std::uint64_t id) override;
  void on_progress(ProgressListener listener) override { progress_.listen(std::move(listener)); }
  std::vector<core::CommandProgress> progress() override { return progress_.latest(); }
  std::vector<core::KeptVm> kept(const std::vector<std::string>& deleted_of) override;
  std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned) override;
  HostShutdown stop_guests(std::int64_t timeout_ms) override;
  Result<VmSpec> resolve(const std::string& document, std::int64_t deadline_ns) override {
    return starting_.resolve(document, deadline_ns);
  }
  Result<std::string> run_dir(const std::string& vm) override;

  // Called by the process service's exit listener and by the plugins' notify, on any thread. Both only enqueue a task
  // that looks at the VM.
  void vm_ended(const std::string& vm, std::int64_t incarnation);
  void look_again(const std::string& vm);
  // Refuses new commands from here on. Commands in flight get `grace_ms` to end. What hasn't ended by then is
  // cancelled, and its callers get UNAVAILABLE "node-unreachable". What fails by that has no result: the next agent
  // carries a stop on, and tells a start, restore or snapshot that was under way as interrupted. What succeeds all the
  // same has its result. The VMs run on.
  void shutdown(std::int64_t grace_ms);

 private:
  using VmPtr = std::shared_ptr<Vm>;
  using OperationPtr = std::shared_ptr<Operation>;

  Manager(Options options, Drivers& drivers, ProcessService& processes, BootFilesProvider& boot_files,
          const core::Clock& clock);
  Status load();

  // admission.cpp, on any thread. The caller of the first three holds vms_mutex_. nullopt: the command isn't refused.
  std::optional<CommandResult> judge_node(const Command& asked);
  std::optional<CommandResult> judge_absent(const Command& asked);  // for a VM without a folder here
  VmPtr make_absent(const Command& asked);
  CommandResult judge_deleted(const Command& asked);
  // The caller holds the VM's admission_mutex. True: something is under way that the command has to overtake.
  bool admit(const VmPtr& vm, const OperationPtr& operation);
  // A recovery takes the command again that the agent's end has interrupted: it ends the VM, and was acknowledged. The
  // command is the next task of the strand. False: the agent is ending, or a command has overtaken the recovery.
  bool take_up_again(const VmPtr& vm, Command command);
  void missed_deadline(const VmPtr& vm, const OperationPtr& operation);
  void finish(const VmPtr& vm, const OperationPtr& operation, const CommandResult& result);

  // agents_end.cpp, on the VM's strand: the agent's end has cancelled the command, which has no result
  void put_off(const VmPtr& vm, const OperationPtr& operation);

  // manager.cpp, on any thread. guarded() catches what a task throws: the task and its command end, the strand goes on.
  // `turn` is the command whose turn the task is; null: the task is of no command.
  VmPtr find(const std::string& id);  // null: the node has no such VM
  void enqueue(const VmPtr& vm, std::function<void()> task);
  void enqueue_turn(const VmPtr& vm, const OperationPtr& operation);
  Strand::Went guarded(const VmPtr& vm, const Strand::Task& task, const OperationPtr& turn = nullptr);

  // overtaking.cpp, on any thread, because the VM's strand may hang
  void overtake(const VmPtr& vm, const OperationPtr& operation);

  // deleting.cpp, remove() and end_late() on the VM's strand, the others on any thread
  Status remove(const VmPtr& vm, const Command& command);
  void end_late(const VmPtr& vm);
  // Whether the operation was killed by a force-stop while its call hung; then what the call has made since is ended,
  // too.
  bool end_after_kill(const VmPtr& vm, const Operation& operation);
  void abandon(const VmPtr& vm, const OperationPtr& operation);
  core::VmReport bury(const VmPtr& vm, const OperationPtr& by);

  // operations.cpp, on the VM's strand
  Strand::Went take_turn(const VmPtr& vm, const OperationPtr& operation);
  void run(const VmPtr& vm, const OperationPtr& operation);
  void begin(const VmPtr& vm, const OperationPtr& operation);
  CommandResult refuse(const VmPtr& vm, Operation& operation, const VmStatus& now);
  // The next two return nullopt if the command has been answered: the VM was deleted meanwhile, or the agent ends.
  std::optional<CommandResult> carry_out_delete(const VmPtr& vm, const OperationPtr& operation, const VmStatus& before);
  std::optional<CommandResult> carry_out(const VmPtr& vm, const OperationPtr& operation, const VmStatus& before);
  CommandResult conclude_failure(const VmPtr& vm, Operation& operation, const VmStatus& before, Error error);
  void note_end_meanwhile(const VmPtr& vm, const VmStatus& before, const VmStatus& after);
  // Keeps the result in the journal, then records the report. `after` is the VM's status after the command.
  CommandResult conclude(const VmPtr& vm, Operation& operation, const VmStatus& after, Status outcome);
  // Logs the error, then removes the host's paths from it.
  void tell_failure(const Command& command, Error& error) const;
  static void keep_result(const VmPtr& vm, const Command& command, const VmStatus& after, const Status& outcome);
  Result<VmStatus> perform(const VmPtr& vm, Operation& operation);
  Status note_intent(const VmPtr& vm, const Command& command);
  VmStatus truth_after_failure(const VmPtr& vm, const Command& command, const VmStatus& before);

  // recovery.hpp, on the VM's strand
  class Recovery;
  void recover(const VmPtr& vm, int attempt);

  // watching.cpp, on the VM's strand; tell_exit and look_at_all on other threads
  void record_exit(const VmPtr& vm, const VmStatus& status, Outlives outlives = Outlives::agent);
  void doubt_end(const VmPtr& vm, const std::string& why, std::int64_t epoch);
  void saw_exit(const VmPtr& vm, std::int64_t incarnation);
  void tell_exit(const VmPtr& vm, std::int64_t incarnation);
  Timers::Handle tell_exit_later(const VmPtr& vm, std::int64_t incarnation);
  void look(const VmPtr& vm);
  void look_at_all();

  // kept.cpp, on the VM's strand
  void keep_words(const VmPtr& vm, Words words);

  // host_shutdown.cpp, the first two on the VM's strand, the others on any thread; once_recovered only enqueues: `then`
  // runs on the strand when the VM is recovered, or at `until_ns`, or at `stuck_until_ns` where an attempt to recover
  // it has failed
  bool may_run(const VmPtr& vm);
  HostShutdown stop_for_host(const VmPtr& vm, std::int64_t timeout_ms);
  void once_recovered(const VmPtr& vm, std::int64_t stuck_until_ns, std::int64_t until_ns, std::function<void()> then);
  std::int64_t limit_of_recovery(std::int64_t usual_ms) const;
  static void cancel_recovery(const VmPtr& vm);

  Options options_;
  Drivers& drivers_;
  ProcessService& processes_;
  const core::Clock& clock_;
  Reports reports_;
  const Snapshots snapshots_;
  ProgressFeed progress_;
  Starting starting_;
  OwnCalls own_calls_;
  Ending ending_;
  const std::string vms_dir_;
  Tombstones tombstones_;

  std::mutex vms_mutex_;
  std::map<std::string, VmPtr> vms_;
  bool closed_ = false;
  bool host_stops_ = false;

  std::atomic<std::int64_t> guests_until_ns_{0};  // when the guests' time is over as the host goes down; 0: it doesn't

  std::mutex collecting_;  // held by leftovers(), so that only one runs at a time

  InFlight in_flight_;
  Questions about_vms_{16};

  BootGate gate_;
  core::WorkerPool pool_;  // its threads use all of the above and timers_, so the destructor stops them first
  Timers timers_;          // its thread uses the pool
};

}  // namespace qarax::agent
