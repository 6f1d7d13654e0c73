// Typed calls across the border, and answers that a host must survive.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <stdexcept>

#include "qarax/core/files.hpp"
#include "qarax/plugin/call.hpp"
#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Calls : public ::testing::Test {
 protected:
  LoadedHypervisor& load(const std::string& path, const std::string& config = "null") {
    record_ = host_.load({.path = path, .config = {config}});
    if (record_.state != PluginState::loaded) throw std::runtime_error(record_.reason);
    return *host_.hypervisor(record_.name);
  }
  static StartArgs start_args(const std::string& vm) { return {.vm = vm, .incarnation = 3, .run_dir = "/run/x"}; }
  CallContext keeping() {
    CallContext context;
    context.request_id = "req-1";
    context.keep = [this](std::string_view handle) -> Status {
      services_.event("keep " + std::string(handle));
      return Ok{};
    };
    return context;
  }
  RecordingServices services_;
  PluginHost host_{services_};
  PluginRecord record_;
};

TEST_F(Calls, LifeOfAVmInPlainC) {
  auto& c = load(fixture("c_plugin"));
  auto context = keeping();
  std::vector<std::string> steps;
  context.progress = [&](std::string_view step, std::uint64_t done, std::uint64_t total) {
    steps.push_back(std::string(step) + " " + std::to_string(done) + "/" + std::to_string(total));
  };
  const auto started = c.start(context, start_args("vm-1"));
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(started->state, VmState::running);
  EXPECT_THAT(steps, ElementsAre("spawn 1/2"));
  EXPECT_THAT(services_.events(),
              ElementsAre("notify c_plugin ", R"(keep {"format":1,"plugin":"c_plugin","vm":"vm-1"})",
                          "spawn vm-1/3 /bin/sleep request=req-1"));

  const VmArgs vm{.vm = "vm-1", .incarnation = 3, .handle = {R"({"format":1,"plugin":"c_plugin","vm":"vm-1"})"}};
  EXPECT_EQ(c.inspect({}, vm)->state, VmState::running);
  ASSERT_TRUE(c.supports(QARAX_HYPERVISOR_PAUSE_1));
  EXPECT_EQ(c.pause({}, vm)->state, VmState::paused);
  EXPECT_EQ(c.resume({}, vm)->state, VmState::running);
  EXPECT_EQ(c.stop({}, {.vm = vm, .mode = StopMode::force})->state, VmState::shutdown);
  EXPECT_EQ(c.recover({}, vm)->state, VmState::shutdown);

  const auto unknown = c.inspect({}, {.vm = "vm-1", .handle = {R"({"format":1,"plugin":"another"})"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found);
  EXPECT_EQ(unknown.error().message, "plugin c_plugin: inspect: this handle isn't c_plugin's");
  const VmArgs newer{.vm = "vm-1", .handle = {R"({"format":2,"plugin":"c_plugin"})"}};
  const auto code = [](const auto& said) { return said ? Code::ok : said.error().code; };
  EXPECT_EQ(code(c.inspect({}, newer)), Code::failed_precondition);
  EXPECT_EQ(code(c.pause({}, newer)), Code::failed_precondition);
  EXPECT_EQ(code(c.detach_disk({}, {newer, "root"})), Code::failed_precondition);
  EXPECT_EQ(code(c.stop({}, {.vm = newer, .mode = StopMode::graceful})), Code::failed_precondition);
  EXPECT_EQ(code(c.stop({}, {.vm = newer, .mode = StopMode::force})), Code::ok);
  EXPECT_EQ(code(c.stop({}, {.vm = {.vm = "vm-1"}, .mode = StopMode::graceful})), Code::ok) << "without a handle";
}

TEST_F(Calls, DevicesInPlainC) {
  auto& c = load(fixture("c_plugin"));
  ASSERT_TRUE(c.supports(QARAX_HYPERVISOR_DISKS_1) && c.supports(QARAX_HYPERVISOR_NICS_1));
  const VmArgs vm{.vm = "vm-1", .incarnation = 3, .handle = {R"({"format":1,"plugin":"c_plugin"})"}};
  CallContext context;
  context.fds = {0};
  const auto live = [](const Result<VmStatus>& status) { return status ? status->live.text : status.error().message; };
  EXPECT_EQ(live(c.attach_disk(context, {vm, {.id = "root", .fd = 0, .format = DiskFormat::raw}})),
            R"({"id":"root","size":0,"fds":1})");
  EXPECT_EQ(live(c.resize_disk({}, {vm, "root", 4096})), R"({"id":"root","size":4096,"fds":0})");
  EXPECT_EQ(live(c.detach_disk({}, {vm, "root"})), R"({"id":"root","size":0,"fds":0})");
  EXPECT_EQ(live(c.attach_nic(context, {vm, {.id = "net0", .mac = "52:54:00:00:00:01", .fds = {0}}})),
            R"({"id":"net0","size":0,"fds":1})");
  EXPECT_EQ(live(c.detach_nic({}, {vm, "net0"})), R"({"id":"net0","size":0,"fds":0})");
}

TEST_F(Calls, WhatAPluginInPlainCDoesNotKnowItRefuses) {
  auto& c = load(fixture("c_plugin"));
  const auto start = [&](const std::string& spec) {
    auto done = c.call_raw(keeping(), "start", R"({"vm":"v","incarnation":1,"spec":)" + spec + "}");
    return done ? "" : done.error().message + " " + done.error().details.at(0).pointer;
  };
  EXPECT_EQ(start(R"({"boot_vcpus":2,"config":{"colour":"any"}})"), "");
  EXPECT_EQ(start(R"({"boot_vcpus":2,"colour":"blue"})"),
            "plugin c_plugin: start: plugin c_plugin doesn't know /spec/colour /spec/colour");
  const auto refused = [&](const std::string& slot, const std::string& args) {
    auto done = c.call_raw(keeping(), slot, R"({"vm":"v","incarnation":1,)" + args + "}");
    return done ? "taken" : done.error().details.empty() ? done.error().message : done.error().details[0].pointer;
  };
  EXPECT_EQ(refused("start", R"("spec":{},"colour":1)"), "/colour");
  EXPECT_EQ(refused("start", R"("spec":{},"boot":{"colour":1})"), "/boot/colour");
  EXPECT_EQ(refused("start", R"("spec":{"cpu_topology":{"colour":1}})"), "/spec/cpu_topology/colour");
  EXPECT_EQ(refused("stop", R"("mode":"force","colour":1)"), "/colour");
  EXPECT_EQ(refused("inspect", R"("colour":1)"), "/colour");
  EXPECT_EQ(refused("recover", R"("colour":1)"), "/colour");
}

TEST_F(Calls, ARepeatedStartInPlainCTellsOfAVmThatWasPaused) {
  auto& c = load(fixture("c_plugin"));
  const TempFolder run_dir;
  auto args = start_args("vm-1");
  args.run_dir = run_dir.path();
  ASSERT_TRUE(c.start(keeping(), args));
  const VmArgs vm{"vm-1", 3, args.run_dir, {R"({"format":1,"plugin":"c_plugin"})"}};
  ASSERT_TRUE(c.pause({}, vm));
  services_.on_spawn = [](const CallView&) { return make_error(Code::already_exists, "it has a process already"); };
  const auto again = c.start(keeping(), args);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->state, VmState::paused);
}

TEST_F(Calls, AVmThatCantBeAskedAboutHasntEndedInPlainC) {
  auto& c = load(fixture("c_plugin"));
  const VmArgs vm{"vm-1", 3, "/run/x", {R"({"format":1,"plugin":"c_plugin"})"}};
  for (const auto& [found, told] :
       {std::pair(Code::unavailable, Code::unavailable), std::pair(Code::deadline_exceeded, Code::deadline_exceeded),
        std::pair(Code::not_found, Code::failed_precondition)}) {
    services_.on_find = [code = found] { return make_error(code, "no luck"); };
    const auto paused = c.pause({}, vm);
    ASSERT_FALSE(paused);
    EXPECT_EQ(paused.error().code, told);
  }
}

TEST_F(Calls, ARecoverUndoesAStartThatNeverCameToItsProcess) {
  for (const auto& path : {fixture("c_plugin"), std::string(QARAX_SLEEPER)}) {
    auto& plugin = load(path);
    const VmArgs vm{"vm-1", 3, "/run/x", {R"({"format":1,"plugin":")" + record_.name + "\"}"}};
    const auto recover = [&](Code found) {
      services_.on_find = [found] { return make_error(found, "no luck"); };
      const auto recovered = plugin.recover({}, vm);
      return recovered ? std::string(to_string(recovered->state)) : std::string(to_string(recovered.error().code));
    };
    EXPECT_EQ(recover(Code::not_found), "shutdown") << path;
    EXPECT_EQ(recover(Code::unavailable), "shutdown") << path;
    for (const Code code : {Code::deadline_exceeded, Code::failed_precondition, Code::data_loss, Code::cancelled})
      EXPECT_EQ(recover(code), to_string(code)) << path;
    services_.on_find = nullptr;
  }
}

