// One attempt to find out what is true of a VM after the agent's restart: from its folder, its processes and its
// plugin. Private to the manager.
//
// An attempt is one task on the strand of the VM. It takes its steps in their order until one of them has an outcome.
// A force-stop or a delete may overtake it at any time and has the last word: the attempt then says nothing more.
#pragma once

#include <optional>
#include <string>

#include "manager.hpp"

namespace qarax::agent {

class Manager::Recovery {
 public:
  // The first attempt has the number 1.
  Recovery(Manager& manager, VmPtr vm, int attempt);
  void run();

 private:
  enum class Next {
    done,             // the VM is recovered, or a command has decided what it is
    try_again,        // the attempt failed for a reason that may pass; the next attempt follows later
    wait_for_plugin,  // the plugin is still being loaded; the same attempt is repeated later
    give_up,          // the VM stays unknown, with the reason, and takes commands from now on
  };
  struct Outcome {
    Next next;
    std::string reason{};
  };
  using Step = std::optional<Outcome>;  // nullopt: the next step follows

  // The steps, in their order.
  void take_steps();
  Step read_document();
  Step decide_where_it_lives();
  Step open_journal();
  Step finish_interrupted_delete();
  Step determine_status();
  Step carry_interrupted_through();
  Step settle();

  // read_document()
  bool was_never_started();
  Outcome undo_first_start();
  static Outcome unreadable(const Error& error);

  // decide_where_it_lives(), determine_status(); those two and these are in recovery_status.cpp
  bool is_of_this_kernel() const;  // the incarnation was started under the kernel that runs now
  bool was_shutdown() const;       // before the agent ended, as far as that was certain
  VmStatus status_after_reboot();  // another PID namespace counts as a reboot
  Result<VmStatus> status_in_this_boot();
  Result<VmStatus> told_by_plugin();
  void forget_exit_of_broken_off();
  Outcome unanswered(const Error& error);
  bool may_pass(const Error& error) const;

  // carry_interrupted_through()
  Result<VmStatus> carry_through(const JournalRecord& intent);
  Result<VmStatus> undo_restore(Driver& driver);

  // settle(), give_up()
  Step carry_on_stop();

  // settle(), undo_first_start()
  void settle_interrupted();
  void load_last_result();
  void remember(const JournalRecord& result, Status outcome);

  // run()
  void conclude(const Outcome& outcome);
  void try_again(const std::string& reason);
  void wait_for_plugin(const std::string& reason);
  void give_up(const std::string& reason);
  void load_result_of_finished();
  void repeat_in(std::int64_t ms, int attempt);

  bool has_been_ended();
  bool is_overtaken();
  bool admit_commands();
  void read_numbers();  // the highest revision of the journal, and which command was interrupted
  void salvage_revision();
  bool publish(const VmStatus& status);

  Manager& manager_;
  const VmPtr vm_;
  const int attempt_;
  const std::int64_t epoch_;  // of the reports; if a command decides meanwhile, nothing of this attempt is published

  bool is_same_boot_ = false;       // the incarnation was started in this boot and in this PID namespace
  bool is_elsewhere_ = false;       // the VM runs in another PID namespace
  std::optional<VmStatus> before_;  // what was certain before the agent ended
  VmStatus status_;                 // what is true now; known from determine_status() on
  std::optional<Error> broken_;     // why the interrupted command could not be carried through
};

}  // namespace qarax::agent
