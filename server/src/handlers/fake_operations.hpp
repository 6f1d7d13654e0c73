// Operations without nodes: an action succeeds at once in the store, or fails as the test has set. The store is real.
#pragma once

#include <deque>
#include <stdexcept>
#include <string>

#include "editor.hpp"
#include "fake_fleet.hpp"
#include "handlers/operations.hpp"
#include "temp_folder.hpp"

namespace qarax::server::testing {

class TempStore {
 public:
  explicit TempStore(ClockPtr clock = nullptr) {
    auto store = open_sqlite(folder_ / "qarax.db", std::move(clock));
    if (!store) throw std::runtime_error(store.error().message);
    store_ = std::move(*store);
  }
  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }

 private:
  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

class FakeReader final : public ConsoleReader {
 public:
  explicit FakeReader(std::deque<Result<std::optional<std::string>>> pieces) : pieces_(std::move(pieces)) {}
  Result<std::optional<std::string>> next(std::chrono::milliseconds) override {
    if (pieces_.empty()) return std::optional<std::string>();
    auto piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }

 private:
  std::deque<Result<std::optional<std::string>>> pieces_;
};

// Answers every dry run with a description of the call.
class FakeDryRuns final : public DryRuns {
 public:
  Result<api::DryRun> create_vm(const NewVmInput& input) override { return answer("create " + input.name); }
  Result<api::DryRun> edit_vm(const EditCall& call) override { return answer("edit " + call.patch); }
  Result<api::DryRun> act(const ActionCall& call) override {
    return answer(std::string(core::to_string(call.action)) + (call.forget ? " forget" : ""));
  }
  Result<api::DryRun> add_host(const NewHostInput& input) override { return answer("add-host " + input.name); }
  Result<api::DryRun> edit_host(const EditCall& call) override { return answer("edit-host " + call.patch); }
  Result<api::DryRun> remove_host(const RemoveHost& asked) override {
    return answer(std::string("remove-host") + (asked.with_vms ? " with its VMs" : ""));
  }
  Result<api::DryRun> init_host(const std::string&) override { return answer("init-host"); }
  Result<api::DryRun> cancel_job(const std::string&) override { return answer("cancel"); }

  std::optional<Error> failure;

 private:
  Result<api::DryRun> answer(std::string action) {
    if (failure) return *failure;
    api::DryRun out;
    out.action = std::move(action);
    return out;
  }
};

class FakeOperations final : public Operations {
 public:
  explicit FakeOperations(Store& store) : store_(store) {
    fleet_.on({[](const std::string&) {}, [](const VmPtr&, const core::VmReport&) {}});
  }

  FakeDryRuns dry;
  std::optional<Error> failure;  // result of all calls while set
  std::vector<ActionCall> calls;
  std::vector<WaitCall> waits;
  std::optional<Error> wait_failure;
  std::deque<Result<std::optional<std::string>>> console_pieces;
  std::int64_t console_tail = -1;
  std::string typed;
  std::vector<api::Check> extra_checks;
  std::function<void()> before_edit;  // runs between the handler's check and the change

  Result<VmPtr> create_vm(const NewVmInput& input, const std::string&) override {
    if (failure) return *failure;
    return store_.create_vm(input);
  }

  Result<VmPtr> edit_vm(const EditCall& call) override {
    if (before_edit) before_edit();
    return editor_.edit_vm({call.id, call.patch, call.expected_version});
  }

