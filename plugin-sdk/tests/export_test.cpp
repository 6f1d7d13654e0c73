// QARAX_PLUGIN: the C tables as older and newer hosts see them.
#include "qarax/plugin/export.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <stdexcept>

namespace {

using namespace qarax;
using namespace qarax::plugin;
using ::testing::HasSubstr;

class Everything final : public Hypervisor,
                         public CanPause,
                         public CanReboot,
                         public CanResize,
                         public CanSnapshot,
                         public CanDisks,
                         public CanNics,
                         public CanConsole,
                         public CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = R"({"type":"object"})";

  Everything(Host& host, const CreateArgs& args) : host_(host) {
    if (args.config.text == R"("throw")") throw std::runtime_error("no such VMM");
    host_.log(LogLevel::info, "created state_dir=" + args.state_dir);
  }
  ~Everything() override { host_.notify("gone"); }

  Result<Description> describe(Call&) override { return Description{.vmm_version = "1"}; }
  Result<VmStatus> start(Call& call, const StartArgs& args) override {
    if (args.vm == "throw") throw std::runtime_error("bang");
    if (args.vm == "throw-int") throw 5;
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", "/run/x"}));
    QARAX_TRY(auto process, host_.spawn(&call, {.vm = args.vm, .incarnation = 1, .argv = {"/bin/x"}}, {}));
    return VmStatus{.state = process.alive ? VmState::running : VmState::shutdown};
  }
  Result<VmStatus> stop(Call&, const StopArgs& args) override {
    return VmStatus{.status_reason = args.vm.vm + (args.mode == StopMode::force ? " force" : " graceful")};
  }
  Result<VmStatus> inspect(Call&, const VmArgs&) override {
    Error error = make_error(Code::not_found, "no such VM", "gone");
    error.details.push_back({"/vm", "unknown"});
    return error;
  }
  Result<VmStatus> recover(Call&, const VmArgs& args) override { return VmStatus{.live = args.handle}; }
  Result<VmStatus> pause(Call&, const VmArgs&) override { return VmStatus{.state = VmState::paused}; }
  Result<VmStatus> resume(Call&, const VmArgs&) override { return VmStatus{.state = VmState::running}; }
  Result<VmStatus> reboot(Call&, const VmArgs&) override { return VmStatus{}; }
  Result<VmStatus> resize(Call&, const ResizeArgs& args) override {
    return VmStatus{.status_reason = std::to_string(args.vcpus.value_or(-1))};
  }
  Result<VmStatus> snapshot(Call& call, const SnapshotArgs&) override {
    return VmStatus{.status_reason = "fd " + std::to_string(call.fd(0)) + " of " + std::to_string(call.fd_count())};
  }
  Result<VmStatus> restore(Call&, const StartArgs&) override { return VmStatus{}; }
  Result<VmStatus> attach_disk(Call& call, const DiskArgs& args) override {
    return VmStatus{.status_reason = args.disk.id + " fd " + std::to_string(call.fd(*args.disk.fd))};
  }
  Result<VmStatus> detach_disk(Call&, const DetachArgs& args) override { return VmStatus{.status_reason = args.id}; }
  Result<VmStatus> resize_disk(Call&, const DiskResizeArgs& args) override {
    return VmStatus{.status_reason = args.id + " " + std::to_string(args.size)};
  }
  Result<VmStatus> attach_nic(Call&, const NicArgs& args) override {
    return VmStatus{.status_reason = args.nic.tap + " " + args.nic.mac};
  }
  Result<VmStatus> detach_nic(Call&, const DetachArgs& args) override { return VmStatus{.status_reason = args.id}; }
  Result<int> open_console(Call&, const VmArgs& args) override {
    if (args.vm != "vm") return make_error(Code::not_found, "no console");
    return ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  Result<Counters> counters(Call&, const VmArgs&) override { return Counters{{{"net.rx", 5, "bytes"}}}; }

 private:
  Host& host_;
};

class Minimal final : public Hypervisor {
 public:
  Minimal(Host&, const CreateArgs&) {}
  Result<Description> describe(Call&) override { return Description{}; }
  Result<VmStatus> start(Call&, const StartArgs&) override { return VmStatus{}; }
  Result<VmStatus> stop(Call&, const StopArgs&) override { return VmStatus{}; }
  Result<VmStatus> inspect(Call&, const VmArgs&) override { return VmStatus{}; }
  Result<VmStatus> recover(Call&, const VmArgs&) override { return VmStatus{}; }
};
struct MinimalTraits {
  using Type = Minimal;
  static constexpr std::string_view kId = "org.example.minimal";
  static constexpr std::string_view kName = "minimal";
  static constexpr std::string_view kVersion = "1";
};

// The host's side of a call, written by hand.
struct Sink {
  Sink() {
    call.size = sizeof call;
    call.cancel_fd = -1;
    call.context = this;
    call.put = [](const qarax_call* c, qarax_text t) noexcept -> std::int32_t {
      static_cast<Sink*>(c->context)->document = view(t);
      return QARAX_OK;
    };
    call.error = [](const qarax_call* c, qarax_text t) noexcept -> std::int32_t {
      static_cast<Sink*>(c->context)->error = view(t);
      return QARAX_OK;
    };
    call.put_fd = [](const qarax_call* c, std::intptr_t given, std::size_t* index) noexcept -> std::int32_t {
      static_cast<Sink*>(c->context)->fd = static_cast<int>(given);
      *index = 0;
      return QARAX_OK;
    };
  }
  qarax_call call{};
  std::string document;
  std::string error;
  int fd = -1;
};

std::vector<std::string>& heard() {
  static std::vector<std::string> all;
  return all;
}
const qarax_host_log_1 kLog = {sizeof kLog, [](void*, std::intptr_t level, qarax_text text) noexcept {
                                 heard().push_back("log " + std::to_string(level) + " " + std::string(view(text)));
                               }};
const qarax_host_notify_1 kNotify = {
    sizeof kNotify, [](void*, qarax_text text) noexcept { heard().push_back("notify " + std::string(view(text))); }};

std::int32_t spawn(void*, const qarax_call* call, qarax_text args) {
  heard().push_back("spawn " + std::string(view(args)) + " deadline=" + std::to_string(call->deadline_ns) +
                    " request=" + std::string(view(call->request_id)));
  return call->put(call, text(R"({"pid":7,"alive":true,"from_a_newer_host":1})"));
}
std::int32_t refuse_claim(void*, const qarax_call* call, qarax_text) {
  call->error(call, text(R"({"code":"already_exists","message":"the socket is another VM's","reason":"taken"})"));
  return QARAX_ALREADY_EXISTS;
}
std::int32_t claim(void*, const qarax_call*, qarax_text args) {
  heard().push_back("claim " + std::string(view(args)));
  return QARAX_OK;
}
qarax_host_process_1 process_table() {
  return {sizeof(qarax_host_process_1), &spawn, &spawn, &claim, &claim, &spawn, &claim, &claim, &spawn};
}
qarax_host_process_1 the_process;

qarax_host host() {
  return {sizeof(qarax_host), nullptr, [](void*, qarax_text id) noexcept -> const void* {
            if (view(id) == QARAX_HOST_LOG_1) return &kLog;
            if (view(id) == QARAX_HOST_NOTIFY_1) return &kNotify;
            if (view(id) == QARAX_HOST_PROCESS_1) return &the_process;
            return nullptr;
          }};
}

}  // namespace

QARAX_PLUGIN(Everything, "org.example.hypervisor.everything", "everything", "2.0");

namespace {

class Export : public ::testing::Test {
 protected:
  void SetUp() override {
    heard().clear();
    the_process = process_table();
    host_ = host();
    Sink sink;
    ASSERT_EQ(qarax_plugin.create(&host_, &sink.call, text(R"({"config":{},"state_dir":"/s"})"), &instance_), QARAX_OK)
        << sink.error;
  }
  void TearDown() override {
    if (instance_ != nullptr) qarax_plugin.destroy(instance_);
  }
  template <class Table>
  const Table* table(std::string_view id) {
    return static_cast<const Table*>(qarax_plugin.query(instance_, text(id)));
  }
  qarax_host host_{};
  void* instance_ = nullptr;
};

TEST_F(Export, TableAndCapabilities) {
  EXPECT_EQ(qarax_plugin.magic, QARAX_ABI_MAGIC);
  EXPECT_EQ(qarax_plugin.size, sizeof(qarax_plugin_table));
  EXPECT_EQ(view(qarax_plugin.id), "org.example.hypervisor.everything");
  EXPECT_EQ(view(qarax_plugin.config_schema), R"({"type":"object"})");
  for (const char* id : {QARAX_HYPERVISOR_1, QARAX_HYPERVISOR_PAUSE_1, QARAX_HYPERVISOR_REBOOT_1,
                         QARAX_HYPERVISOR_RESIZE_1, QARAX_HYPERVISOR_SNAPSHOT_1, QARAX_HYPERVISOR_DISKS_1,
                         QARAX_HYPERVISOR_NICS_1, QARAX_HYPERVISOR_CONSOLE_1, QARAX_HYPERVISOR_COUNTERS_1})
    EXPECT_NE(qarax_plugin.query(instance_, text(id)), nullptr) << id;
  EXPECT_EQ(qarax_plugin.query(instance_, text("qarax.hypervisor.teleport/1")), nullptr);
  EXPECT_EQ(heard(), std::vector<std::string>{"log 1 created state_dir=/s"});

  const auto minimal = qarax::plugin::detail::Entry<MinimalTraits>::table();
  EXPECT_NE(minimal.query(nullptr, text(QARAX_HYPERVISOR_1)), nullptr);
  EXPECT_EQ(minimal.query(nullptr, text(QARAX_HYPERVISOR_PAUSE_1)), nullptr);
  EXPECT_EQ(view(minimal.config_schema), R"({"type":"object","additionalProperties":false})");
}

TEST_F(Export, EverySlotReachesItsMethod) {
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  const auto vm = text(R"({"vm":"vm","incarnation":1,"handle":{"n":1.0}})");
  const auto ask = [&](qarax_slot slot, qarax_text args) {
    Sink sink;
    const int fds[] = {42};
    sink.call.fds = fds;
    sink.call.fd_count = 1;
    const auto code = slot(instance_, &sink.call, args);
    return code == QARAX_OK ? sink.document : std::to_string(code) + " " + sink.error;
  };
  EXPECT_EQ(ask(qarax_plugin.describe, {}), R"({"vmm_version":"1"})");
  EXPECT_EQ(ask(basic->resolve, text(R"({"spec":{"boot_vcpus":2}})")), R"({"boot_vcpus":2})");
  EXPECT_EQ(ask(basic->stop, text(R"({"vm":"vm","incarnation":1,"mode":"force"})")),
            R"({"state":"unknown","status_reason":"vm force"})");
  EXPECT_EQ(
      ask(basic->inspect, vm),
      R"(5 {"code":"not_found","message":"no such VM","details":[{"pointer":"/vm","detail":"unknown"}],"reason":"gone"})");
  EXPECT_EQ(ask(basic->recover, vm), R"({"state":"unknown","live":{"n":1.0}})");
  const auto* pause = table<qarax_hypervisor_pause_1>(QARAX_HYPERVISOR_PAUSE_1);
  EXPECT_EQ(ask(pause->pause, vm), R"({"state":"paused"})");
  EXPECT_EQ(ask(pause->resume, vm), R"({"state":"running"})");
  EXPECT_EQ(ask(table<qarax_hypervisor_resize_1>(QARAX_HYPERVISOR_RESIZE_1)->resize,
                text(R"({"vm":"vm","incarnation":1,"vcpus":3})")),
            R"({"state":"unknown","status_reason":"3"})");
  EXPECT_EQ(ask(table<qarax_hypervisor_snapshot_1>(QARAX_HYPERVISOR_SNAPSHOT_1)->snapshot, vm),
            R"({"state":"unknown","status_reason":"fd 42 of 1"})");
  const auto* disks = table<qarax_hypervisor_disks_1>(QARAX_HYPERVISOR_DISKS_1);
  EXPECT_EQ(ask(disks->attach, text(R"({"vm":"vm","incarnation":1,"disk":{"id":"d","fd":0,"format":"raw"}})")),
            R"({"state":"unknown","status_reason":"d fd 42"})");
  const auto device = text(R"({"vm":"vm","incarnation":1,"id":"d"})");
  EXPECT_EQ(ask(disks->detach, device), R"({"state":"unknown","status_reason":"d"})");
  EXPECT_EQ(ask(disks->resize, text(R"({"vm":"vm","incarnation":1,"id":"d","size":4096})")),
            R"({"state":"unknown","status_reason":"d 4096"})");
  const auto* nics = table<qarax_hypervisor_nics_1>(QARAX_HYPERVISOR_NICS_1);
  EXPECT_EQ(
      ask(nics->attach, text(R"({"vm":"vm","incarnation":1,"nic":{"id":"n","mac":"52:54:00:00:00:01","tap":"tap0"}})")),
      R"({"state":"unknown","status_reason":"tap0 52:54:00:00:00:01"})");
  EXPECT_EQ(ask(nics->detach, device), R"({"state":"unknown","status_reason":"d"})");
  EXPECT_EQ(ask(table<qarax_hypervisor_counters_1>(QARAX_HYPERVISOR_COUNTERS_1)->counters, vm),
            R"({"counters":[{"name":"net.rx","value":5,"unit":"bytes"}]})");
}

TEST_F(Export, ConsoleHandsOverADescriptor) {
  const auto* console = table<qarax_hypervisor_console_1>(QARAX_HYPERVISOR_CONSOLE_1);
  Sink sink;
  EXPECT_EQ(console->open(instance_, &sink.call, text(R"({"vm":"vm","incarnation":1})")), QARAX_OK);
  EXPECT_GE(::fcntl(sink.fd, F_GETFD), 0);
  ::close(sink.fd);
  Sink refused;
  EXPECT_EQ(console->open(instance_, &refused.call, text(R"({"vm":"x","incarnation":1})")), QARAX_NOT_FOUND);
  EXPECT_EQ(refused.fd, -1);
}

TEST_F(Export, HostCallsCarryTheContextOfTheirParent) {
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  Sink sink;
  sink.call.deadline_ns = 1234567890123456789;
  sink.call.request_id = text("req-9");
  heard().clear();
  ASSERT_EQ(basic->start(instance_, &sink.call, text(R"({"vm":"a","incarnation":1,"spec":{}})")), QARAX_OK)
      << sink.error;
  EXPECT_EQ(sink.document, R"({"state":"running"})");
  EXPECT_EQ(heard().at(0), R"(claim {"vm":"a","kind":"socket","name":"/run/x"})");
  EXPECT_EQ(heard().at(1),
            R"(spawn {"vm":"a","incarnation":1,"argv":["/bin/x"]} deadline=1234567890123456789 request=req-9)");
  the_process.claim = &refuse_claim;
  EXPECT_EQ(basic->start(instance_, &sink.call, text(R"({"vm":"a","incarnation":1,"spec":{}})")), QARAX_ALREADY_EXISTS);
  EXPECT_EQ(sink.error, R"({"code":"already_exists","message":"the socket is another VM's","reason":"taken"})");
}

TEST_F(Export, WhatItDoesntKnowItRefuses) {
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  Sink sink;
  EXPECT_EQ(
      basic->start(instance_, &sink.call, text(R"({"vm":"a","incarnation":1,"spec":{"disks":[{"readonly":true}]}})")),
      QARAX_INVALID_ARGUMENT);
  auto error = decode_error(sink.error);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "plugin everything 2.0, SDK 0.9 doesn't know /spec/disks");
  EXPECT_EQ(error->details.at(0).pointer, "/spec/disks");
  EXPECT_EQ(basic->start(instance_, &sink.call, text("")), QARAX_INVALID_ARGUMENT);
  error = decode_error(sink.error);
  EXPECT_THAT(error->message, HasSubstr("plugin everything 2.0, SDK 0.9 can't read its arguments: StartArgs: "));
}

TEST_F(Export, ExceptionsStopInside) {
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  Sink sink;
  EXPECT_EQ(basic->start(instance_, &sink.call, text(R"({"vm":"throw","incarnation":1,"spec":{}})")), QARAX_INTERNAL);
  EXPECT_EQ(decode_error(sink.error)->message, "plugin everything 2.0, SDK 0.9: bang");
  EXPECT_EQ(basic->start(instance_, &sink.call, text(R"({"vm":"throw-int","incarnation":1,"spec":{}})")),
            QARAX_INTERNAL);
  EXPECT_EQ(decode_error(sink.error)->message,
            "plugin everything 2.0, SDK 0.9: an exception that isn't a std::exception");
  void* none = nullptr;
  EXPECT_EQ(qarax_plugin.create(&host_, &sink.call, text(R"({"config":"throw"})"), &none), QARAX_INTERNAL);
  EXPECT_EQ(decode_error(sink.error)->message, "plugin everything 2.0, SDK 0.9: no such VMM");
  EXPECT_EQ(none, nullptr);
}

TEST_F(Export, AnOlderHostsCallIsNotReadBeyondItsSize) {
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  struct {
    std::size_t size;
  } tiny = {sizeof tiny};
  EXPECT_EQ(basic->inspect(instance_, reinterpret_cast<const qarax_call*>(&tiny), {}), QARAX_INTERNAL);
  EXPECT_EQ(basic->inspect(instance_, nullptr, {}), QARAX_INTERNAL);
}

TEST_F(Export, ANewerHostsStructsAreLonger) {
  struct {
    qarax_host known;
    const void* later = nullptr;
  } host{host_};
  host.known.size = sizeof host;
  Sink sink;
  struct {
    qarax_call known;
    const void* later = nullptr;
  } call{sink.call};
  call.known.size = sizeof call;
  void* instance = nullptr;
  ASSERT_EQ(qarax_plugin.create(&host.known, &call.known, text("{}"), &instance), QARAX_OK) << sink.error;
  EXPECT_EQ(qarax_plugin.describe(instance, &call.known, {}), QARAX_OK);
  qarax_plugin.destroy(instance);

  host.known.size = QARAX_HOST_SIZE_0_9 - 1;
  EXPECT_EQ(qarax_plugin.create(&host.known, &call.known, text("{}"), &instance), QARAX_FAILED_PRECONDITION);
  EXPECT_THAT(sink.error, HasSubstr("needs a host of ABI 0.9"));
  call.known.size = QARAX_CALL_SIZE_0_9 - 1;
  EXPECT_EQ(qarax_plugin.describe(instance_, &call.known, {}), QARAX_INTERNAL);
}

TEST_F(Export, AnOlderHostLacksServices) {
  // A process table from before `claim` was added: the slot is beyond its size, and has an invalid pointer.
  the_process.size = offsetof(qarax_host_process_1, claim);
  the_process.claim = reinterpret_cast<qarax_slot>(1);
  const auto* basic = table<qarax_hypervisor_1>(QARAX_HYPERVISOR_1);
  Sink sink;
  EXPECT_EQ(basic->start(instance_, &sink.call, text(R"({"vm":"a","incarnation":1,"spec":{}})")), QARAX_UNIMPLEMENTED);
  EXPECT_EQ(decode_error(sink.error)->message,
            "this host doesn't offer qarax.host.process/1 claim; a newer qarax-node does");

  qarax_host bare = {sizeof bare, nullptr, [](void*, qarax_text) noexcept -> const void* { return nullptr; }};
  void* other = nullptr;
  ASSERT_EQ(qarax_plugin.create(&bare, &sink.call, text("{}"), &other), QARAX_OK) << "log and notify are no-ops there";
  qarax_plugin.destroy(other);
}

TEST_F(Export, TwoInstancesOfOneFile) {
  Sink sink;
  void* second = nullptr;
  heard().clear();
  ASSERT_EQ(qarax_plugin.create(&host_, &sink.call, text(R"({"state_dir":"/t"})"), &second), QARAX_OK);
  EXPECT_NE(second, instance_);
  qarax_plugin.destroy(second);
  EXPECT_EQ(heard(), (std::vector<std::string>{"log 1 created state_dir=/t", "notify gone"}));
  EXPECT_EQ(qarax_plugin.describe(instance_, &sink.call, {}), QARAX_OK);
}

}  // namespace
