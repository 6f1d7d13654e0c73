// The plugin with fake_vmm, a process, as its tests start from; a derived one may name another program, which needs a
// /dev/kvm that opens.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "accelerator.hpp"
#include "cloud_hypervisor.hpp"
#include "kernel_file.hpp"
#include "real_host.hpp"
#include "temp_folder.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor::testing {

constexpr std::int64_t kPatienceMs = 20'000;

class PluginTest : public ::testing::Test {
 protected:
  PluginTest() {
    for (const char* folder : {"run", "run2", "state", "snapshot"})
      std::filesystem::create_directories(folder_ / folder);
    boot.kernel = folder_ / "kernel";
    std::ofstream(boot.kernel, std::ios::binary) << empty_bzimage();
    snapshot_ = plugin::Socket(::open((folder_ / "snapshot").c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    call.set_fds({snapshot_.get()});
  }
  void SetUp() override {
    if (trial == "fake") return;
    if (const auto facts = plugin::look_at_kvm(); !facts.reason.empty()) GTEST_SKIP() << facts.reason;
  }

  CloudHypervisor& plugin() {
    if (!plugin_) restart();
    return *plugin_;
  }
  void restart() {
    CreateArgs args;
    args.config.text = R"({"binary":")" + binary + R"(","trial":")" + trial + "\"" + settings + "}";
    args.state_dir = folder_ / "state";
    plugin_.emplace(host, args, api_ms);
  }
  // `act` while its VMM takes longer for `step` than for anything that is answered at once.
  template <class Act>
  auto during_a_long(
      const std::string& step, const Act& act, const std::function<void()>& then = [] {}) {
    const std::string go = folder_ / "go";
    for (const auto& file : {go, go + ".reached"}) std::filesystem::remove(file);
    auto done = std::async(std::launch::async, act);
    while (!std::filesystem::exists(go + ".reached")) std::this_thread::yield();
    then();
    EXPECT_EQ(done.wait_for(std::chrono::milliseconds(3 * api_ms)), std::future_status::timeout) << step;
    std::ofstream(go) << "";
    return done.get();
  }
  void takes_long(const std::string& step) {
    host.more_env = {{"FAKE_VMM_FAULTS", step + "=waits"}, {"FAKE_VMM_GO", folder_ / "go"}};
    api_ms = 500;
    restart();
  }
  StartArgs start_args() const {
    StartArgs args;
    args.vm = "123e4567-e89b-42d3-a456-426614174000";
    args.incarnation = 1;
    args.spec.memory_size = memory_size;
    args.spec.memory_hotplug_size = 256 << 20;
    args.spec.max_vcpus = 4;
    args.spec.config.text = vm_config;
    args.boot = boot;
    args.run_dir = folder_ / "run";
    return args;
  }
  void start() {
    const auto status = plugin().start(call.get(), start_args());
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->state, VmState::running);
  }
  VmArgs vm() const { return {start_args().vm, 1, folder_ / "run", {call.kept}}; }
  VmState inspect() {
    const auto status = plugin().inspect(call.get(), vm());
    EXPECT_TRUE(status) << status.error().message;
    return status ? status->state : VmState::unknown;
  }
  bool nothing_left() {
    const auto process = host.find(nullptr, {});
    return !(process && process->alive) && std::filesystem::is_empty(folder_ / "run");
  }
  // What a trial of these files ends with, on a host whose KVM opens.
  std::string evidence_with(const std::string& kernel, const std::string& initramfs = {}) {
    CreateArgs args;
    args.config.text = R"({"binary":")" + binary + R"(","probe_kernel":")" + kernel + R"(","probe_initramfs":")" +
                       initramfs + R"(","probe_timeout_ms":60000)" + settings + "}";
    const auto asked = plugin::settings_or_throw<Settings>(args);
    plugin::Accelerator accelerator(host, plugin::AcceleratorChoice::kvm, trial_plan(asked, find_program(host, asked)),
                                    "", [] {
                                      return plugin::KvmFacts{"", "/dev/kvm opens"};
                                    });
    const auto verdict = accelerator.settled(call.get());
    EXPECT_TRUE(verdict && verdict->accelerator.empty()) << kernel;
    return verdict ? verdict->evidence : verdict.error().message;
  }
  // The same steps for the fake and the real program.
  void a_kernel_that_can_not_be_booted_is_named() {
    const std::string kernel = folder_ / "unbootable";
    auto args = start_args();
    args.boot.kernel = kernel;
    struct Case {
      std::string content;
      std::string refusal;   // part of a start's error
      std::string evidence;  // part of a trial's
    };
    for (const Case& one : {Case{"not a kernel", "Cannot load the kernel into memory", "is no Linux kernel"},
                            Case{empty_bzimage().substr(0, 1000), "Cannot load the kernel into memory", "is cut short"},
                            Case{elf_without_pvh(), "Kernel lacks PVH header", "can't be loaded (last: "}}) {
      std::ofstream(kernel, std::ios::binary | std::ios::trunc) << one.content;
      const auto refused = plugin().start(call.get(), args);
      ASSERT_FALSE(refused) << one.refusal;
      EXPECT_EQ(refused.error().reason, "vmm-failed");
      EXPECT_NE(refused.error().message.find(one.refusal), std::string::npos) << refused.error().message;
      EXPECT_TRUE(nothing_left()) << one.refusal;
      const std::string evidence = evidence_with(kernel);
      EXPECT_NE(evidence.find("the trial's kernel " + kernel + " " + one.evidence), std::string::npos) << evidence;
    }
  }
  DiskSpec disk(bool readonly = false) const {
    DiskSpec out;
    out.id = "data";
    out.path = folder_ / "disk";
    out.format = DiskFormat::raw;
    out.readonly = readonly;
    std::ofstream(out.path) << std::string(4096, 'x');
    return out;
  }
  const std::string& dir() const { return folder_.path(); }

  TempFolder folder_;
  plugin::testing::RealHost host;
  plugin::testing::TestCall call;
  std::string binary = FAKE_VMM;
  std::string trial = "fake";
  std::string settings{};  // more of the plugin's config
  BootFiles boot{};
  std::int64_t memory_size = 128 << 20;
  std::string vm_config = "null";  // of the VM's spec
  int api_ms = kApiMs;

 private:
  plugin::Socket snapshot_;
  std::optional<CloudHypervisor> plugin_;
};

}  // namespace qarax::cloud_hypervisor::testing
