#include "handlers/idempotency.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <set>

#include "fake_clock.hpp"
#include "handlers/fake_operations.hpp"
#include "handlers/vm_change_handlers.hpp"
#include "handlers/vm_handlers.hpp"
#include "http/problem.hpp"
#include "http/testing/raw_client.hpp"

namespace qarax::server {
namespace {

constexpr const char* kBody = R"({"name":"web","memory_size":134217728})";

class IdempotencyTest : public ::testing::Test {
 protected:
  IdempotencyTest() {
    add_vm_routes(router, *store, operations, renderer);
    add_vm_change_routes(router, *store, operations, renderer);
    router.add("POST", "/fails", [this](const http::Request& request) {
      ++handled;
      return refuse_with(request);
    });
    guard_changes(router, *store);
  }
  std::function<http::Response(const http::Request&)> refuse_with = [](const http::Request& request) {
    return http::problem_response(request, http::Problem("wrong-state", "not now"));
  };

  http::Response post(const std::string& path, const std::string& key, const std::string& body = "",
                      const std::string& other_key = "", bool dry_run = false) {
    http::Request request;
    request.method = "POST";
    request.path = request.target = path;
    request.request_id = "req";
    request.body = body;
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    if (!key.empty()) request.headers.add("Idempotency-Key", key);
    if (!other_key.empty()) request.headers.add("Idempotency-Key", other_key);
    if (dry_run) request.query.emplace_back("dry_run", "true");
    return router.find(request).route->handler(request);
  }
  static std::string header(const http::Response& response, std::string_view name) {
    return std::string(response.headers.find(name).value_or(""));
  }
  static bool is_problem(const http::Response& response, const std::string& slug) {
    return response.body.find("/problems/" + slug + "\"") != std::string::npos;
  }

