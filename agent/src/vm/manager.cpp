#include "manager.hpp"

#include <filesystem>

#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

Manager::Manager(Options options, Drivers& drivers, ProcessService& processes, BootFilesProvider& boot_files,
                 const core::Clock& clock)
    : options_(std::move(options)),
      drivers_(drivers),
      processes_(processes),
      boot_files_(boot_files),
      clock_(clock),
      vms_dir_(options_.data_dir + "/vms"),
      tombstones_dir_(options_.data_dir + "/tombstones"),
      gate_(options_.cold_boots),
      pool_(4, options_.most_threads) {}

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
    auto vm = std::make_shared<Vm>(id, entry.path().string());
    vm->recovering = true;
    vm->report.vm = id;
    vm->report.status.state = VmState::unknown;
    vm->report.status.status_reason = "recovering after the agent's restart";
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

void Manager::number(core::VmReport& report) {
  report.session = options_.session;
  report.seq = ++seq_;
  report.observed_at = core::to_rfc3339(clock_.wall());
}

std::int64_t Manager::highest_revision(const VmPtr& vm) {
  const std::lock_guard lock(vm->strand_mutex);
  return vm->revision;
}

void Manager::emit(core::VmReport& report) {
  number(report);
  for (const auto& [id, one] : listeners_) one.listener(report);
}

VmStatus Manager::status_of(const VmPtr& vm) {
  const std::lock_guard lock(order_mutex_);
  return vm->report.status;
}

core::VmReport Manager::publish(const VmPtr& vm, const VmStatus& status) {
  core::VmReport report = settle(vm, status, nullptr);
  tell(vm, report);
  return report;
}

core::VmReport Manager::settle(const VmPtr& vm, const VmStatus& status, const OperationPtr& operation) {
  const std::int64_t revision = highest_revision(vm);
  const std::lock_guard lock(order_mutex_);
  if (operation) operation->settled = true;
  return note(vm, status, revision);
}

core::VmReport Manager::note(const VmPtr& vm, const VmStatus& status, std::int64_t revision) {
  vm->report.name = vm->document.name;
  vm->report.hypervisor = vm->document.hypervisor;
  vm->report.incarnation = vm->document.incarnation;
  vm->report.resolved = vm->document.resolved;
  vm->report.keep = core::fingerprint_of_keep(vm->document.name, vm->document.keep);
  vm->report.keep_edition = vm->document.keep_edition;
  vm->report.revision = revision;
  vm->report.status = status;
  number(vm->report);
  return vm->report;
}

std::int64_t Manager::rulings(const VmPtr& vm) {
  const std::lock_guard lock(order_mutex_);
  return vm->rulings;
}

std::optional<core::VmReport> Manager::settle_seen(const VmPtr& vm, const VmStatus& status, std::int64_t since) {
  const std::int64_t revision = highest_revision(vm);
  const std::lock_guard lock(order_mutex_);
  if (vm->rulings != since) return std::nullopt;
  return note(vm, status, revision);
}

bool Manager::publish_seen(const VmPtr& vm, const VmStatus& status, std::int64_t since) {
  const auto report = settle_seen(vm, status, since);
  if (report) tell(vm, *report);
  return report.has_value();
}

void Manager::tell(const VmPtr& vm, const core::VmReport& report) {
  const std::lock_guard lock(order_mutex_);
  if (vm->report.seq != report.seq) return;  // something newer was said meanwhile
  for (const auto& [id, one] : listeners_)
    if (one.since < report.seq) one.listener(report);
}

std::optional<core::VmReport> Manager::publish_unless_settled(const VmPtr& vm, const VmStatus& status,
                                                              const OperationPtr& operation) {
  const std::int64_t revision = highest_revision(vm);
  const std::lock_guard lock(order_mutex_);
  if (operation->settled) return std::nullopt;
  if (status.state != VmState::unknown) ++vm->rulings;  // a doubt is no ruling
  vm->report.revision = revision;
  vm->report.status = status;
  emit(vm->report);
  return vm->report;
}

core::VmReport Manager::last_report(const VmPtr& vm) {
  const std::lock_guard lock(order_mutex_);
  return vm->report;
}

