#include "accelerator.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>

#include "kernel_file.hpp"
#include "real_host.hpp"
#include "temp_folder.hpp"

namespace qarax::plugin {
namespace {

const KvmFacts kOpens{"", "/dev/kvm opens, API 12"};

TEST(Decide, KvmOnlyWhereATrialRan) {
  const Trial ran{true, false, "", 5000};
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, &ran, "");
  EXPECT_EQ(verdict.accelerator, "kvm");
  EXPECT_NE(verdict.evidence.find("trial guest ran"), std::string::npos);
}

TEST(Decide, ADeviceThatOpensButRunsNothingIsTcgWithTheReason) {
  const Trial hung{false, true, "Booting from ROM..", 5000};
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, &hung, "");
  EXPECT_EQ(verdict.accelerator, "tcg");
  EXPECT_NE(verdict.evidence.find("printed nothing within 5000 ms"), std::string::npos) << verdict.evidence;
  EXPECT_NE(verdict.evidence.find("Booting from ROM"), std::string::npos);
  EXPECT_NE(verdict.evidence.find("/dev/kvm opens"), std::string::npos);
}

TEST(Decide, KvmDemandedIsNeverSilentlyTcg) {
  const Trial crashed{false, false, "KVM internal error. Suberror: 1", 5000};
  const auto verdict = decide(AcceleratorChoice::kvm, kOpens, &crashed, "");
  EXPECT_EQ(verdict.accelerator, "");
  EXPECT_NE(verdict.evidence.find("KVM internal error"), std::string::npos);
  EXPECT_EQ(decide(AcceleratorChoice::kvm, {"there is no /dev/kvm", ""}, nullptr, "").accelerator, "");
}

TEST(Decide, AKernelThatCanNotBeBootedSaysNothingOfKvm) {
  Trial refused{false, false, "bad kernel", 5000};
  refused.unbootable = "the trial's kernel /x can't be loaded";
  for (const auto choice : {AcceleratorChoice::automatic, AcceleratorChoice::kvm}) {
    const auto verdict = decide(choice, kOpens, &refused, "");
    EXPECT_EQ(verdict.accelerator, choice == AcceleratorChoice::kvm ? "" : "tcg");
    EXPECT_NE(verdict.evidence.find("the trial's kernel /x can't be loaded"), std::string::npos) << verdict.evidence;
    EXPECT_EQ(verdict.evidence.find("KVM doesn't run"), std::string::npos) << verdict.evidence;
  }
}

TEST(Decide, WithoutATrialAutoStaysWithTcg) {
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, nullptr, "no kernel to try");
  EXPECT_EQ(verdict.accelerator, "tcg");
  EXPECT_NE(verdict.evidence.find("no kernel to try"), std::string::npos);
}

TEST(Decide, WithoutATrialKvmIsNotBelievedUnlessTheConfigSaysSo) {
  const auto verdict = decide(AcceleratorChoice::kvm, kOpens, nullptr, "no kernel to try");
  EXPECT_EQ(verdict.accelerator, "");
  EXPECT_NE(verdict.evidence.find("no kernel to try"), std::string::npos);
  const auto waived = decide(AcceleratorChoice::kvm, kOpens, nullptr, "the config says trial: skip", true);
  EXPECT_EQ(waived.accelerator, "kvm");
  EXPECT_NE(waived.evidence.find("trial: skip"), std::string::npos);
  EXPECT_EQ(decide(AcceleratorChoice::kvm, {"there is no /dev/kvm", ""}, nullptr, "skipped", true).accelerator, "");
}

TEST(Decide, TcgByConfigSaysSo) {
  EXPECT_NE(decide(AcceleratorChoice::tcg, {}, nullptr, "").evidence.find("accelerator: tcg"), std::string::npos);
}

TEST(SayHealth, WhatNeedsKvmSaysSoUntilItIsProven) {
  const auto said = [](const char* accelerator) {
    Description out;
    say_health(out, {accelerator, "because"}, "Foo needs KVM");
    return out;
  };
  EXPECT_TRUE(said("kvm").healthy);
  EXPECT_EQ(said("kvm").health_reason, "");
  EXPECT_FALSE(said("").healthy);
  EXPECT_EQ(said("").health_reason, "Foo needs KVM: because");
  EXPECT_TRUE(said("probing").healthy);
  EXPECT_EQ(said("probing").health_reason, "Foo needs KVM: because") << "the scheduler lets its VMs wait for that";
}