TEST_F(Calls, TheLogOfAVmThatEndedFitsIntoAPluginInPlainC) {
  auto& c = load(fixture("c_plugin"));
  services_.log_tail = std::string(4096, '\x01');  // JSON spells each with six bytes
  const auto ended = c.inspect({}, {.vm = "vm-1", .incarnation = 3, .handle = {R"({"format":1,"plugin":"c_plugin"})"}});
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(ended->state, VmState::shutdown);
}

TEST_F(Calls, LifeOfAVmInCpp) {
  auto& sleeper = load(QARAX_SLEEPER);
  const auto started = sleeper.start(keeping(), start_args("vm-2"));
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(started->state, VmState::running);
  EXPECT_THAT(services_.events(), ElementsAre(R"(keep {"format":1,"plugin":"sleeper"})",
                                              "spawn vm-2/3 /bin/sleep request=req-1", "find vm-2"));
  const VmArgs vm{.vm = "vm-2", .incarnation = 3, .handle = {R"({"format":1,"plugin":"sleeper"})"}};
  EXPECT_EQ(sleeper.stop({}, {.vm = vm})->state, VmState::shutdown);
  EXPECT_EQ(sleeper.inspect({}, vm)->state, VmState::shutdown);
  // The plugin has no `resolve`: the spec comes back unchanged.
  const auto resolved = sleeper.resolve({}, {.spec = {.boot_vcpus = 3, .max_vcpus = 4}});
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->boot_vcpus, 3);
}

