#include "handlers/host_truth.hpp"

#include <gtest/gtest.h>

#include "handlers/fake_host_truth.hpp"
#include "handlers/fake_operations.hpp"
#include "handlers/vm_renderer.hpp"
#include "http/target.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

class HostTruthTest : public ::testing::Test {
 protected:
  HostTruthTest() { add_host_truth_routes(router, truth, renderer); }
  http::Response call(const std::string& method, const std::string& target, bool async = false,
                      const std::string& if_match = "") {
    http::Request request;
    if (async) request.headers.set("Prefer", "respond-async");
    if (!if_match.empty()) request.headers.set("If-Match", if_match);
    request.method = method;
    EXPECT_FALSE(http::parse_target(target, request)) << target;
    return router.find(request).route->handler(request);
  }

  testing::TempStore store;
  VmRenderer renderer{*store, {}};
  testing::FakeHostTruth truth;
  http::Router router;
  const std::string host = "/hosts/" + core::new_uuid();
};

TEST_F(HostTruthTest, OnlyAConfirmedPlanIsCarriedOut) {
  truth.planned.plan = "abc";
  for (const char* query : {"", "?dry_run=true", "?dry_run&plan=abc"}) {
    const auto response = call("POST", host + "/adopt" + query);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find("\"applied\":false"), std::string::npos);
    EXPECT_EQ(truth.confirmed, "") << query;
  }
  const auto response = call("POST", host + "/adopt?plan=abc");
  EXPECT_NE(response.body.find("\"applied\":true"), std::string::npos);
  EXPECT_EQ(truth.confirmed, "abc");
  EXPECT_EQ(call("POST", host + "/adopt?dry_run=perhaps").status, 400);
}

TEST_F(HostTruthTest, AnUnmanagedVmIsAdoptedOrRemovedByItsId) {
  const std::string vm = core::new_uuid();
  truth.vms.push_back({vm, "web", api::AdoptAction::create, VmState::running, "qemu", 1, 2, ""});
  EXPECT_NE(call("GET", host + "/unmanaged").body.find(vm), std::string::npos);
  truth.adopted = *store->create_vm({"web", std::nullopt, "", std::nullopt, {}});
  const auto adopted = call("POST", host + "/unmanaged/" + vm + "/adopt");
  EXPECT_NE(adopted.body.find("\"name\":\"web\""), std::string::npos);
  EXPECT_EQ(adopted.headers.find("ETag"), renderer.etag(truth.adopted));
  for (const bool async : {false, true})
    EXPECT_EQ(call("DELETE", host + "/unmanaged/" + vm, async, "\"a-b\"").status, 412) << "it has no version";
  EXPECT_EQ(truth.removed, "");
  EXPECT_FALSE(truth.begun);
  EXPECT_EQ(call("DELETE", host + "/unmanaged/" + core::new_uuid(), false, "*").status, 204);
  EXPECT_EQ(call("DELETE", host + "/unmanaged/" + vm).status, 204);
  EXPECT_EQ(truth.removed, vm);
  EXPECT_EQ(call("DELETE", host + "/unmanaged/web").status, 400);
}

TEST_F(HostTruthTest, ADryRunNeitherAdoptsNorRemoves) {
  const std::string vm = core::new_uuid();
  truth.adopted = *store->create_vm({"web", std::nullopt, "", std::nullopt, {}});
  const auto adopted = call("POST", host + "/unmanaged/" + vm + "/adopt?dry_run");
  EXPECT_EQ(adopted.content_type, "application/vnd.qarax.dry-run+json") << adopted.body;
  EXPECT_NE(adopted.body.find("VM web"), std::string::npos);
  EXPECT_EQ(truth.taken, "");
  const auto removed = call("DELETE", host + "/unmanaged/" + vm + "?dry_run=true");
  EXPECT_EQ(removed.content_type, "application/vnd.qarax.dry-run+json") << removed.body;
  EXPECT_EQ(truth.removed, "");
  EXPECT_NE(call("POST", host + "/leftovers/collect?dry_run").body.find("\"removed\":false"), std::string::npos);
  for (const char* path :
       {"/leftovers/collect?dry_run=x", "/unmanaged/00000000-0000-4000-8000-000000000000/adopt?dry_run=x"})
    EXPECT_EQ(call("POST", host + path).status, 400) << path;
  truth.failure = make_error(Code::not_found, "none", "vm-not-found");
  EXPECT_EQ(call("DELETE", host + "/unmanaged/" + vm + "?dry_run=true").status, 404);
}

TEST_F(HostTruthTest, LeftoversAreRemovedOnlyByTheirOwnCall) {
  EXPECT_NE(call("GET", host + "/leftovers").body.find("\"removed\":false"), std::string::npos);
  EXPECT_NE(call("POST", host + "/leftovers/collect").body.find("\"removed\":true"), std::string::npos);
}

TEST_F(HostTruthTest, WhatIsNotWaitedForIsAnsweredWithItsJob) {
  const std::string vm = core::new_uuid();
  for (const auto& [method, path, action] :
       {std::tuple("POST", std::string("/leftovers/collect"), HostAction::collect_leftovers),
        std::tuple("DELETE", "/unmanaged/" + vm, HostAction::remove_unmanaged)}) {
    const auto response = call(method, host + path, true);
    EXPECT_EQ(response.status, 202) << response.body;
    EXPECT_EQ(response.headers.find("Location"), "/jobs/j1");
    ASSERT_TRUE(truth.begun);
    EXPECT_EQ(truth.begun->action, to_string(action));
    EXPECT_EQ(truth.removed, "");
  }
  EXPECT_EQ(truth.begun->vm_id, vm);
  EXPECT_EQ(call("POST", host + "/adopt?plan=p1", true).headers.find("Location"), "/jobs/j1");
  EXPECT_EQ(truth.begun->action, to_string(HostAction::adopt_host));
  EXPECT_EQ(truth.confirmed, "p1");
  EXPECT_EQ(call("POST", host + "/adopt", true).status, 200) << "the plan alone is no job";
  EXPECT_EQ(call("DELETE", host + "/unmanaged/" + vm + "?dry_run=true", true).status, 200);
}

TEST_F(HostTruthTest, ReasonsHaveTheirOwnProblemTypes) {
  const std::pair<const char*, int> kinds[] = {{"plan-changed", 409},
                                               {"other-node", 409},
                                               {"node-outdated", 501},
                                               {"read-only", 503},
                                               {"node-unreachable", 503}};
  for (const auto& [reason, status] : kinds) {
    truth.failure = make_error(Code::unknown, "no", reason);
    const auto response = call("POST", host + "/adopt?plan=abc");
    EXPECT_EQ(response.status, status);
    EXPECT_NE(response.body.find(std::string("/") + reason + "\""), std::string::npos) << response.body;
  }
}

}  // namespace
}  // namespace qarax::server
