#include "status.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "text.hpp"

namespace qarax::qemu {
namespace {

VmArgs with(std::string handle) {
  VmArgs args;
  args.vm = "vm-1";
  args.handle.text = std::move(handle);
  return args;
}

TEST(ReadHandle, OnlyOursAndNoneOfTheFuture) {
  const auto ours = read_handle(with(R"({"format":1,"vmm":"qemu","accelerator":"tcg","later":[1]})"));
  ASSERT_TRUE(ours) << ours.error().message;
  EXPECT_EQ(ours->accelerator, "tcg");
  for (const char* other : {"null", "{}", "[]", "7", R"({"format":1})", R"({"format":1,"simulated":true})",
                            R"({"format":1,"vmm":"foo"})", R"({"format":"1","vmm":"qemu"})", "{"})
    EXPECT_EQ(read_handle(with(other)).error().code, Code::not_found) << other;
  const auto newer = read_handle(with(R"({"format":2,"vmm":"qemu"})"));
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Code::failed_precondition);
  EXPECT_NE(newer.error().message.find("upgrade"), std::string::npos);
}

TEST(Ended, SaysHow) {
  Process process;
  EXPECT_EQ(ended(process, nullptr).state, VmState::shutdown);
  process.exit.emplace();
  EXPECT_NE(ended(process, nullptr).status_reason.find("nothing recorded"), std::string::npos);
  process.exit->kind = ExitKind::exited;
  EXPECT_EQ(ended(process, nullptr).status_reason, "the guest powered off");
  // A terminated QEMU exits with code 0 as after a power-off; only its log, which no guest can write to, shows it.
  process.exit->log_tail = "qemu-system-x86_64: terminating on signal 15 from pid 7 (init)\n";
  const VmStatus terminated = ended(process, nullptr);
  EXPECT_EQ(terminated.status_reason, "QEMU failed: qemu-system-x86_64: terminating on signal 15 from pid 7 (init)");
  EXPECT_EQ(terminated.exit->code, 1);
  process.exit->code = 1;
  process.exit->log_tail = "warning: x\nqemu-system-x86_64: no\x1bgo\n\n";
  EXPECT_EQ(ended(process, nullptr).status_reason, "QEMU exited with code 1: qemu-system-x86_64: no go");
  process.exit->kind = ExitKind::signaled;
  process.exit->signal = 9;
  EXPECT_EQ(ended(process, nullptr).status_reason, "QEMU was killed by signal 9");
  Handle handle;
  handle.accelerator = "kvm";
  EXPECT_EQ(ended(process, &handle).accelerator, "kvm");
}

TEST(Alive, EveryWordOfQemu) {
  Handle handle;
  handle.accelerator = "tcg";
  handle.machine = "pc-q35-7.2";
  const VmStatus running = alive("running", handle);
  EXPECT_EQ(running.state, VmState::running);
  EXPECT_EQ(running.accelerator, "tcg");
  EXPECT_EQ(running.live.text, R"({"accelerator":"tcg","machine":"pc-q35-7.2"})");
  EXPECT_EQ(running.can, (std::vector<std::string>{"pause", "reboot", "stop"}));
  EXPECT_EQ(alive("paused", handle).status_reason, "");
  for (const char* word :
       {"paused", "io-error", "internal-error", "guest-panicked", "prelaunch", "shutdown", "new-word"})
    EXPECT_EQ(alive(word, handle).state, VmState::paused) << word;
  EXPECT_NE(alive("io-error", handle).status_reason.find("I/O error"), std::string::npos);
  EXPECT_EQ(alive("new-word", handle).status_reason, "QEMU says new-word");
  EXPECT_TRUE(is_prelaunch(alive("prelaunch", handle)));
  EXPECT_FALSE(is_prelaunch(alive("paused", handle)));
  EXPECT_EQ(alive("internal-error", handle).can, (std::vector<std::string>{"stop"}));
}

TEST(ProcessCounters, ANameMayHoldAnything) {
  const std::string stat =
      "7 (qemu) a b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 3 0 12345 1000000 2000 18446744073709551615 1 1\n";
  const auto counters = plugin::process_counters(stat, "vm-1");
  ASSERT_TRUE(counters);
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  EXPECT_EQ(counters->counters.at(0).name, "cpu.time");
  EXPECT_EQ(counters->counters.at(0).value, 200 * tick_ns);
  EXPECT_EQ(counters->counters.at(1).value, 2000 * ::sysconf(_SC_PAGESIZE));
  for (const char* cut : {"", "7 (qemu", "7 (qemu)", "7 (qemu) S 1 7"})
    EXPECT_EQ(plugin::process_counters(cut, "vm-1").error().code, Code::unavailable) << cut;
}

}  // namespace
}  // namespace qarax::qemu