// A border of C++ classes would corrupt memory here without a word.
TEST_F(Calls, APluginMayBeBuiltWithOtherSettingsOfTheStandardLibrary) {
  // Each is a name in the C++ library that only a plugin with this setting needs, and a proof that the fixture has it.
  const auto has = [](const std::string& path, const char* proof) {
    return read_file(path, 64u << 20)->find(proof) != std::string::npos;
  };
  for (const auto& [name, proof] : {std::pair("debug_library", "_ZN11__gnu_debug"), std::pair("old_string", "_ZNSs")}) {
    EXPECT_TRUE(has(fixture(name), proof) && !has(QARAX_SLEEPER, proof)) << name;
    RecordingServices services;
    PluginHost host(services);
    const auto record = host.load({.path = fixture(name)});
    ASSERT_EQ(record.state, PluginState::loaded) << record.reason;
    EXPECT_EQ(record.description.vmm_path, "/bin/sleep");
    auto& plugin = *host.hypervisor("sleeper");
    std::string handle;
    CallContext context;
    context.keep = [&](std::string_view kept) -> Status {
      handle = kept;
      return Ok{};
    };
    const auto started = plugin.start(context, start_args("vm-2"));
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_EQ(started->state, VmState::running);
    EXPECT_EQ(handle, R"({"format":1,"plugin":"sleeper"})");
    const VmArgs vm{.vm = "vm-2", .incarnation = 3, .handle = {handle}};
    EXPECT_EQ(plugin.stop({}, {.vm = vm})->state, VmState::shutdown);
    services.on_spawn = [](const CallView&) { return make_error(Code::resource_exhausted, "no memory is left"); };
    const auto failed = plugin.start(context, start_args("vm-3"));
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("no memory is left"));
  }
}

