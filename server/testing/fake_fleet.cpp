#include "fake_fleet.hpp"

#include <chrono>

namespace qarax::server {

class FakeFleet::Link final : public NodeAccess {
 public:
  Link(std::string host_id, FakeNode& node) : id(std::move(host_id)), node_(node), pool_("fake-node", 1, 32) {}
  ~Link() override { pool_.stop(); }

  bool is_up() const override { return up; }
  bool is_greeted_as(const std::string&) const override { return up; }
  Status connect_now(std::int64_t timeout_ms) override {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!up && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return up ? Status(Ok{}) : make_error(Code::unavailable, "the fake node is gone", "node-unreachable");
  }
  bool knows(std::string_view feature) const override { return node_.knows(feature); }
  void keep(const VmRecord& vm, const RawJson& words) override { node_.keep(vm.id, vm.name, words, vm.edition); }
  Result<Counters> counters(const std::string&, std::int64_t) override {
    auto counted = node_.counters();
    if (!counted && counted.error().reason.empty())
      return make_error(Code::unavailable, "its node can't be reached: " + counted.error().message, "node-unreachable");
    return counted;
  }
  std::function<void()> execute(NodeCommand command, std::int64_t, std::function<void(CommandOutcome)> done) override {
    auto left = std::make_shared<std::atomic<bool>>(false);
    const bool outlives = node_.knows(core::kFeatureCancel);
    const std::string vm = command.vm;
    const std::int64_t revision = command.revision;
    FakeNode::Call call{std::move(command), node_.info().session, outlives};
    pool_.post([this, left, call = std::move(call), done = std::move(done)] {
      const FakeNode::Answer answer = node_.execute(call, [&] { return left->load() || !up; });
      CommandOutcome outcome;
      outcome.decided = !answer.connection_broke && !(answer.refused && answer.refused->reason == "stale-session");
      if (answer.refused) outcome.error = answer.refused;
      if (answer.connection_broke)
        outcome.error = make_error(left->load() ? Code::cancelled : Code::unavailable, "the connection broke");
      if (outcome.decided && !answer.refused) {
        outcome.error = answer.error;
        outcome.report = answer.report;
        if (outcome.error && outcome.error->reason == "still-running") outcome.decided = false;
      }
      done(std::move(outcome));
    });
    return [&node = node_, left, outlives, vm, revision] {
      if (outlives)
        node.cancel(vm, revision);
      else
        *left = true;
    };
  }
  void cancel(const std::string& vm_id, std::int64_t revision, const std::string&) override {
    if (up) node_.cancel(vm_id, revision);
  }
  Result<VmSpec> resolve(const core::StartCommand& command, std::int64_t) override { return node_.resolve(command); }
  Result<std::string> read_vmm_log(const std::string&, std::int64_t) override { return std::string("vmm log\n"); }
  Status read_console(const std::string&, std::int64_t, bool, const std::function<bool(std::string_view)>&,
                      const std::stop_token&) override {
    return Ok{};
  }
  Result<std::unique_ptr<ConsoleLine>> attach_console(const std::string&, std::int64_t, std::int64_t) override {
    return make_error(Code::failed_precondition, "a fake node's VMs have no console", "console-closed");
  }
  Result<NodeSurvey> survey(const std::vector<std::string>& deleted_of, std::int64_t timeout_ms) override {
    survey_ms = timeout_ms;
    return node_.survey(deleted_of);
  }
  Status adopt(const Activation&, const std::function<Status()>& first) override { return first(); }
  Result<std::vector<core::Leftover>> leftovers(bool collect, const std::vector<std::string>& owned) override {
    return node_.leftovers(collect, owned);
  }
  void reconnect() override {}

  const std::string id;
  std::atomic<bool> up{false};
  std::atomic<std::int64_t> survey_ms{0};

 private:
  FakeNode& node_;
  core::WorkerPool pool_;
};

void FakeFleet::start(const HostPtr& host) {
  const std::lock_guard lock(mutex_);
  if (link_ || stopping_) return;
  link_ = std::make_shared<Link>(host->id, node_);
  thread_ = std::thread([this, id = host->id] { follow(id); });
}

void FakeFleet::drop(const std::string& host_id) {
  if (!link(host_id)) return;
  stop();
  stopping_ = false;
}

void FakeFleet::stop() {
  stopping_ = true;
  std::shared_ptr<Link> ending;
  {
    const std::lock_guard lock(mutex_);
    ending = std::move(link_);
  }
  if (ending) ending->up = false;
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<NodeAccess> FakeFleet::link(const std::string& host_id) const {
  const std::lock_guard lock(mutex_);
  return link_ && link_->id == host_id ? link_ : nullptr;
}

std::int64_t FakeFleet::last_survey_ms() const {
  const std::lock_guard lock(mutex_);
  return link_ ? link_->survey_ms.load() : 0;
}

// Does what NodeLink does: facts, snapshot, changes, and the loss of the node.
void FakeFleet::follow(const std::string& host_id) {
  std::shared_ptr<Link> link;
  {
    const std::lock_guard lock(mutex_);
    link = link_;
  }
  while (link && !stopping_) {
    if (node_.is_gone()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    store_.update_host(host_id, HostStatus::initializing, "", node_.info());
    std::vector<std::string> seen;
    node_.watch(
        [&](const core::VmReport* report) {
          if (report == nullptr) return !stopping_;
          if (report->vm.empty()) {
            store_.missing_from_snapshot(host_id, seen);
            store_.update_host(host_id, HostStatus::up, "", std::nullopt);
            link->up = true;
            events_.up(host_id);
            return true;
          }
          if (!link->up) seen.push_back(report->vm);
          if (const VmPtr vm = store_.apply_report(host_id, *report)) events_.report(vm, *report);
          return !stopping_;
        },
        [&] { return stopping_.load(); });
    link->up = false;
    store_.update_host(host_id, HostStatus::down, "the fake node is gone", std::nullopt);
    store_.lose_host(host_id, "the fake node is gone");
  }
}

}  // namespace qarax::server
