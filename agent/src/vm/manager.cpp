#include "manager.hpp"

#include <filesystem>
#include <utility>

#include "liveness.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "redact.hpp"
#include "steps.hpp"

namespace qarax::agent {

Manager::Manager(Options options, Drivers& drivers, ProcessService& processes, BootFilesProvider& boot_files,
                 const core::Clock& clock)
    : options_(std::move(options)),
      drivers_(drivers),
      processes_(processes),
      clock_(clock),
      reports_(options_.session, clock),
      snapshots_(processes_, reports_, clock_, options_.data_dir),
      progress_(clock_, [this](std::int64_t ms, std::function<void()> work) { timers_.in_ms(ms, std::move(work)); }),
      starting_(drivers_, processes_, boot_files, reports_, progress_, options_.data_dir),
      own_calls_(reports_, timers_, options_.grace_ms),
      ending_(drivers_, processes_, progress_, own_calls_, {options_.stop_timeout_ms, options_.call_ms}),
      vms_dir_(options_.data_dir + "/vms"),
      tombstones_(options_.data_dir + "/tombstones"),
      gate_(options_.cold_boots),
      pool_("vm", 4, options_.most_threads) {}

Manager::~Manager() {
  shutdown(0);
  timers_.stop();
  gate_.stop();
  pool_.stop();
}

Result<std::unique_ptr<Manager>> Manager::open(Options options, Drivers& drivers, ProcessService& processes,
                                               BootFilesProvider& boot_files, const core::Clock& clock) {
  QARAX_CHECK(core::make_folder(options.data_dir + "/vms"));
  QARAX_CHECK(core::make_folder(options.data_dir + "/tombstones"));
  std::unique_ptr<Manager> manager(new Manager(std::move(options), drivers, processes, boot_files, clock));
  manager->tombstones_.remove_oldest();
  QARAX_CHECK(manager->load());
  return manager;
}

Status Manager::load() {
  std::error_code error;
  std::filesystem::directory_iterator entries(vms_dir_, error);
  if (error) return make_error(Code::internal, "can't list " + vms_dir_ + ": " + error.message());
  for (const auto& entry : entries) {
    const std::string id = entry.path().filename().string();
    if (VmFolder::is_debris(id)) {
      std::filesystem::remove_all(entry.path(), error);
      continue;
    }
    if (!core::is_uuid(id)) {
      core::logger("vm")->warn("not a VM's folder, left alone path={}", entry.path().string());
      continue;
    }
    core::remove_half_written(entry.path().string());
    auto vm = std::make_shared<Vm>(pool_, id, entry.path().string(), 0,
                                   status_with(VmState::unknown, "recovering after the agent's restart"));
    vm->recovering = true;
    vms_.emplace(id, vm);
  }
  return Ok{};
}

void Manager::begin_recovery() {
  const std::lock_guard lock(vms_mutex_);
  for (const auto& [id, vm] : vms_) {
    enqueue(vm, [this, vm = vm] { recover(vm, 1); });
  }
  if (options_.look_ms > 0) timers_.in_ms(options_.look_ms, [this] { look_at_all(); });
}

core::VmReport Manager::inspect(const std::string& id, std::int64_t deadline_ns) {
  const VmPtr vm = find(id);
  if (!vm) return reports_.report_missing(id);
  core::VmReport report = reports_.last(vm->known);
  if (!core::has_vmm(report.status.state)) return report;
  const auto driver = drivers_.find(report.hypervisor);
  const auto handle = vm->folder.read_handle();
  if (!driver || !handle) return report;
  const auto asked = about_vms_.begin("VM " + id, deadline_ns);
  if (!asked) return report;
  auto status = (*driver)->inspect(call_for(vm, {deadline_ns}),
                                   {id, report.incarnation, processes_.run_dir(id, report.incarnation), *handle});
  if (!status) return report;
  status = believed(processes_, id, report.incarnation, std::move(*status));
  if (status->state != report.status.state) look_again(id);
  report.status = *status;
  return report;
}

Result<Counters> Manager::counters(const std::string& id, std::int64_t deadline_ns) {
  const VmPtr vm = find(id);
  if (!vm) return make_error(Code::not_found, "VM " + id + " isn't on this node", "vm-not-found");
  const core::VmReport report = reports_.last(vm->known);
  if (!core::has_vmm(report.status.state))
    return make_error(Code::failed_precondition,
                      "VM " + report.name + " is " + std::string(to_string(report.status.state)) +
                          "; only a VMM that runs counts anything",
                      "wrong-state");
  QARAX_TRY(Driver * driver, drivers_.find(report.hypervisor));
  QARAX_TRY(const RawJson handle, vm->folder.read_handle());
  QARAX_TRY(const core::Scope asked, about_vms_.begin("VM " + id, deadline_ns));
  return driver->counters(call_for(vm, {deadline_ns}),
                          {id, report.incarnation, processes_.run_dir(id, report.incarnation), handle});
}

std::vector<core::VmReport> Manager::subscribe(Listener listener, std::uint64_t& id) {
  // Held throughout, so that a VM that comes or goes meanwhile is in the snapshot or announced after it.
  const std::lock_guard lock(vms_mutex_);
  std::vector<Known*> all;
  for (const auto& [name, vm] : vms_) all.push_back(&vm->known);
  return reports_.subscribe(all, std::move(listener), id);
}

void Manager::unsubscribe(std::uint64_t id) { reports_.unsubscribe(id); }

Manager::VmPtr Manager::find(const std::string& id) {
  const std::lock_guard lock(vms_mutex_);
  const auto found = vms_.find(id);
  return found == vms_.end() ? nullptr : found->second;
}

Result<std::string> Manager::run_dir(const std::string& id) {
  const VmPtr vm = find(id);
  if (!vm) return make_error(Code::not_found, "VM " + id + " isn't on this node", "vm-not-found");
  const std::int64_t incarnation = reports_.last(vm->known).incarnation;
  if (incarnation == 0) return make_error(Code::not_found, "VM " + id + " was never started here", "no-console");
  return processes_.run_dir(id, incarnation);
}

void Manager::vm_ended(const std::string& id, std::int64_t incarnation) {
  const VmPtr vm = find(id);
  if (!vm) return;
  // Reports the end even if a plugin call still hangs on the strand by then: whether a VMM has ended is not the
  // plugin's to decide.
  const auto late = tell_exit_later(vm, incarnation);
  enqueue(vm, [this, vm, incarnation, late] {
    saw_exit(vm, incarnation);
    timers_.forget(late);
  });
}

void Manager::look_again(const std::string& id) {
  const VmPtr vm = find(id);
  if (!vm) return;
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (vm->looking) return;
    vm->looking = true;
  }
  enqueue(vm, [this, vm] { look(vm); });
}

