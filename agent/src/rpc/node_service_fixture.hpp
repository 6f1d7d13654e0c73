// The service behind a real gRPC server, with fake VMs that record the calls. For tests only.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <optional>

#include "node_service.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {

using node::v1::Node;

class FakeTicket final : public CommandTicket {
 public:
  explicit FakeTicket(std::function<void()> on_cancel) : on_cancel_(std::move(on_cancel)) {}
  void cancel() override { on_cancel_(); }

 private:
  std::function<void()> on_cancel_;
};

class FakeVms final : public VmManager {
 public:
  std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) override {
    const std::lock_guard lock(mutex_);
    commands.push_back(command);
    CommandResult result;
    result.report.vm = command.vm;
    result.report.revision = command.revision;
    result.report.status.state = VmState::running;
    if (fails) result.outcome = make_error(Code::internal, "no luck", "vmm-failed");
    if (!hangs) {
      done(result);
      return std::make_shared<FakeTicket>([] {});
    }
    result.outcome = make_error(Code::cancelled, "cancelled");
    under_way_ = [done = std::move(done), result] { done(result); };
    changed_.notify_all();
    return std::make_shared<FakeTicket>([this] { end(); });
  }
  bool cancel(const std::string& vm, std::int64_t revision) override {
    {
      const std::lock_guard lock(mutex_);
      cancels.emplace_back(vm, revision);
    }
    return end();
  }
  Status keep(const std::string& vm, Words words) override {
    if (fails) return make_error(Code::not_found, "VM " + vm + " isn't here", "vm-not-found");
    kept_words = words.name + " " + words.keep.text + " " + std::to_string(words.edition);
    return Ok{};
  }
  core::VmReport inspect(const std::string& vm, std::int64_t) override {
    core::VmReport report;
    report.vm = vm;
    report.missing = true;
    return report;
  }
  Result<Counters> counters(const std::string& vm, std::int64_t) override {
    if (counters_hang) {
      std::unique_lock lock(mutex_);
      ++counting;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !counters_hang; });
    }
    if (fails) {
      Error error = make_error(Code::failed_precondition, "VM " + vm + " is shutdown", "wrong-state");
      error.log_tail = log_tail;
      return error;
    }
    return Counters{{{"exits", 7, "count"}}};
  }
  std::vector<core::VmReport> subscribe(Listener listener, std::uint64_t& id) override {
    std::vector<core::VmReport> snapshot(2);
    snapshot[0].vm = "first";
    snapshot[1].vm = "second";
    // A report that comes while the snapshot is being made: it must follow the snapshot's end.
    core::VmReport early;
    early.vm = "early";
    listener(early);
    const std::lock_guard lock(mutex_);
    id = ++last_;
    listeners_[id] = std::move(listener);
    return snapshot;
  }
  void unsubscribe(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    listeners_.erase(id);
    changed_.notify_all();
  }
  void on_progress(ProgressListener listener) override {
    const std::lock_guard lock(mutex_);
    progress_listener_ = std::move(listener);
  }
  std::vector<core::CommandProgress> progress() override {
    const std::lock_guard lock(mutex_);
    if (meanwhile && progress_listener_) progress_listener_(*meanwhile);
    return under_way;
  }
  std::vector<core::KeptVm> kept(const std::vector<std::string>&) override { return {}; }
  std::vector<core::Leftover> leftovers(bool, const std::vector<std::string>&) override { return {}; }
  HostShutdown stop_guests(std::int64_t) override { return {}; }
  Result<VmSpec> resolve(const std::string& document, std::int64_t) override {
    if (fails) return make_error(Code::invalid_argument, "no luck", "validation");
    VmSpec out;
    out.config.text = document;
    return out;
  }
  Result<std::string> run_dir(const std::string& vm) override {
    if (dir.empty()) return make_error(Code::not_found, "VM " + vm + " was never started here", "no-console");
    return dir;
  }

  void tell(const std::string& vm) {
    core::VmReport report;
    report.vm = vm;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, listener] : listeners_) listener(report);
  }
  void come_further(const core::CommandProgress& progress) {
    const std::lock_guard lock(mutex_);
    if (progress_listener_) progress_listener_(progress);
  }
  void wait_for_nobody() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return listeners_.empty(); });
  }

  // Ends the command that hangs; false: none does.
  bool end() {
    std::function<void()> ending;
    {
      const std::lock_guard lock(mutex_);
      ending.swap(under_way_);
    }
    if (!ending) return false;
    ending();
    return true;
  }
  void wait_for_counting(int calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return counting >= calls; });
  }
  void let_count() {
    {
      const std::lock_guard lock(mutex_);
      counters_hang = false;
    }
    changed_.notify_all();
  }
  void wait_for_command() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ != nullptr; });
  }

  bool fails = false;
  bool hangs = false;                      // commands hang until they are cancelled, or until end()
  std::atomic<bool> counters_hang{false};  // until let_count()
  int counting = 0;                        // calls that have hung so
  std::string log_tail;                    // of counters that fail
  std::string dir;
  std::vector<Command> commands;
  std::vector<std::pair<std::string, std::int64_t>> cancels;
  std::string kept_words;
  std::vector<core::CommandProgress> under_way;
  std::optional<core::CommandProgress> meanwhile;  // the listener hears it before progress() returns `under_way`

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> under_way_;
  ProgressListener progress_listener_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Listener> listeners_;
};

class NodeServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto authority = AuthorityStore::open(dir_ + "/cluster.json");
    ASSERT_TRUE(authority);
    authority_ = std::move(*authority);
    options_.session = "session";
  }
  void TearDown() override {
    if (service_) service_->end_streams();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    stub_.reset();
    service_.reset();
    server_.reset();
  }
  Node::Stub& node() {
    if (stub_) return *stub_;
    service_ = std::make_unique<NodeService>(
        vms_, *authority_,
        [this] {
          core::NodeInfo info;
          info.node_id = "node";
          info.session = "session";
          info.cpus = cpus_;
          return info;
        },
        options_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = Node::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
    return *stub_;
  }
  static void set(node::v1::Authority* out, std::int64_t term = 1, const std::string& session = "session") {
    out->set_cluster_id("cluster");
    out->set_term(term);
    out->set_activation("activation");
    out->set_session(session);
  }
  static grpc::Status call(auto&& method) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return method(context);
  }
  grpc::Status hello(node::v1::HelloReply& reply, const std::function<void(node::v1::HelloRequest&)>& change = {}) {
    node::v1::HelloRequest request;
    set(request.mutable_authority());
    request.set_protocol(1);
    request.set_min_protocol(1);
    if (change) change(request);
    return call([&](auto& context) { return node().Hello(&context, request, &reply); });
  }
  void greet() {
    node::v1::HelloReply reply;
    const auto status = hello(reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  node::v1::CommandRequest pause() const {
    node::v1::CommandRequest request;
    set(request.mutable_authority());
    request.set_vm(vm_);
    request.set_action(node::v1::ACTION_PAUSE);
    request.set_incarnation(3);
    request.set_revision(7);
    request.set_step(2);
    request.set_request_id("request");
    request.set_document("document");
    return request;
  }
  grpc::Status execute(const node::v1::CommandRequest& request, node::v1::CommandReply& reply) {
    return call([&](auto& context) { return node().Execute(&context, request, &reply); });
  }
  static std::string reason(const grpc::Status& status) {
    const auto error = decode_error(status.error_details());
    return error ? error->reason : "no error document";
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::string vm_ = core::new_uuid();
  std::atomic<int> cpus_{4};
  FakeVms vms_;
  std::unique_ptr<AuthorityStore> authority_;
  NodeService::Options options_;
  std::unique_ptr<NodeService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Node::Stub> stub_;
};

}  // namespace qarax::agent
