#include "why.hpp"

#include <gtest/gtest.h>

#include "document.hpp"

namespace qarax::cli {
namespace {

WhyInput input(const char* vm, const char* host = "null") {
  WhyInput in;
  in.target = "web";
  in.vm = std::move(json::parse(vm)).value();
  in.host = std::move(json::parse(host)).value();
  return in;
}

constexpr const char* kUp = R"({"name":"node1","status":"up","status_reason":null})";

TEST(Why, AKilledVmmIsToldWithEverythingThatIsKnown) {
  WhyInput in = input(
      R"({"id":"i","name":"web","status":"shutdown","desired_status":"running","status_reason":"QEMU was ended by signal 9",
          "exit":{"kind":"signaled","code":0,"signal":9,"at":"2026-01-01T00:00:00.000Z","log_tail":"one\ntwo\n"},
          "hypervisor":"qemu","accelerator":"tcg","accelerator_evidence":"no /dev/kvm","host_id":"h","activity":null})",
      kUp);
  in.vmm_log = "one\ntwo\n";
  in.console = "qarax uptime 1\r\nqarax \033[2Juptime 2\r\n";
  EXPECT_EQ(why_text(in, false),
            "VM:          web (i)\n"
            "state:       shutdown: QEMU was ended by signal 9\n"
            "asked for:   running\n"
            "VMM ended:   ended by signal 9 (SIGKILL) at 2026-01-01T00:00:00.000Z\n"
            "hypervisor:  qemu\n"
            "accelerator: tcg: no /dev/kvm\n"
            "host:        node1 is up\n"
            "\nlast of the VMM's log:\n"
            "  | one\n"
            "  | two\n"
            "\nlast of the console:\n"
            "  | qarax uptime 1\n"
            "  | qarax  [2Juptime 2\n"
            "\nwhat to do next:\n"
            "  journalctl -k on host node1: whether the kernel killed it for want of memory; else somebody did\n"
            "  read the VMM's last words above\n"
            "  qarax start web: start it again; its definition is kept\n");
}

TEST(Why, AStopThatWasAskedForIsNoRiddle) {
  const auto steps = next_steps(input(
      R"({"status":"shutdown","desired_status":"shutdown","exit":{"kind":"signaled","signal":9,"log_tail":"bye"}})",
      kUp));
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_TRUE(steps[0].starts_with("qarax start web"));
}

TEST(Why, AnUnknownVmDependsOnItsHost) {
  const char* vm = R"({"status":"unknown","desired_status":"running","exit":null})";
  const auto down = next_steps(input(vm, R"({"name":"node1","status":"down"})"));
  EXPECT_NE(down[0].find("qarax-node on host node1"), std::string::npos);
  EXPECT_NE(down[1].find("--forget: only if"), std::string::npos);
  const auto up = next_steps(input(vm, kUp));
  EXPECT_NE(up[1].find("force-stop web"), std::string::npos);
}

TEST(Why, APauseThatNobodyAskedForHasACause) {
  EXPECT_TRUE(
      next_steps(input(R"({"status":"paused","desired_status":"running"})"))[0].starts_with("remove the cause"));
  EXPECT_TRUE(next_steps(input(R"({"status":"paused","desired_status":"paused"})"))[0].starts_with("qarax resume web"));
}

TEST(Why, WhatIsUnderWayComesFirst) {
  const auto steps = next_steps(input(R"({"status":"created","desired_status":"running","activity":"start"})"));
  EXPECT_EQ(steps[0], "qarax show web: start is under way");
}

WhyInput with_jobs(const char* jobs, const char* status = "shutdown") {
  WhyInput in = input(
      (std::string(R"({"id":"i","name":"web","desired_status":"created","exit":null,"status":")") + status + "\"}")
          .c_str(),
      kUp);
  in.jobs = std::move(json::parse(jobs)).value();
  return in;
}

constexpr const char* kFailed =
    R"({"id":"j1","action":"start","state":"failed","finished_at":"2026-01-01T00:00:00.000Z",
        "error":{"detail":"VM web could not start: no kernel","hint":"Put the file there."}})";

TEST(Why, AStartThatFailedIsToldBeforeItIsOfferedAgain) {
  const std::string failed = kFailed;
  const WhyInput in = with_jobs(("[" + failed + R"(,{"id":"j0","action":"create","state":"completed"}])").c_str());
  EXPECT_NE(why_text(in, false).find(
                "last failed: the start of 2026-01-01T00:00:00.000Z: VM web could not start: no kernel\n"),
            std::string::npos)
      << why_text(in, false);
  WhyInput twice = with_jobs(("[" + failed + "]").c_str());
  twice.vm.as_object()->emplace_back("status_reason", json::Value(std::string("its last start failed: no kernel")));
  EXPECT_EQ(why_text(twice, false).find("its last start"), std::string::npos) << "once is enough";
  EXPECT_EQ(next_steps(in),
            (std::vector<std::string>{"Put the file there.", "qarax job j1: the start that failed, step by step",
                                      "qarax start web: start it again, once that cause is gone"}));
  // An edit or resize may not have removed the cause, and jobs that still run or were superseded have proved nothing:
  // the failure stays relevant.
  for (const char* newer : {R"("edit","state":"completed")", R"("resize","state":"completed")",
                            R"("stop","state":"superseded")", R"("start","state":"running")"})
    EXPECT_EQ(text_of(last_failure(
                          with_jobs((R"([{"id":"j2","action":)" + std::string(newer) + "}," + failed + "]").c_str())),
                      "id"),
              "j1")
        << newer;
}

TEST(Why, AFailureThatIsOverIsNotTold) {
  const std::string failed = kFailed;
  for (const char* action : {"start", "restore", "force-stop"}) {
    const WhyInput in = with_jobs(
        (R"([{"id":"j2","state":"completed","action":")" + std::string(action) + "\"}," + failed + "]").c_str(),
        "running");
    EXPECT_TRUE(last_failure(in).is_null()) << action;
    EXPECT_EQ(why_text(in, false).find("last failed"), std::string::npos);
    EXPECT_EQ(next_steps(in).size(), 1u);
  }
  const WhyInput resized = with_jobs(
      R"([{"action":"resize","state":"completed"},{"id":"j","action":"resize","state":"failed","error":{"detail":"d"}},
          {"action":"create","state":"completed"}])");
  EXPECT_TRUE(last_failure(resized).is_null());
}

TEST(Why, NobodyIsSentToAConsoleThatThereIsNone) {
  WhyInput in = input(R"({"status":"running","desired_status":"running","hypervisor":"simulator"})");
  EXPECT_TRUE(next_steps(in)[0].starts_with("qarax console web --follow"));
  in.has_console = false;
  ASSERT_EQ(next_steps(in).size(), 1u);
  EXPECT_EQ(next_steps(in)[0],
            "qarax events web --follow: see what becomes of it; its hypervisor, simulator, has no console");
}

TEST(Why, AMissingConsoleSaysSo) {
  WhyInput in = input(R"({"id":"i","name":"web","status":"created","desired_status":"created"})");
  in.notes = {"no console: VM web has no console yet"};
  EXPECT_NE(why_text(in, false).find("no console: VM web has no console yet\n"), std::string::npos);
}

}  // namespace
}  // namespace qarax::cli
