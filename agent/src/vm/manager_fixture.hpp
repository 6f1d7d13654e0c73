// A manager on a real folder, with real supervisors' records and a driver that does what the test tells it. For tests
// only.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "snapshot_folder.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {

using core::Action;

inline constexpr int kThreads = 8;

class FakeDriver final : public Driver, public Drivers, public BootFilesProvider {
 public:
  std::string version() const override { return "1"; }
  // Freezes what the spec leaves open, as a plugin freezes the machine type.
  Result<VmSpec> resolve(const DriverCall& call, const ResolveArgs& args) override {
    if (call.keep || call.progress) resolves_purely = false;
    VmSpec out = args.spec;
    if (!out.memory_hugepage_size) out.memory_hugepage_size = frozen_as.load();
    return out;
  }
  Result<VmStatus> start(const DriverCall& call, const StartArgs& args) override {
    booted = args.boot.kernel;
    // Read the flags before the test can see that a start has begun and change them.
    const bool deaf = deaf_start;
    const bool hangs = hang_start;
    ++starts;
    QARAX_CHECK(call.keep("{\"format\":1}"));
    if (deaf) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [&] { return !deaf_start; });
      if (late) late();
      return make_error(Code::internal, "too late");
    }
    if (hangs) return cancelled(call);
    if (fail_start) return make_error(Code::internal, "no luck");
    if (spawn) QARAX_CHECK(spawn(args.incarnation));
    return state(VmState::running);
  }
  Result<VmStatus> stop(const DriverCall& call, const StopArgs& args) override {
    const bool hangs = hang_stop;
    stop_timeout_ms = args.timeout_ms;
    ++stops;
    if (hangs) return cancelled(call);
    if (on_stop) on_stop();
    return state(stopped_as.load());
  }
  Result<VmStatus> inspect(const DriverCall&, const VmArgs&) override {
    ++inspects;
    std::unique_lock lock(mutex_);
    released_.wait(lock, [&] { return !deaf_inspect; });
    if (fail_inspect) return make_error(Code::deadline_exceeded, "no luck");
    return state(inspected.load());
  }
  Result<VmStatus> recover(const DriverCall& call, const VmArgs&) override {
    const bool deaf = deaf_recover;
    recover_deadline_ns = call.deadline_ns;
    ++recoveries;
    if (throw_recover.exchange(false)) throw std::runtime_error("out of luck");
    if (hang_recover) {
      pollfd cancel{call.cancel_fd, POLLIN, 0};
      recover_cancelled = ::poll(&cancel, 1, 30'000) == 1;
      return make_error(Code::cancelled, "cancelled");
    }
    if (deaf) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [&] { return !deaf_recover; });
    }
    if (busy_recover) return make_error(Code::unavailable, "busy");
    if (fail_recover) return make_error(Code::internal, "no luck");
    return state(recovered.load());
  }
  Result<VmStatus> pause(const DriverCall&, const VmArgs&) override {
    if (throw_pause.exchange(false)) throw std::runtime_error("out of luck");
    if (throw_number.exchange(false)) throw 7;  // NOLINT: what a foreign library may throw
    if (fail_pause) return make_error(Code::internal, "no luck");
    return state(paused_as.load());
  }
  void release() {
    {
      const std::lock_guard lock(mutex_);
      deaf_start = false;
      deaf_inspect = false;
      deaf_recover = false;
    }
    released_.notify_all();
  }
  Result<VmStatus> resume(const DriverCall& call, const VmArgs&) override {
    change_deadline_ns = call.deadline_ns;
    ++resumes;
    if (busy_resumes > 0) {
      --busy_resumes;
      return make_error(Code::unavailable, "busy");
    }
    if (fail_resume) return make_error(Code::internal, "no luck");
    return state(VmState::running);
  }
  Result<VmStatus> reboot(const DriverCall&, const VmArgs&) override { return state(VmState::running); }
  Result<VmStatus> resize(const DriverCall& call, const ResizeArgs& args) override {
    change_deadline_ns = call.deadline_ns;
    if (args.vcpus) vcpus = *args.vcpus;
    VmStatus status = state(VmState::running);
    status.live.text = R"({"vcpus":)" + std::to_string(vcpus) + "}";
    return status;
  }
  Result<VmStatus> snapshot(const DriverCall& call, const SnapshotArgs&) override {
    std::ofstream(in_folder(call)) << "memory";
    const bool hangs = hang_snapshot;
    ++snapshots;
    if (hangs) return cancelled(call);
    if (call.progress) call.progress("memory", 3, 4);
    if (fail_snapshot) return make_error(full_disk ? Code::resource_exhausted : Code::internal, snapshot_words);
    return state(snapshot_leaves.load());
  }
  Result<VmStatus> restore(const DriverCall& call, const StartArgs& args) override {
    QARAX_CHECK(call.keep("{\"format\":1}"));
    QARAX_TRY(restored, core::read_file(in_folder(call)));
    vcpus = args.spec.boot_vcpus;
    return state(VmState::running);
  }
  Result<Counters> counters(const DriverCall&, const VmArgs&) override { return Counters{{{"exits", 7, "count"}}}; }

  Result<Driver*> find(const std::string& name) override {
    if (name == "slow" && slow_is_loading) {
      ++early_finds;
      return make_error(Code::unavailable, "it is still being loaded", std::string(kPluginLoading));
    }
    if (name == "fake" || name == "slow") return this;
    return make_error(Code::unavailable, "there is no hypervisor " + name);
  }
  Status check_files(const std::optional<std::string>&) override { return Ok{}; }
  Result<BootFiles> files_for(const std::optional<std::string>&) override {
    ++prepared;
    BootFiles files;
    files.kernel = kernel;
    return files;
  }

  std::atomic<std::int64_t> frozen_as{4096};
  std::atomic<bool> resolves_purely{true};  // resolve() was given nothing by which it could change something
  std::string kernel;                       // the node's default; changed only while nothing starts
  std::string booted;                       // the kernel of the last start
  std::atomic<int> prepared{0};             // calls of files_for()
  std::function<void()> late;               // what a deaf start still does once it is released
  std::function<void()> on_stop;
  std::string snapshot_words = "no luck";  // error message of a snapshot that fails
  std::function<Status(std::int64_t incarnation)>
      spawn;                                 // starts a VMM; unset: none. stop() never ends it, only says so
  std::atomic<bool> slow_is_loading{false};  // the plugin named "slow" is being loaded
  std::atomic<int> early_finds{0};           // how often it was looked for meanwhile
  std::atomic<int> starts{0};
  std::atomic<bool> hang_start{false};
  std::atomic<bool> fail_start{false};
  std::atomic<bool> deaf_start{false};    // hangs until release(), and ignores a cancel
  std::atomic<bool> deaf_inspect{false};  // hangs until release(), and ignores a cancel
  std::atomic<bool> fail_inspect{false};
  std::atomic<int> inspects{0};
  std::atomic<bool> deaf_recover{false};
  std::atomic<bool> hang_recover{false};  // hangs until it is cancelled
  std::atomic<bool> recover_cancelled{false};
  std::atomic<std::int64_t> recover_deadline_ns{0};  // of the last call
  std::atomic<bool> fail_recover{false};
  std::atomic<bool> busy_recover{false};
  std::atomic<bool> throw_recover{false};  // once
  std::atomic<int> recoveries{0};
  std::atomic<bool> fail_pause{false};
  std::atomic<bool> throw_pause{false};   // once
  std::atomic<bool> throw_number{false};  // once, in a pause
  std::atomic<VmState> paused_as{VmState::paused};
  std::atomic<VmState> stopped_as{VmState::shutdown};
  std::atomic<bool> fail_resume{false};
  std::atomic<int> stops{0};
  std::atomic<std::int64_t> stop_timeout_ms{0};  // of the last stop
  std::atomic<bool> hang_stop{false};            // until it is cancelled
  std::atomic<int> snapshots{0};
  std::atomic<bool> hang_snapshot{false};  // until it is cancelled
  std::atomic<bool> fail_snapshot{false};
  std::atomic<bool> full_disk{false};
  std::atomic<VmState> snapshot_leaves{VmState::running};
  std::atomic<int> resumes{0};
  std::atomic<std::int64_t> change_deadline_ns{0};  // of the last resume or resize
  std::atomic<int> busy_resumes{0};                 // so many of them are UNAVAILABLE
  std::atomic<int> vcpus{1};
  std::string restored;  // content that the last restore found
  std::atomic<VmState> recovered{VmState::running};
  std::atomic<VmState> inspected{VmState::shutdown};

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  static std::string in_folder(const DriverCall& call) {
    return "/proc/self/fd/" + std::to_string(call.fds.at(0)) + "/memory";
  }
  static Error cancelled(const DriverCall& call) {
    pollfd cancel{call.cancel_fd, POLLIN, 0};
    ::poll(&cancel, 1, 30'000);
    return make_error(Code::cancelled, "cancelled");
  }
  static VmStatus state(VmState value) {
    VmStatus status;
    status.state = value;
    return status;
  }
};

class ManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_processes();
    open();
  }
  // Like the service of an agent that has just started: it watches only what a recovery adopts. No manager is open.
  void make_processes() {
    ProcessService::Options options{QARAX_SUPERVISOR, dir_ + "/vms"};
    options.exit_record_ms = exit_record_ms_;
    processes_ = std::make_unique<ProcessService>(std::move(options), Cgroups::none(),
                                                  [this](const std::string& vm, std::int64_t incarnation) {
                                                    const std::lock_guard lock(exits_mutex_);
                                                    if (hears_exits_ && manager_) manager_->vm_ended(vm, incarnation);
                                                  });
  }
  void TearDown() override {
    driver_.release();
    close();
    if (!driver_.spawn) return;
    EXPECT_TRUE(processes_->kill_all(vm_, CallLimits{}.within_ms(60'000)));
  }
  void close() {
    {
      const std::lock_guard lock(exits_mutex_);
      hears_exits_ = false;
    }
    manager_.reset();
  }
  void open() {
    close();
    Manager::Options options;
    options.data_dir = dir_;
    options.session = session_ = core::new_uuid();
    options.grace_ms = grace_ms_;
    options.call_ms = 50;
    options.look_ms = look_ms_;
    options.most_threads = kThreads;
    auto opened = Manager::open(options, driver_, *processes_, driver_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    manager_ = std::move(*opened);
    {
      const std::lock_guard lock(exits_mutex_);
      hears_exits_ = !stays_deaf_;
    }
    manager_->begin_recovery();
  }
  // From here on every start spawns a VMM under a supervisor: the test VMM with these commands.
  void starts_spawn(std::vector<std::string> commands) {
    driver_.spawn = [this, commands = std::move(commands)](std::int64_t incarnation) -> Status {
      return spawn(incarnation, commands);
    };
  }
  Status spawn(std::int64_t incarnation, const std::vector<std::string>& commands) {
    SpawnArgs args;
    args.vm = vm_;
    args.incarnation = incarnation;
    args.argv = {QARAX_TEST_VMM};
    args.argv.insert(args.argv.end(), commands.begin(), commands.end());
    QARAX_CHECK(processes_->spawn(args, {}, CallLimits{}.within_ms(60'000)));
    return Ok{};
  }
  // Starts a VM whose VMM waits for end_vmm() and then exits with code 7.
  void start_with_an_end() {
    const std::string ready = dir_ + "/ready";
    starts_spawn({"report", ready, "usr1", "exit", "7"});
    EXPECT_TRUE(run(command(Action::start, 1)).outcome);
    while (!std::filesystem::exists(ready)) std::this_thread::yield();
  }
  void end_vmm() { EXPECT_TRUE(processes_->signal({{vm_, 1}, SIGUSR1})); }
  bool lives(std::int64_t incarnation) const {
    const auto process = processes_->find({vm_, incarnation});
    return process && process->alive;
  }
  // The first report for which `is_it` holds, including the current ones.
  core::VmReport told(const std::function<bool(const core::VmReport&)>& is_it) {
    const auto promise = std::make_shared<std::promise<core::VmReport>>();
    const auto first = std::make_shared<std::atomic<bool>>(true);
    const auto check = [=](const core::VmReport& report) {
      if (is_it(report) && first->exchange(false)) promise->set_value(report);
    };
    std::uint64_t id = 0;
    for (const auto& report : manager_->subscribe(check, id)) check(report);
    core::VmReport report = promise->get_future().get();
    manager_->unsubscribe(id);
    return report;
  }
  Command command(Action action, std::int64_t revision) {
    Command out;
    out.vm = vm_;
    out.action = action;
    out.revision = revision;
    out.step = 1;
    if (core::begins(action)) last_start_ = revision;
    out.incarnation = last_start_;
    if (action == Action::start) out.document = R"({"name":"web","hypervisor":"fake","spec":{}})";
    return out;
  }
  std::future<CommandResult> begin(Command what) {
    auto promise = std::make_shared<std::promise<CommandResult>>();
    auto future = promise->get_future();
    manager_->execute(std::move(what), [promise](CommandResult result) { promise->set_value(std::move(result)); });
    return future;
  }
  CommandResult start(std::int64_t revision, const std::string& document) {
    Command what = command(Action::start, revision);
    what.document = document;
    return run(what);
  }
  CommandResult run(Command what) { return begin(std::move(what)).get(); }
  Command resize(std::int64_t revision, int vcpus) {
    Command out = command(Action::resize, revision);
    out.document = encode(core::ResizeCommand{vcpus, std::nullopt});
    return out;
  }
  Command snapshot(std::int64_t revision, Action action = Action::snapshot) {
    Command out = command(action, revision);
    out.document = encode(core::SnapshotCommand{snapshot_, "before"});
    return out;
  }
  Command restore(std::int64_t revision) {
    Command out = command(Action::restore, revision);
    core::RestoreCommand document;
    document.start.name = "web";
    document.start.hypervisor = "fake";
    document.snapshot = snapshot_;
    out.document = encode(document);
    return out;
  }
  // The state that a kill -9 leaves: an intent without a result.
  void interrupt(const Command& what, VmState before) {
    manager_.reset();
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    JournalRecord intent;
    intent.kind = RecordKind::intent;
    intent.revision = what.revision;
    intent.step = what.step;
    intent.action = core::to_string(what.action);
    intent.incarnation = what.incarnation;
    intent.document.text = what.document;
    intent.before = before;
    ASSERT_TRUE(journal->append(intent, Outlives::agent));
  }
  std::string snapshots() const { return dir_ + "/vms/" + vm_ + "/snapshots"; }
  // Waits for the end of the recovery, which runs in the background: a report that is no longer "recovering".
  core::VmReport settled() {
    std::promise<void> done;
    std::atomic<bool> told{false};
    std::uint64_t id = 0;
    auto check = [&](const core::VmReport& r) {
      if (r.vm == vm_ && r.status.status_reason.find("recovering") == std::string::npos && !told.exchange(true))
        done.set_value();
    };
    for (const auto& report : manager_->subscribe(check, id)) check(report);
    done.get_future().wait();
    manager_->unsubscribe(id);
    return manager_->inspect(vm_, 0);
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::string session_;
  std::string vm_ = core::new_uuid();
  std::int64_t last_start_ = 0;  // the incarnation that the server means, as far as command() has begun one
  const std::string snapshot_ = core::new_uuid();
  FakeDriver driver_;
  core::SystemClock clock_;
  std::int64_t grace_ms_ = 50;
  std::int64_t exit_record_ms_ = 5'000;
  std::int64_t look_ms_ = 0;  // no regular looks, only those that a test asks for
  std::mutex exits_mutex_;
  bool hears_exits_ = false;
  bool stays_deaf_ = false;  // the managers that are opened later hear of no exit either
  std::unique_ptr<ProcessService> processes_;
  std::unique_ptr<Manager> manager_;
};

}  // namespace qarax::agent