  Result<ActionResult> act(const ActionCall& call) override {
    calls.push_back(call);
    if (failure) return *failure;
    const VmPtr vm = store_.vm(call.vm_id);
    if (call.action == core::Action::remove) {
      QARAX_TRY(std::string job, store_.remove_vm(vm->id, call.forget ? Removal::with_tombstone : Removal::by_job,
                                                  call.expected_version));
      return ActionResult{nullptr, std::move(job), call.respond_async};
    }
    if (core::judge(call.action, vm->observed.status.state) == core::Verdict::refuse)
      return core::refusal(call.action, vm->observed.status.state, vm->name);
    QARAX_TRY(BegunJob begun, store_.begin_job(begin(*vm, call)));
    if (call.respond_async) return ActionResult{begun.vm, begun.job.id, true};
    core::VmReport report;
    if (call.action == core::Action::snapshot) report.snapshot = core::SnapshotFacts{call.arguments.snapshot, 4096};
    report.vm = vm->id;
    report.incarnation = begun.job.incarnation;
    report.session = "session";
    report.seq = ++seq_;
    report.status.state = core::target(call.action).value_or(vm->observed.status.state);
    report.status.accelerator = "simulated";
    return ActionResult{store_.finish_job(begun.job.id, JobState::completed, report), begun.job.id, false};
  }

  Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) override {
    if (failure) return *failure;
    if (!respond_async) (void)store_.finish_job(job_id, JobState::cancelled, std::nullopt);
    return store_.job(job_id);
  }
  Result<Counters> counters(const std::string&) override {
    if (failure) return *failure;
    return Counters{{{"exits", 7, "count"}}};
  }

  Result<VmPtr> wait_for(const WaitCall& call) override {
    waits.push_back(call);
    if (wait_failure) return *wait_failure;
    return store_.vm(call.vm_id);
  }

  Result<std::unique_ptr<ConsoleReader>> console(const VmRecord&, std::int64_t tail_bytes, bool,
                                                 const std::string&) override {
    console_tail = tail_bytes;
    if (failure) return *failure;
    return std::unique_ptr<ConsoleReader>(std::make_unique<FakeReader>(console_pieces));
  }

  // Keeps the bytes it is given; never ends by itself.
  struct Keyboard final : http::SocketPeer {
    explicit Keyboard(std::string& keys) : typed(keys) {}
    void on_change(std::function<void()>) override {}
    void take(std::string&) override {}
    std::optional<http::SocketClose> ended() override { return std::nullopt; }
    bool has_room() const noexcept override { return true; }
    void give(std::string_view bytes) override { typed.append(bytes); }
    std::size_t unsent() const noexcept override { return 0; }
    void end_input() override {}
    std::string& typed;
  };
  Result<std::unique_ptr<http::SocketPeer>> attach_console(const VmRecord&, std::optional<std::int64_t> tail_bytes,
                                                           const std::string&) override {
    console_tail = tail_bytes.value_or(-2);
    if (failure) return *failure;
    return std::unique_ptr<http::SocketPeer>(std::make_unique<Keyboard>(typed));
  }

  Result<std::string> vmm_log(const VmRecord&) override {
    if (failure) return *failure;
    return std::string("vmm: all is well\n");
  }
  Result<HostPtr> add_host(const NewHostInput& input) override { return store_.add_host(input); }
  Result<HostPtr> edit_host(const EditCall& call) override {
    return editor_.edit_host({call.id, call.patch, call.expected_version});
  }
  Status remove_host(const RemoveHost& asked, const std::string&) override { return editor_.remove_host(asked); }
  Result<HostPtr> init_host(const std::string& host_id, const std::string&) override {
    if (failure) return *failure;
    store_.update_host(host_id, HostStatus::up, "", core::NodeInfo{});
    return store_.host(host_id);
  }
  Result<JobPtr> begin_init_host(const std::string& host_id) override {
    if (failure) return *failure;
    return store_.begin_host_job({HostAction::init_host, host_id});
  }
  DryRuns& dry_runs() override { return dry; }
  std::vector<api::Check> checks() override { return extra_checks; }

 private:
  BeginJob begin(const VmRecord& vm, const ActionCall& call) {
    BeginJob job;
    job.vm_id = vm.id;
    job.action = call.action;
    job.expected_revision = vm.revision;
    job.arguments = call.arguments;
    job.capacity = 1LL << 40;
    if (!core::begins(call.action)) return job;
    if (store_.hosts().empty()) (void)store_.add_host({"somewhere", "127.0.0.1", 1, ""});
    job.placement = Placement{store_.hosts().front()->id, "simulator", 1, 1LL << 40};
    return job;
  }

  Store& store_;
  FakeNode node_;
  FakeFleet fleet_{store_, node_};
  Editor editor_{store_, fleet_};
  std::int64_t seq_ = 0;
};

}  // namespace qarax::server::testing
