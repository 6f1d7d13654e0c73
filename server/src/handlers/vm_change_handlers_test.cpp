#include <gtest/gtest.h>

#include "handlers/handlers_fixture.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

constexpr const char* kNobody = "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55";

class VmChanges : public HandlersTest {
 protected:
  std::string running() {
    const std::string id = create("web");
    EXPECT_EQ(call("POST", "/vms/" + id + "/start").status, 200);
    return "/vms/" + id;
  }
  static std::int64_t number(const json::Value& document, std::string_view name) {
    const json::Value* value = document.find(name);
    return value != nullptr && value->as_int() != nullptr ? *value->as_int() : -1;
  }
};

TEST_F(VmChanges, AResizeAnswersTheVmInItsNewSize) {
  const std::string vm = running();
  const auto resized = call("PUT", vm + "/resize", R"({"desired_vcpus":1,"desired_ram":268435456})");
  EXPECT_EQ(resized.status, 200) << resized.body;
  EXPECT_EQ(number(parsed(resized), "memory_size"), 268435456);
  EXPECT_EQ(operations.calls.back().arguments.resize.vcpus, 1);
  EXPECT_EQ(operations.calls.back().arguments.resize.memory, 268435456);
}

TEST_F(VmChanges, WhatIsNoSizeIsRefusedWithItsPointer) {
  const std::string vm = running();
  EXPECT_EQ(problem(call("PUT", vm + "/resize", "{}")), "422 validation");
  EXPECT_EQ(problem(call("PUT", vm + "/resize", R"({"desired_vcpus":0})")), "422 validation");
  EXPECT_EQ(problem(call("PUT", vm + "/resize", R"({"desired_ram":"1G"})")), "422 validation");
  EXPECT_EQ(problem(call("PUT", vm + "/resize", R"({"vcpus":1})")), "422 validation");
  EXPECT_EQ(problem(call("PUT", vm + "/resize", "{")), "400 bad-json");
  EXPECT_EQ(operations.calls.size(), 1u) << "the start";
}

TEST_F(VmChanges, ASnapshotIsTakenListedShownRestoredAndDeleted) {
  const std::string vm = running();
  const auto taken = call("POST", vm + "/snapshots", R"({"name":"before"})");
  ASSERT_EQ(taken.status, 201) << taken.body;
  const json::Value snapshot = parsed(taken);
  const std::string path = vm + "/snapshots/" + text(snapshot, "id");
  EXPECT_EQ(taken.headers.find("Location"), path);
  EXPECT_EQ(text(snapshot, "name"), "before");
  EXPECT_EQ(text(snapshot, "status"), "ready");
  EXPECT_EQ(number(snapshot, "size"), 4096);
  EXPECT_EQ(problem(call("POST", vm + "/snapshots", R"({"name":"before"})")), "409 name-taken");
  EXPECT_EQ(text(parsed(call("POST", vm + "/snapshots")), "name"), "snapshot-1");
  EXPECT_EQ(parsed(call("GET", vm + "/snapshots")).as_array()->size(), 2u);
  EXPECT_EQ(parsed(call("GET", vm + "/snapshots?name=before")).as_array()->size(), 1u);
  EXPECT_EQ(call("GET", path).body, taken.body);

  EXPECT_EQ(problem(call("POST", vm + "/restore", R"({"snapshot_id":")" + text(snapshot, "id") + R"("})")),
            "409 wrong-state");
  EXPECT_EQ(call("PUT", vm + "/resize", R"({"desired_ram":268435456})").status, 200);
  EXPECT_EQ(call("POST", vm + "/stop").status, 200);
  const auto restored = call("POST", vm + "/restore", R"({"snapshot_id":")" + text(snapshot, "id") + R"("})");
  EXPECT_EQ(restored.status, 200) << restored.body;
  EXPECT_EQ(text(parsed(restored), "status"), "running");
  EXPECT_EQ(number(parsed(restored), "memory_size"), 512LL << 20) << "the size that it had then";

  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(problem(call("GET", path)), "404 snapshot-not-found");
  EXPECT_EQ(problem(call("DELETE", path)), "404 snapshot-not-found");
}

TEST_F(VmChanges, ASnapshotOfAnotherVmIsNoneOfThisOnes) {
  const std::string vm = running();
  const std::string id = text(parsed(call("POST", vm + "/snapshots")), "id");
  const std::string other = "/vms/" + create("other");
  EXPECT_EQ(problem(call("GET", other + "/snapshots/" + id)), "404 snapshot-not-found");
  EXPECT_EQ(problem(call("POST", other + "/restore", R"({"snapshot_id":")" + id + R"("})")), "404 snapshot-not-found");
  EXPECT_EQ(problem(call("GET", vm + "/snapshots/" + kNobody)), "404 snapshot-not-found");
  EXPECT_EQ(problem(call("GET", vm + "/snapshots/x")), "400 bad-uuid");
  EXPECT_EQ(problem(call("POST", vm + "/restore", R"({"snapshot_id":"x"})")), "422 validation");
  EXPECT_EQ(problem(call("POST", vm + "/snapshots", R"({"name":"../x"})")), "422 validation");
}

TEST_F(VmChanges, InTheBackgroundWhereTheClientPrefersIt) {
  const std::string vm = running();
  const auto accepted = call("POST", vm + "/snapshots", "", {{"Prefer", "respond-async"}});
  EXPECT_EQ(accepted.status, 202);
  EXPECT_EQ(accepted.headers.find("Location"), "/jobs/" + text(parsed(accepted), "job_id"));
  const json::Value snapshot = (*parsed(call("GET", vm + "/snapshots")).as_array())[0];
  EXPECT_EQ(text(snapshot, "status"), "creating");
  const std::string job(*accepted.headers.find("Location"));
  EXPECT_EQ(text(parsed(call("GET", job)), "result"), "(none)") << "not before it is there";
  (void)store->finish_job(job.substr(6), JobState::completed, std::nullopt);
  EXPECT_EQ(text(parsed(call("GET", job)), "result"), vm + "/snapshots/" + text(snapshot, "id"));
  EXPECT_EQ(call("GET", text(parsed(call("GET", job)), "result")).status, 200);
}

TEST_F(VmChanges, MetricsAreTheCounters) {
  const std::string vm = running();
  const auto counted = call("GET", vm + "/metrics");
  EXPECT_EQ(counted.status, 200);
  EXPECT_EQ(counted.body,
            R"({"vm_id":")" + vm.substr(5) + R"(","counters":[{"name":"exits","value":7,"unit":"count"}]})");
  operations.failure = make_error(Code::failed_precondition, "no", "unsupported-by-hypervisor");
  EXPECT_EQ(problem(call("GET", vm + "/metrics")), "422 unsupported-by-hypervisor");
}

TEST_F(VmChanges, AFullDiskHasItsOwnAnswer) {
  const std::string vm = running();
  operations.failure = make_error(Code::resource_exhausted, "the disk is full", "disk-full");
  EXPECT_EQ(problem(call("POST", vm + "/snapshots")), "507 disk-full");
}

}  // namespace
}  // namespace qarax::server