TEST(LookAtKvm, AMissingDeviceNamesIt) {
  const auto facts = look_at_kvm("/nonexistent/kvm");
  EXPECT_NE(facts.reason.find("there is no /nonexistent/kvm"), std::string::npos);
}

TEST(LookAtKvm, WhatIsNoKvmDeviceIsRefused) {
  EXPECT_NE(look_at_kvm("/dev/null").reason.find("API version"), std::string::npos);
}

TEST(LookAtKvm, WhatAnotherHypervisorHasMayComeBack) {
  const auto busy = kvm_without_vm("/dev/kvm", EBUSY);
  EXPECT_TRUE(busy.may_come);
  EXPECT_NE(busy.reason.find("another hypervisor"), std::string::npos) << busy.reason;
  const auto broken = kvm_without_vm("/dev/kvm", EINVAL);
  EXPECT_FALSE(broken.may_come);
  EXPECT_EQ(broken.reason, "/dev/kvm opens, but can't make a VM (errno 22)");
}

// What look_at_kvm() says to the user of that id; asked in a child process, which can't become root again.
std::string reason_for(uid_t user, const std::string& device) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(user) != 0) ::_exit(1);
    const std::string reason = look_at_kvm(device.c_str()).reason;
    ::_exit(::write(ends[1], reason.data(), reason.size()) == static_cast<ssize_t>(reason.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  std::array<char, 512> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
    said.append(buffer.data(), static_cast<std::size_t>(n));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return said;
}

TEST(LookAtKvm, WithoutRightsItSaysTheCommandThatGivesThem) {
  const uid_t user = ::geteuid() == 0 ? 65534 : ::geteuid();
  const passwd* entry = ::getpwuid(user);
  const std::string name = entry != nullptr ? entry->pw_name : std::to_string(user);
  const TempFolder folder;
  const std::string device = folder / "kvm";
  std::ofstream(device) << "";
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(device.c_str(), ::geteuid() == 0 ? 0600 : 0), 0);
  const std::string reason = reason_for(user, device);
  EXPECT_NE(reason.find("no right to open " + device + ": run `sudo usermod -aG "), std::string::npos) << reason;
  EXPECT_NE(reason.find(" " + name + "`, log in again and restart the node"), std::string::npos) << reason;
  // Never advises to join root's group.
  if (::geteuid() == 0) {
    EXPECT_NE(reason.find("usermod -aG kvm "), std::string::npos) << reason;
  }
}

constexpr std::int64_t kTooShortMs = 500;  // for a trial that never ends

// Trials that the host really runs; their "guest" is a script that prints the awaited text once a file exists.
class Trials : public ::testing::Test {
 protected:
  Verdict verdict(std::int64_t retry_ms = 60'000) {
    begin(retry_ms);
    testing::TestCall call;
    const auto settled = accelerator_->settled(call.get());
    return settled ? *settled : Verdict{};
  }
  void begin(std::int64_t retry_ms) {
    TrialPlan plan;
    plan.run.argv = {"/bin/sh", "-c", script_};
    plan.run.until = "Linux version";
    plan.limit_ms = limit_ms_;
    plan.quick_repeats = quick_repeats_;
    plan.quick_ms = 1;
    plan.retry_ms = retry_ms;
    plan.look_again_ms = 1;
    plan.boots = boots_;
    accelerator_.reset();  // as an agent does, which ends before the next one starts
    accelerator_ = std::make_unique<Accelerator>(host_, AcceleratorChoice::automatic, plan, folder_.path(), [this] {
      return has_kvm_ ? kOpens : KvmFacts{"there is no /dev/kvm", "", true};
    });
  }
  // In one step: a trial may begin at any time.
  static void install(const std::string& file, const std::string& content) {
    std::ofstream(file + ".new") << content;
    std::filesystem::rename(file + ".new", file);
  }
  void become_ready() { std::ofstream(ready_) << "now"; }

