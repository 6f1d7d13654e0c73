// The plugin with this machine's QEMU and a real guest under TCG.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "kernel_file.hpp"
#include "program.hpp"
#include "test_guest.hpp"
#include "text.hpp"

namespace qarax::qemu {
namespace {

using testing::kBootMs;

class Guest : public testing::GuestTest {
 protected:
  std::string file(const char* name, const std::string& content) const {
    const std::string path = dir() + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
};

TEST_F(Guest, FromStartToPowerButton) {
  const auto started = plugin_->start(call.get(), args);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(started->state, VmState::running);
  EXPECT_EQ(started->accelerator, "tcg");
  EXPECT_NE(started->live.text.find("pc-q35-"), std::string::npos) << started->live.text;
  ASSERT_NE(host.console("qarax guest: 2 vCPU, 128 MiB", kBootMs), "") << "the guest didn't boot";
  ASSERT_NE(host.console("qarax uptime", kBootMs), "");

  EXPECT_EQ(plugin_->pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(inspect(), VmState::paused);
  // Output on its way must arrive first, before silence proves anything.
  host.console("never", 200);
  const std::size_t quiet_from = host.console_size();
  EXPECT_EQ(host.console("qarax uptime", 2500, quiet_from), "") << "a paused guest talks";
  EXPECT_EQ(plugin_->resume(call.get(), vm())->state, VmState::running);
  EXPECT_EQ(inspect(), VmState::running);
  EXPECT_NE(host.console("qarax uptime", kBootMs, quiet_from), "");

  const auto counters = plugin_->counters(call.get(), vm());
  ASSERT_TRUE(counters);
  EXPECT_GT(counters->counters.at(0).value, 100'000'000) << "a boot takes more processor time than that";
  EXPECT_GT(counters->counters.at(1).value, 32 << 20);

  const std::size_t reboot_from = host.console_size();
  EXPECT_EQ(plugin_->reboot(call.get(), vm())->state, VmState::running);
  EXPECT_NE(host.console("qarax uptime", kBootMs, reboot_from), "") << "the guest didn't come back";
  EXPECT_EQ(plugin_->recover(call.get(), vm())->state, VmState::running);

  // A reset while it is paused doesn't resume it, and it isn't taken for a VM whose start was broken off.
  EXPECT_EQ(plugin_->pause(call.get(), vm())->state, VmState::paused);
  ASSERT_TRUE(plugin_->reboot(call.get(), vm()));
  host.console("never", 200);
  EXPECT_EQ(plugin_->recover(call.get(), vm())->state, VmState::paused);
  const std::size_t reset_from = host.console_size();
  EXPECT_EQ(plugin_->resume(call.get(), vm())->state, VmState::running);
  EXPECT_NE(host.console("qarax uptime", kBootMs, reset_from), "") << "the guest didn't come back from its reset";

  const auto stopped = plugin_->stop(call.get(), {vm(), StopMode::graceful, kBootMs});
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->state, VmState::shutdown);
  EXPECT_EQ(stopped->status_reason, "the guest powered off");
  EXPECT_EQ(inspect(), VmState::shutdown);
}

// Whatever state this host's /dev/kvm is in, `auto` must choose an accelerator that really runs a guest, and say why.
TEST_F(Guest, TheAcceleratorIsChosenByATrial) {
  create_.config.text = "{\"probe_kernel\":" + json::to_text(json::Value(args.boot.kernel)) + "}";
  plugin_.emplace(host, create_);
  const auto started = plugin_->start(call.get(), args);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(started->accelerator == "kvm" || started->accelerator == "tcg") << started->accelerator;
  EXPECT_FALSE(started->accelerator_evidence.empty());
  RecordProperty("accelerator", started->accelerator + ": " + started->accelerator_evidence);
  std::cout << started->accelerator << ": " << started->accelerator_evidence << '\n';
  EXPECT_NE(host.console("qarax guest: 2 vCPU, 128 MiB", kBootMs), "") << "chosen, but it runs no guest";
  // The verdict of a trial that timed out isn't kept: the host may just have been busy.
  if (started->accelerator_evidence.find("printed nothing within") != std::string::npos) return;
  // Any other verdict is kept: there is no new trial after a restart of the agent.
  const int trials = host.count("trial");
  plugin_.emplace(host, create_);
  EXPECT_EQ(plugin_->describe(call.get())->accelerator, started->accelerator);
  EXPECT_EQ(host.count("trial"), trials);
}

TEST_F(Guest, AKilledQemuIsTold) {
  ASSERT_TRUE(plugin_->start(call.get(), args));
  ::kill(host.find(nullptr, {})->pid, SIGKILL);
  ASSERT_TRUE(host.wait(nullptr, {}, 10'000));
  const auto status = plugin_->inspect(call.get(), vm());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->state, VmState::shutdown);
  EXPECT_EQ(status->status_reason, "QEMU was killed by signal 9");
}

TEST_F(Guest, ABadCpuIsQuotedFromQemuItself) {
  args.spec.config.text = R"({"cpu":"no-such-model"})";
  const auto status = plugin_->start(call.get(), args);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_NE(status.error().message.find("QEMU exited with code 1"), std::string::npos) << status.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(args.run_dir));
}

TEST_F(Guest, AKernelThatIsNoneFailsTheStartInQemusWordsAndLeavesNothing) {
  std::string begin(10'000, '\0');  // a bzImage that ends within its setup
  std::ifstream(args.boot.kernel, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  for (const auto& [kernel, words] :
       {std::pair{file("torn", begin), "invalid kernel header"},
        std::pair{file("foreign", "not a kernel"), "linux kernel too old to load a ram disk"},
        std::pair{file("elf", elf_without_pvh()), "Error while loading elf kernel"}}) {
    args.boot.kernel = kernel;
    const auto refused = plugin_->start(call.get(), args);
    ASSERT_FALSE(refused) << kernel;
    EXPECT_EQ(refused.error().reason, "vmm-failed");
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
    const auto process = host.find(nullptr, {});
    EXPECT_FALSE(process && process->alive) << kernel;
    EXPECT_TRUE(std::filesystem::is_empty(args.run_dir)) << kernel;
  }
}

// The trial's own command line, without KVM: where that fails, QEMU looks at no file.
TEST_F(Guest, WhatQemuSaysOfATrialsFilesThatItCanNotLoadIsKnown) {
  const auto said = [&](const std::string& kernel, const std::string& initramfs) {
    Settings settings;
    settings.probe_kernel = kernel;
    settings.probe_initramfs = initramfs;
    Program program;
    program.path = plugin_->describe(call.get())->vmm_path;
    plugin::TrialPlan plan = trial_plan(settings, program);
    for (std::string& word : plan.run.argv) {
      if (word == "q35,accel=kvm") word = "q35,accel=tcg";
      if (word == "host") word = "max";
    }
    const auto ended = host.run(nullptr, plan.run, kBootMs);
    EXPECT_TRUE(ended && ended->exit.code == 1) << kernel;
    return ended ? plugin::why_unbootable(plan.boots, ended->output, plugin::last_line(ended->output)) : std::string();
  };
  const std::string kernel = args.boot.kernel;
  for (const std::string& unbootable : {dir() + "/gone", file("elf", elf_without_pvh())}) {
    const std::string why = said(unbootable, args.boot.initramfs);
    EXPECT_EQ(why.find("the trial's kernel " + unbootable + " can't be loaded (last: qemu"), 0u) << why;
  }
  const std::string why = said(kernel, dir() + "/gone");
  EXPECT_EQ(why.find("the trial's initramfs " + dir() + "/gone can't be loaded (last: qemu"), 0u) << why;
}

}  // namespace
}  // namespace qarax::qemu