TEST_F(Calls, HostErrorsComeBackThroughThePlugin) {
  services_.on_spawn = [](const CallView&) -> Result<Process> {
    auto error = make_error(Code::resource_exhausted, "the host has no memory left", "no-memory");
    error.retryable = true;
    return error;
  };
  for (const auto& path : {fixture("c_plugin"), std::string(QARAX_SLEEPER)}) {
    const auto started = load(path).start(keeping(), start_args("vm"));
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::resource_exhausted);
    EXPECT_EQ(started.error().message, "plugin " + record_.name + ": start: the host has no memory left");
    EXPECT_EQ(started.error().reason, "no-memory");
    EXPECT_TRUE(started.error().retryable);
  }
}

TEST_F(Calls, AThrowingHostStopsAtItsOwnBorder) {
  services_.on_spawn = [](const CallView&) -> Result<Process> { throw std::runtime_error("bug in the agent"); };
  auto& c = load(fixture("c_plugin"));
  auto failed = c.start(keeping(), start_args("vm"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::internal);
  EXPECT_EQ(failed.error().message, "plugin c_plugin: start: the host failed: bug in the agent");

  CallContext context;
  context.keep = [](std::string_view) -> Status { throw std::runtime_error("disk full"); };
  failed = c.start(context, start_args("vm"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::internal);
  EXPECT_EQ(failed.error().message, "plugin c_plugin: start: no handle, no start: the handle wasn't kept: disk full");

  services_.on_spawn = nullptr;
  context = keeping();
  context.progress = [](std::string_view, std::uint64_t, std::uint64_t) { throw 42; };
  EXPECT_TRUE(c.start(context, start_args("vm")));
}

TEST_F(Calls, KeepThatFailsSaysWhy) {
  auto& sleeper = load(QARAX_SLEEPER);
  CallContext context;
  context.keep = [](std::string_view) -> Status {
    return make_error(Code::resource_exhausted, "/var/lib/qarax is full");
  };
  auto failed = sleeper.start(context, start_args("vm"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::resource_exhausted);
  EXPECT_EQ(failed.error().message,
            "plugin sleeper: start: the host could not keep the handle: /var/lib/qarax is full");
  failed = sleeper.start({}, start_args("vm"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::failed_precondition);
  EXPECT_THAT(services_.events(), ::testing::IsEmpty()) << "nothing is spawned without a handle";
}

TEST_F(Calls, MissingCapability) {
  auto& sleeper = load(QARAX_SLEEPER);
  EXPECT_FALSE(sleeper.supports(QARAX_HYPERVISOR_PAUSE_1));
  const auto paused = sleeper.pause({}, {.vm = "vm"});
  ASSERT_FALSE(paused);
  EXPECT_EQ(paused.error().code, Code::unimplemented);
  EXPECT_EQ(paused.error().message, "plugin sleeper 0.1.0 can't pause: it doesn't offer qarax.hypervisor.pause/1");
  EXPECT_EQ(sleeper.attach_disk({}, {}).error().message,
            "plugin sleeper 0.1.0 can't attach a disk: it doesn't offer qarax.hypervisor.disks/1");
  EXPECT_EQ(sleeper.detach_nic({}, {}).error().message,
            "plugin sleeper 0.1.0 can't detach a NIC: it doesn't offer qarax.hypervisor.nics/1");
  const auto console = sleeper.open_console({}, {.vm = "vm"});
  ASSERT_FALSE(console);
  EXPECT_EQ(console.error().message,
            "plugin sleeper 0.1.0 can't open the console: it doesn't offer qarax.hypervisor.console/1");
}

TEST_F(Calls, ExceptionsOfAPluginWithoutAGuard) {
  auto& throws = load(fixture("throws"));
  auto failed = throws.start({}, start_args("vm"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::internal);
  EXPECT_EQ(failed.error().message, "plugin throws: start threw across the border: disk on fire");
  failed = throws.stop({}, {.vm = {.vm = "vm"}});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "plugin throws: stop threw across the border");
  EXPECT_EQ(throws.inspect({}, {.vm = "vm"})->state, VmState::running);
  EXPECT_TRUE(host_.shutdown(2000)) << "a destroy that throws is survived";
}

TEST_F(Calls, BrokenAnswers) {
  auto& bad = load(fixture("bad_answers"));
  EXPECT_EQ(record_.description.vmm_version, "7.\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(record_.description.health_reason, "caf\xEF\xBF\xBD");
  EXPECT_FALSE(record_.description.healthy);
  ASSERT_EQ(record_.unchecked.size(), 1u);
  EXPECT_EQ(record_.unchecked.at(0).pointer, "/properties/size/multipleOf");
  EXPECT_THAT(services_.events(), ElementsAre("log bad_answers 3 two lines and \xEF\xBF\xBD vm=x"));

  const struct {
    const char* vm;
    Code code;
    const char* message;
  } cases[] = {
      {"code-77", Code::unknown, "odd"},
      {"code-negative", Code::unknown, "failed without saying why (code -5)"},
      {"silent-error", Code::unavailable, "failed without saying why"},
      {"garbage-error", Code::aborted,
       "its error document can't be read: not a valid JSON document: expected a value at byte 0: not json "
       "\xEF\xBF\xBD"},
      {"bad-utf8-error", Code::aborted, "lost \xEF\xBF\xBD\xEF\xBF\xBD"},
      {"null-text", Code::invalid_argument, "failed without saying why: its answer has a length but no bytes"},
      {"fd", Code::invalid_argument, "failed without saying why"},
      {"bad-handle", Code::invalid_argument,
       "failed without saying why: the handle is not a valid JSON document: expected a value at byte 0"},
      {"deep-handle", Code::invalid_argument,
       "failed without saying why: the handle nests too deep: it comes back one level down in its call's arguments, "
       "which may have 64"},
      {"large", Code::resource_exhausted,
       "failed without saying why: its answer has 1048577 bytes; at most 1048576 are taken"},
  };
  for (const auto& each : cases) {
    const auto failed = bad.start(keeping(), start_args(each.vm));
    ASSERT_FALSE(failed) << each.vm;
    EXPECT_EQ(failed.error().code, each.code) << each.vm;
    EXPECT_EQ(failed.error().message, std::string("plugin bad_answers: start: ") + each.message);
  }
  auto failed = bad.start({}, start_args("no-put"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::internal);
  EXPECT_EQ(failed.error().message, "plugin bad_answers: start succeeded without an answer; the plugin must `put` one");
  failed = bad.start({}, start_args("null-and-ok"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "plugin bad_answers: start succeeded, but its answer has a length but no bytes");
  failed = bad.start({}, start_args("wrong-type"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message,
            "plugin bad_answers: start gave an answer that can't be read: VmStatus /state: expected a string, got "
            "integer");
  failed = bad.start({}, start_args("not-json"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("can't be read: VmStatus: not a valid JSON document"));

  failed = bad.start({}, start_args("many-problems"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().details.size(), 65u);
  EXPECT_THAT(failed.error().message, HasSubstr("VmStatus /state: is required"));

  CallContext context;
  std::string step;
  context.progress = [&](std::string_view text, std::uint64_t, std::uint64_t) { step = text; };
  EXPECT_TRUE(bad.start(context, start_args("good")));
  EXPECT_EQ(step, "half\xEF\xBF\xBD");
}

TEST_F(Calls, TheHostsOwnReasonsAreNoPluginsToGive) {
  auto& bad = load(fixture("bad_answers"));
  const auto reason = [&](const std::string& given) {
    const auto failed = bad.start({}, start_args("reason-" + given));
    return failed ? "no error" : failed.error().reason;
  };
  EXPECT_EQ(reason("no-memory"), "no-memory");
  for (const char* hosts : {"still-running", "recovering", "node-unreachable", "plugin-loading", "stale-session",
                            "stale-revision", "stale-term", "other-cluster", "vm-not-found", "no-console"})
    EXPECT_EQ(reason(hosts), "") << hosts;
}

TEST_F(Calls, AResolveThatLosesTheVmsSizeIsRefused) {
  auto& bad = load(fixture("bad_answers"));
  EXPECT_TRUE(bad.resolve({}, {}));
  const auto lost = bad.resolve({}, {.spec = {.boot_vcpus = 2, .max_vcpus = 2}});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::internal);
  EXPECT_EQ(lost.error().reason, "plugin-bug");
  EXPECT_EQ(
      lost.error().message,
      "plugin bad_answers: resolve changed the VM that was asked for: /boot_vcpus 2 became 1, /max_vcpus 2 became "
      "1");
}

// It is kept and sent within documents that may not be deeper themselves.
TEST_F(Calls, AnAnswerLeavesRoomForTheDocumentsAroundIt) {
  auto& bad = load(fixture("bad_answers"));
  EXPECT_TRUE(bad.start({}, start_args("levels-56")));
  for (const char* vm : {"levels-57", "levels-64"}) {
    const auto failed = bad.start({}, start_args(vm));
    ASSERT_FALSE(failed) << vm;
    EXPECT_EQ(failed.error().code, Code::internal);
    EXPECT_EQ(failed.error().reason, "plugin-bug");
    EXPECT_THAT(failed.error().message, HasSubstr("levels deep; at most 56 are taken")) << vm;
  }
}

TEST_F(Calls, ADescriptorIsTakenOnce) {
  auto& bad = load(fixture("bad_answers"));
  int lent[2];
  ASSERT_EQ(::pipe2(lent, O_CLOEXEC), 0);
  CallContext context;
  context.fds = {lent[0]};
  {
    const auto opened = bad.open_console(context, {.vm = "vm"});
    ASSERT_TRUE(opened) << to_string(opened.error().code);
    EXPECT_GE(::fcntl(opened->get(), F_GETFD), 0);
  }
  EXPECT_GE(::fcntl(lent[0], F_GETFD), 0) << "the host's own isn't closed";
  for (const int fd : lent) ::close(fd);
}

TEST_F(Calls, NewerPlugin) {
  auto& newer = load(fixture("newer"));
  EXPECT_EQ(record_.abi, "0.99");
  EXPECT_THAT(record_.description.features, ElementsAre("spawn"));
  EXPECT_THAT(record_.interfaces, ElementsAre("qarax.hypervisor/1"));
  const auto started = newer.start({}, start_args("vm"));
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(started->state, VmState::unknown) << "a state from the future";
  EXPECT_THAT(started->can, ElementsAre("teleport"));
}

TEST_F(Calls, DeadlineThatHasPassed) {
  auto& c = load(fixture("c_plugin"));
  auto context = keeping();
  context.deadline_ns = plugin::monotonic_ns() - 1;
  const auto late = c.start(context, start_args("vm"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  EXPECT_EQ(late.error().message, "plugin c_plugin: start: the deadline had passed before the call");
  EXPECT_THAT(services_.events(), ElementsAre("notify c_plugin "));
}

TEST_F(Calls, RefreshDescription) {
  load(fixture("c_plugin"));
  EXPECT_TRUE(host_.refresh_description("c_plugin"));
  const auto missing = host_.refresh_description("xen");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "no hypervisor \"xen\" on this node; loaded: c_plugin");
}

}  // namespace
}  // namespace qarax::core::testing