  const std::shared_ptr<core::FakeClock> clock = std::make_shared<core::FakeClock>();
  testing::TempStore store{clock};
  testing::FakeOperations operations{*store};
  VmRenderer renderer{*store, {}};
  http::Router router;
  int handled = 0;
};

TEST_F(IdempotencyTest, TheSameRequestHasTheFirstAnswerAgain) {
  const auto first = post("/vms", "k1", kBody);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(header(first, "Idempotent-Replayed"), "");
  const auto again = post("/vms", "k1", kBody);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.content_type, first.content_type);
  EXPECT_EQ(header(again, "Location"), header(first, "Location"));
  EXPECT_EQ(header(again, "Idempotent-Replayed"), "true");
  EXPECT_EQ(store->vms().size(), 1u);
}

TEST_F(IdempotencyTest, AnotherBodyOrRouteIsRefused) {
  const auto first = post("/vms", "k1", kBody);
  EXPECT_TRUE(is_problem(post("/vms", "k1", R"({"name":"db","memory_size":134217728})"), "idempotency-key-reused"));
  EXPECT_TRUE(is_problem(post("/vms/" + first.body + "/start", "k1"), "idempotency-key-reused"));
  EXPECT_EQ(store->vms().size(), 1u);
}

TEST_F(IdempotencyTest, ADryRunIsNeitherKeptNorAnsweredFromWhatIsKept) {
  const auto looked = post("/vms", "k1", kBody, "", true);
  EXPECT_EQ(looked.status, 200) << looked.body;
  EXPECT_FALSE(store->kept_key("k1")->has_value());
  EXPECT_EQ(post("/vms", "k1", kBody).status, 201) << "the key is for the change itself";
  const auto again = post("/vms", "k1", kBody, "", true);
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(header(again, "Idempotent-Replayed"), "");
}

TEST_F(IdempotencyTest, AnActionIsCarriedOutOnce) {
  ASSERT_TRUE(store->add_host({"somewhere", "127.0.0.1", 1, ""}));
  const std::string id = post("/vms", "", kBody).body;
  const auto first = post("/vms/" + id + "/start", "k1");
  ASSERT_EQ(first.status, 200) << first.body;
  post("/vms/" + id + "/stop", "");
  const auto again = post("/vms/" + id + "/start", "k1");
  EXPECT_EQ(again.body, first.body) << "the first answer, although the VM has been stopped since";
  EXPECT_EQ(operations.calls.size(), 2u);
}

TEST_F(IdempotencyTest, WhatIsRefusedForGoodIsRefusedAgainAndWhatIsntIsTriedAgain) {
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(is_problem(post("/fails", "k1"), "wrong-state"));
  EXPECT_EQ(handled, 1);
  refuse_with = [](const http::Request& request) {
    return http::problem_response(request, http::Problem("node-unreachable", "away"));
  };
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(is_problem(post("/fails", "k2"), "node-unreachable"));
  EXPECT_EQ(handled, 3);
}

TEST_F(IdempotencyTest, AJobThatFailedForNowIsTriedAgainAndOneThatFailedForGoodIsNot) {
  ASSERT_TRUE(store->add_host({"somewhere", "127.0.0.1", 1, ""}));
  const std::string id = post("/vms", "", kBody).body;
  // Like the orchestrator: a repeated request gets the job's own error.
  Error failure = make_error(Code::resource_exhausted, "no memory left", "host-memory");
  refuse_with = [&](const http::Request& request) {
    const auto known = store->claimed_job();
    if (known && *known) return http::problem_response(request, http::Problem(*(*known)->error));
    BeginJob job;
    job.vm_id = id;
    job.expected_revision = store->vm(id)->revision;
    job.placement = Placement{store->hosts().front()->id, "simulator", 1, 1LL << 40};
    const auto begun = store->begin_job(job);
    EXPECT_TRUE(begun) << begun.error().message;
    (void)store->finish_job(begun->job.id, JobState::failed, std::nullopt, failure);
    return http::problem_response(request, http::Problem(failure));
  };
  const auto first = post("/fails", "k1");
  EXPECT_NE(header(first, "Retry-After"), "");
  failure = make_error(Code::internal, "QEMU ended", "vmm-failed");
  const auto second = post("/fails", "k1");
  EXPECT_TRUE(is_problem(second, "vmm-failed")) << second.body;
  EXPECT_EQ(header(second, "Idempotent-Replayed"), "") << "it was carried out anew";
  EXPECT_EQ(store->vm(id)->incarnation, 2);
  EXPECT_TRUE(is_problem(post("/fails", "k1"), "vmm-failed"));
  EXPECT_EQ(store->vm(id)->incarnation, 2) << "that is its answer";
}

TEST_F(IdempotencyTest, ThatAJobGoesOnIsNoAnswerForGood) {
  const auto host = *store->add_host({"somewhere", "127.0.0.1", 1, ""});
  refuse_with = [&](const http::Request& request) {
    const auto known = store->claimed_job();
    if (known && *known) return http::Response::text("done", 201);
    const auto begun = store->begin_host_job({HostAction::init_host, host->id});
    EXPECT_TRUE(begun);
    store->finish_host_job((*begun)->id, std::nullopt);  // the job ends just before its waiter gives up
    return http::problem_response(request, http::Problem("deadline-exceeded", "it goes on"));
  };
  EXPECT_EQ(post("/fails", "k1").status, 504);
  EXPECT_EQ(post("/fails", "k1").body, "done");
}

TEST_F(IdempotencyTest, WhileTheFirstIsBeingCarriedOutItIs409WithItsJob) {
  std::promise<void> go;
  std::promise<void> there;
  refuse_with = [&](const http::Request&) {
    EXPECT_TRUE(store->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
    there.set_value();
    go.get_future().wait();
    return http::Response::text("done", 201);
  };
  auto first = std::async(std::launch::async, [&] { return post("/fails", "k1"); });
  there.get_future().wait();
  const auto second = post("/fails", "k1");
  EXPECT_EQ(second.status, 409);
  EXPECT_TRUE(is_problem(second, "idempotency-in-progress"));
  const std::string job = store->jobs({}).value().front()->id;
  EXPECT_NE(second.body.find("\"job_id\":\"" + job + "\""), std::string::npos) << second.body;
  EXPECT_EQ(header(second, "Retry-After"), "1");
  EXPECT_TRUE(is_problem(post("/vms", "k1", kBody), "idempotency-key-reused"));
  go.set_value();
  EXPECT_EQ(first.get().status, 201);
  EXPECT_EQ(post("/fails", "k1").body, "done");
  EXPECT_EQ(handled, 1);
}

TEST_F(IdempotencyTest, KeysAreVisibleAscii) {
  for (const std::string& bad : {std::string("a b"), std::string(256, 'x'), std::string("\xc3\xa4")})
    EXPECT_TRUE(is_problem(post("/vms", bad, kBody), "bad-idempotency-key"));
  EXPECT_TRUE(is_problem(post("/vms", "k1", kBody, "k2"), "bad-idempotency-key")) << "which of the two?";
}

TEST_F(IdempotencyTest, AChangeIsNeverMadeTwiceForOneKey) {
  // The state after a kill between the commit and the answer: the key is bound to a job and no answer is kept.
  const auto claim = std::make_shared<Claim>("k1", "f");
  {
    const RequestScope scope("req", claim);
    ASSERT_TRUE(store->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
  }
  const auto kept = store->kept_key("k1");
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->fingerprint, "f");
  EXPECT_EQ((*kept)->job_id, claim->job_id());
  EXPECT_FALSE((*kept)->answer);
  const RequestScope scope("req", std::make_shared<Claim>("k1", "f", claim->job_id(), true));
  EXPECT_EQ(store->claimed_job().value()->vm_id, store->vms().front()->id);
  const auto twice = store->create_vm({"db", std::nullopt, "", std::nullopt, {}});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason, "idempotency-answer-lost");
}

TEST_F(IdempotencyTest, ASnapshotWhoseKeyIsForgottenIsAnotherOne) {
  const std::string id = post("/vms", "", kBody).body;
  ASSERT_EQ(post("/vms/" + id + "/start", "").status, 200);
  const std::string path = "/vms/" + id + "/snapshots";
  const auto first = post(path, "k1");
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(post(path, "k1").body, first.body);
  EXPECT_EQ(store->snapshots(id).size(), 1u);
  clock->run(std::chrono::hours(24) + std::chrono::seconds(1));
  const auto second = post(path, "k1");
  ASSERT_EQ(second.status, 201) << second.body;
  EXPECT_NE(header(second, "Location"), header(first, "Location"));
  const auto all = store->snapshots(id);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(header(first, "Location"), path + "/" + all[0]->id);
  EXPECT_EQ(all[0]->name, "snapshot-1");
}

TEST_F(IdempotencyTest, ASnapshotWhoseAnswerIsLostIsFoundAgainByItsJob) {
  ActionCall call;
  call.vm_id = post("/vms", "", kBody).body;
  call.action = core::Action::start;
  ASSERT_TRUE(operations.act(call));
  const auto claim = std::make_shared<Claim>("k1", "f");
  {
    const RequestScope scope("req", claim);
    call.action = core::Action::snapshot;
    call.arguments.snapshot = RequestScope::new_id();
    ASSERT_TRUE(operations.act(call));
  }
  const RequestScope scope("req", std::make_shared<Claim>("k1", "f", claim->job_id(), true));
  EXPECT_TRUE(store->snapshot(RequestScope::new_id()));
}

TEST_F(IdempotencyTest, ARefusedChangeBindsNothing) {
  ASSERT_TRUE(store->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
  {
    const RequestScope scope("req", std::make_shared<Claim>("k1", "f"));
    ASSERT_FALSE(store->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
  }
  EXPECT_FALSE(store->kept_key("k1").value());
}

TEST_F(IdempotencyTest, FiftyAtOnceMakeOneVm) {
  http::testing::TestServer server({}, router);
  std::vector<std::future<http::testing::Reply>> replies;
  const std::string body(kBody);
  for (int i = 0; i < 50; ++i)
    replies.push_back(std::async(std::launch::async, [&] {
      http::testing::RawClient client = server.client();
      return client
          .exchange(
              "POST /vms HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
              "Content-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body)
          .value();
    }));
  std::set<std::string> ids;
  for (auto& one : replies) {
    const auto reply = one.get();
    EXPECT_TRUE(reply.status == 201 || (reply.status == 409 && reply.is_problem("idempotency-in-progress")))
        << reply.body;
    if (reply.status == 201) ids.insert(reply.body);
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(store->vms().size(), 1u);
}

}  // namespace
}  // namespace qarax::server