core::VmReport Manager::publish_deleted(const VmPtr& vm) {
  {
    const std::lock_guard lock(vms_mutex_);
    vms_.erase(vm->id);
  }
  const std::lock_guard lock(order_mutex_);
  ++vm->rulings;
  vm->report.deleted = true;
  vm->report.status = {};
  vm->report.status.state = VmState::shutdown;
  emit(vm->report);
  return vm->report;
}

core::VmReport Manager::unknown_vm(const std::string& id) {
  core::VmReport report;
  report.vm = id;
  report.missing = true;
  report.status.status_reason = kNoFolder;
  const std::lock_guard lock(order_mutex_);
  number(report);
  return report;
}

core::VmReport Manager::inspect(const std::string& id, std::int64_t deadline_ns) {
  const VmPtr vm = find(id);
  if (!vm) return unknown_vm(id);
  core::VmReport report;
  {
    const std::lock_guard lock(order_mutex_);
    report = vm->report;
  }
  if (!core::has_vmm(report.status.state)) return report;
  const auto driver = drivers_.find(report.hypervisor);
  const auto handle = vm->folder.read_handle();
  if (!driver || !handle) return report;
  auto status = (*driver)->inspect(call_for(vm, {deadline_ns}),
                                   {id, report.incarnation, processes_.run_dir(id, report.incarnation), *handle});
  if (!status) return report;
  status = believed(id, report.incarnation, std::move(*status));
  if (status->state != report.status.state) look_again(id);
  report.status = *status;
  return report;
}

Result<Counters> Manager::counters(const std::string& id, std::int64_t deadline_ns) {
  const VmPtr vm = find(id);
  if (!vm) return make_error(Code::not_found, "VM " + id + " isn't on this node", "vm-not-found");
  const core::VmReport report = last_report(vm);
  if (!core::has_vmm(report.status.state))
    return make_error(Code::failed_precondition,
                      "VM " + report.name + " is " + std::string(to_string(report.status.state)) +
                          "; only a VMM that runs counts anything",
                      "wrong-state");
  QARAX_TRY(Driver * driver, drivers_.find(report.hypervisor));
  QARAX_TRY(const RawJson handle, vm->folder.read_handle());
  return driver->counters(call_for(vm, {deadline_ns}),
                          {id, report.incarnation, processes_.run_dir(id, report.incarnation), handle});
}

std::vector<core::VmReport> Manager::subscribe(Listener listener, std::uint64_t& id) {
  std::vector<VmPtr> all;
  const std::lock_guard vms(vms_mutex_);
  for (const auto& [name, vm] : vms_) all.push_back(vm);
  const std::lock_guard order(order_mutex_);
  id = next_listener_++;
  std::vector<core::VmReport> out;
  for (const VmPtr& vm : all) {
    // What was loaded and not yet published still has to carry this session's place in the order.
    if (vm->report.seq == 0) number(vm->report);
    out.push_back(vm->report);
  }
  listeners_.emplace(id, Subscription{std::move(listener), seq_});
  return out;
}

void Manager::unsubscribe(std::uint64_t id) {
  const std::lock_guard lock(order_mutex_);
  listeners_.erase(id);
}

Result<std::string> Manager::run_dir(const std::string& id) {
  const VmPtr vm = find(id);
  if (!vm) return make_error(Code::not_found, "VM " + id + " isn't on this node", "vm-not-found");
  const std::lock_guard lock(order_mutex_);
  if (vm->report.incarnation == 0)
    return make_error(Code::not_found, "VM " + id + " was never started here", "no-console");
  return processes_.run_dir(id, vm->report.incarnation);
}

void Manager::vm_ended(const std::string& id, std::int64_t incarnation) {
  const VmPtr vm = find(id);
  if (!vm) return;
  // Whatever hangs on its strand by then: that a VMM has ended is no plugin's to say.
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
    const std::lock_guard lock(vm->strand_mutex);
    if (vm->looking) return;
    vm->looking = true;
  }
  enqueue(vm, [this, vm] { look(vm); });
}

}  // namespace qarax::agent