  TempFolder folder_;
  const std::string ready_ = folder_ / "ready";
  std::string script_ = "[ ! -e " + ready_ + " ] && exec sleep 60; echo Linux version";
  std::vector<TrialFile> boots_{};
  int quick_repeats_ = 0;           // an inconclusive trial counts at once
  std::int64_t limit_ms_ = 60'000;  // a trial that is meant to end may take longer on a busy host
  std::atomic<bool> has_kvm_ = true;
  testing::RealHost host_;
  std::unique_ptr<Accelerator> accelerator_;
};

TEST_F(Trials, OneThatTimedOutIsRunAgainAtTheNextStart) {
  limit_ms_ = kTooShortMs;
  EXPECT_EQ(verdict().accelerator, "tcg");
  become_ready();
  limit_ms_ = 60'000;
  EXPECT_EQ(verdict().accelerator, "kvm") << "one busy moment must not count until the host's next boot";
  EXPECT_EQ(host_.count("trial"), 2);
}

TEST_F(Trials, AnInconclusiveOneDecidesNothingAndIsRepeatedSoon) {
  quick_repeats_ = 1;
  script_ = "[ -e " + folder_ / "tried" + " ] || { : > " + folder_ / "tried" + "; kill -KILL $$; }; " + "until [ -e " +
            ready_ + " ]; do sleep 0.02; done; echo Linux version";
  begin(60'000);
  ASSERT_TRUE(host_.wait_for("notify ")) << "the host is told why VMs wait now";
  const Verdict undecided = accelerator_->now();
  EXPECT_EQ(undecided.accelerator, "probing");
  EXPECT_NE(undecided.evidence.find("inconclusive and is repeated"), std::string::npos) << undecided.evidence;
  testing::TestCall impatient;
  impatient.set_deadline_ms(1);
  const auto unknown = accelerator_->settled(impatient.get());
  ASSERT_FALSE(unknown) << "nobody gets TCG for what isn't decided";
  EXPECT_NE(unknown.error().message.find(undecided.evidence), std::string::npos) << unknown.error().message;
  become_ready();
  testing::TestCall patient;
  EXPECT_EQ(accelerator_->settled(patient.get())->accelerator, "kvm");
  EXPECT_EQ(host_.count("trial"), 2);
}

TEST_F(Trials, AfterItsQuickRepeatsAnInconclusiveOneCountsAndIsRepeatedLater) {
  quick_repeats_ = 2;
  script_ = "[ -e " + ready_ + " ] || kill -KILL $$; echo Linux version";
  const Verdict told = verdict();
  EXPECT_EQ(told.accelerator, "tcg");
  EXPECT_NE(told.evidence.find("inconclusive"), std::string::npos) << told.evidence;
  EXPECT_EQ(host_.count("trial"), 3) << "the next one comes after retry_ms";
  become_ready();
  EXPECT_EQ(verdict().accelerator, "kvm") << "it isn't kept";
}

TEST_F(Trials, AKvmThatComesLaterIsTriedThen) {
  has_kvm_ = false;
  become_ready();
  EXPECT_EQ(verdict().accelerator, "tcg") << "nobody waits for what may never come";
  has_kvm_ = true;
  ASSERT_TRUE(host_.wait_for("notify "));
  EXPECT_EQ(accelerator_->now().accelerator, "kvm");
  EXPECT_EQ(host_.count("trial"), 1);
  has_kvm_ = false;
  EXPECT_EQ(verdict().accelerator, "tcg");
  has_kvm_ = true;
  ASSERT_TRUE(host_.wait_for("notify ", 2));
  EXPECT_EQ(host_.count("trial"), 1) << "it is known from before";
}

TEST(Accelerator, EndsAtOnceAlsoWhereItGotNoDescriptor) {
  testing::RealHost host;
  TrialPlan plan;
  plan.look_again_ms = 3'600'000;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 1;  // stdin has it
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  {
    const Accelerator accelerator(host, AcceleratorChoice::automatic, plan, "", [] {
      return KvmFacts{"there is no /dev/kvm", "", true};
    });
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(accelerator.now().accelerator, "tcg");
  }
}

TEST_F(Trials, WhatWasDecidedIsKept) {
  become_ready();
  EXPECT_EQ(verdict().accelerator, "kvm");
  EXPECT_EQ(verdict().accelerator, "kvm");
  EXPECT_EQ(host_.count("trial"), 1);
}

TEST_F(Trials, AnotherWayToRunItIsTriedAnew) {
  script_ = "echo no such machine; exit 1";
  EXPECT_EQ(verdict().accelerator, "tcg");
  EXPECT_EQ(verdict().accelerator, "tcg");
  EXPECT_EQ(host_.count("trial"), 1) << "the VMM's own refusal holds";
  script_ = "echo Linux version";
  EXPECT_EQ(verdict().accelerator, "kvm") << "the config has another machine now";
  EXPECT_EQ(host_.count("trial"), 2);
}

TEST_F(Trials, AnEndThatSaysNothingOfKvmIsNotKept) {
  int trials = 0;
  for (const char* script : {"kill -KILL $$", "ulimit -c 0; kill -SYS $$", "exec /nonexistent/vmm", "exec /"}) {
    script_ = script;
    EXPECT_EQ(verdict().accelerator, "tcg") << script;
    EXPECT_EQ(verdict().accelerator, "tcg") << script;
    EXPECT_EQ(host_.count("trial"), trials += 2) << script;
  }
}

// A script that is its kernel's VMM: it refuses one that begins otherwise.
TEST_F(Trials, AKernelThatCanNotBeBootedIsBlamedUntilItIsAnotherFile) {
  const std::string kernel = folder_ / "kernel";
  script_ = "grep -q ELF " + kernel + " && echo Linux version || { echo bad kernel; exit 1; }";
  boots_ = {{"kernel", kernel, {"bad kernel"}}};
  install(kernel, empty_bzimage());
  const Verdict refused = verdict();
  EXPECT_EQ(refused.accelerator, "tcg");
  EXPECT_NE(refused.evidence.find("kernel " + kernel + " can't be loaded (last: bad kernel)"), std::string::npos)
      << refused.evidence;
  EXPECT_EQ(verdict().evidence, refused.evidence);
  EXPECT_EQ(host_.count("trial"), 2) << "an agent's start tries it, whatever was said before";
  install(kernel, elf_without_pvh());
  ASSERT_TRUE(host_.wait_for("notify ", 3)) << "long before the pause is over";
  EXPECT_EQ(accelerator_->now().accelerator, "kvm");
  EXPECT_EQ(verdict().accelerator, "kvm");
  EXPECT_EQ(host_.count("trial"), 3) << "and that is kept";
}

TEST_F(Trials, ThatTheReasonIsAnotherOneIsTold) {
  const std::string kernel = folder_ / "kernel";
  script_ = "echo its last words; exit 1";
  boots_ = {{"kernel", kernel, {}}};
  install(kernel, "not a kernel");
  EXPECT_NE(verdict().evidence.find("is no Linux kernel"), std::string::npos);
  install(kernel, empty_bzimage());
  ASSERT_TRUE(host_.wait_for("notify ", 2));
  EXPECT_EQ(accelerator_->now().evidence.find("KVM doesn't run a guest here"), 0u) << accelerator_->now().evidence;
}

TEST_F(Trials, AVmmThatCrashesIsNotItsKernelsFault) {
  const std::string kernel = folder_ / "kernel";
  script_ = "ulimit -c 0; kill -ABRT $$";
  boots_ = {{"kernel", kernel, {}}};
  install(kernel, "not a kernel");
  EXPECT_EQ(verdict().evidence.find("KVM doesn't run a guest here"), 0u);
  EXPECT_EQ(verdict().accelerator, "tcg");
  EXPECT_EQ(host_.count("trial"), 1) << "which is kept";
}

TEST_F(Trials, OneThatTimedOutIsRunAgainLaterAndTheHostIsToldOfTheChange) {
  limit_ms_ = kTooShortMs;  // the later trials have it, too, and one of them ends in time
  EXPECT_EQ(verdict(1).accelerator, "tcg");
  become_ready();
  ASSERT_TRUE(host_.wait_for("notify ", 2)) << "once for each verdict, not for each trial";
  EXPECT_EQ(accelerator_->now().accelerator, "kvm");
}

}  // namespace
}  // namespace qarax::plugin