void Manager::enqueue(const VmPtr& vm, std::function<void()> task) {
  vm->strand->enqueue([this, vm, task = std::move(task)] {
    return guarded(vm, [&] {
      task();
      return Strand::Went::through;
    });
  });
}

void Manager::enqueue_turn(const VmPtr& vm, const OperationPtr& operation) {
  vm->strand->enqueue([this, vm, operation] {
    return guarded(
        vm, [&] { return take_turn(vm, operation); }, operation);
  });
}

// An exception border: whatever a task throws ends that task and its command, never the strand.
Strand::Went Manager::guarded(const VmPtr& vm, const Strand::Task& task, const OperationPtr& turn) {
  std::string reason;
  try {
    return task();
  } catch (const std::exception& e) {
    reason = e.what();
  } catch (...) {
    reason = "something that is no std::exception was thrown";
  }
  core::logger("vm")->error("a task of the VM was broken off vm={} reason={}", vm->id, core::log_value(reason));
  OperationPtr running;
  {
    const std::lock_guard lock(vm->admission_mutex);
    running = std::exchange(vm->running, nullptr);
  }
  if (!running) running = turn;  // broken off before it had begun
  if (vm->is_dead()) {
    // The VM was deleted under this task. What the task has made since is removed, as when it returns.
    core::guarded("vm", [&] { end_late(vm); });
    if (running) finish(vm, running, judge_deleted(running->command));
    return Strand::Went::through;
  }
  if (!running) return Strand::Went::through;
  core::guarded("vm", [&] { end_after_kill(vm, *running); });
  hide_folder(reason, options_.data_dir);
  VmStatus status = status_with(
      VmState::unknown, "its " + std::string(core::to_string(running->command.action)) + " was broken off: " + reason);
  const core::VmReport report = reports_.record_outcome(vm->known, running->settled, vm->facts(status));
  finish(vm, running, {report, make_error(Code::internal, status.status_reason)});
  reports_.announce(vm->known, report);
  look_again(vm->id);
  return Strand::Went::through;
}

}  // namespace qarax::agent
