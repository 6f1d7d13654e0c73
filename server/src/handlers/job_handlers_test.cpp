#include "handlers/job_handlers.hpp"

#include <gtest/gtest.h>

#include <future>

#include "handlers/fake_operations.hpp"
#include "handlers/vm_handlers.hpp"
#include "http/target.hpp"
#include "request_scope.hpp"

namespace qarax::server {
namespace {

class JobHandlersTest : public ::testing::Test {
 protected:
  JobHandlersTest() {
    add_vm_routes(router, *store, operations, renderer);
    add_job_routes(router, *store, operations);
  }
  http::Response call(const std::string& method, const std::string& target, const std::string& prefer = "") {
    http::Request request;
    request.method = method;
    request.request_id = "req-1";
    EXPECT_FALSE(http::parse_target(target, request)) << target;
    if (!prefer.empty()) request.headers.set("Prefer", prefer);
    return router.find(request).route->handler(request);
  }
  static json::Value parsed(const http::Response& response) {
    auto value = json::parse(response.body);
    EXPECT_TRUE(value) << response.body;
    return value ? *value : json::Value();
  }
  static std::string text(const json::Value& document, std::string_view name) {
    const json::Value* value = document.find(name);
    return value != nullptr && value->as_string() != nullptr ? *value->as_string() : "(none)";
  }
  std::string vm(const std::string& name) {
    const RequestScope scope("req-" + name);
    return store->create_vm({name, std::nullopt, "", std::nullopt, {}}).value()->id;
  }
  // The id of the job of a start whose outcome its node hasn't reported.
  std::string starting(const std::string& name) {
    const auto accepted = call("POST", "/vms/" + vm(name) + "/start", "respond-async");
    EXPECT_EQ(accepted.status, 202);
    const std::string location(accepted.headers.find("Location").value_or(""));
    EXPECT_EQ(location, "/jobs/" + text(parsed(accepted), "job_id"));
    return location.substr(6);
  }

  testing::TempStore store;
  testing::FakeOperations operations{*store};
  VmRenderer renderer{*store, {}};
  http::Router router;
};

TEST_F(JobHandlersTest, TheLocationOf202Answers) {
  const std::string id = starting("web");
  const auto job = parsed(call("GET", "/jobs/" + id));
  EXPECT_EQ(text(job, "state"), "running");
  EXPECT_EQ(text(job, "action"), "start");
  EXPECT_EQ(text(job, "vm_name"), "web");
  EXPECT_EQ(text(job, "request_id"), "");
  EXPECT_EQ(*job.find("cancellable")->as_bool(), true);
  EXPECT_EQ(*job.find("progress")->as_int(), 50);
  ASSERT_EQ(job.find("steps")->as_array()->size(), 1u);
  (void)store->finish_job(id, JobState::failed, std::nullopt, make_error(Code::internal, "QEMU ended", "vmm-failed"));
  const auto ended = parsed(call("GET", "/jobs/" + id));
  EXPECT_EQ(text(ended, "state"), "failed");
  EXPECT_EQ(text(*ended.find("error"), "type"), "https://qarax.dev/problems/vmm-failed");
  EXPECT_EQ(*ended.find("cancellable")->as_bool(), false);
}

TEST_F(JobHandlersTest, HowFarItsNodeIsRefinesTheProgressUntilItsEnd) {
  const std::string id = starting("web");
  const auto shown = [&](std::int64_t done, std::int64_t total) {
    store->job_book().update(id, [&](Job& job) { job.progress = JobProgress{"memory", done, total}; });
    return parsed(call("GET", "/jobs/" + id));
  };
  EXPECT_TRUE(parsed(call("GET", "/jobs/" + id)).find("progress_detail")->is_null());
  const auto half = shown(2, 4);
  EXPECT_EQ(*half.find("progress")->as_int(), 75);
  const json::Value* detail = half.find("progress_detail");
  ASSERT_NE(detail, nullptr);
  EXPECT_EQ(text(*detail, "step"), "memory");
  EXPECT_EQ(*detail->find("done")->as_int(), 2);
  EXPECT_EQ(*detail->find("total")->as_int(), 4);
  EXPECT_EQ(*shown(3, 0).find("progress")->as_int(), 50) << "of how much isn't known";
  EXPECT_EQ(*shown(9, 4).find("progress")->as_int(), 99) << "it is done when its node says so";
  (void)store->finish_job(id, JobState::completed, std::nullopt, std::nullopt);
  const auto ended = parsed(call("GET", "/jobs/" + id));
  EXPECT_EQ(*ended.find("progress")->as_int(), 100);
  EXPECT_TRUE(ended.find("progress_detail")->is_null());
}

TEST_F(JobHandlersTest, ACreateIsAJobThatIsDone) {
  const std::string made = vm("web");
  const auto jobs = parsed(call("GET", "/jobs?vm_id=" + made));
  ASSERT_EQ(jobs.as_array()->size(), 1u);
  const json::Value& job = jobs.as_array()->front();
  EXPECT_EQ(text(job, "action"), "create");
  EXPECT_EQ(text(job, "state"), "completed");
  EXPECT_EQ(text(job, "result"), "/vms/" + made);
  EXPECT_EQ(text(job, "request_id"), "req-web");
}

TEST_F(JobHandlersTest, WhatCameOfAHostsJobIsShown) {
  const auto host = store->add_host({"somewhere", "127.0.0.1", 1, ""});
  const auto begun = store->begin_host_job({HostAction::collect_leftovers, (*host)->id, "", 0, R"({"leftovers":[]})"});
  ASSERT_TRUE(begun) << begun.error().message;
  const std::string path = "/jobs/" + (*begun)->id;
  EXPECT_TRUE(parsed(call("GET", path)).find("outcome")->is_null()) << "not yet";
  store->finish_host_job((*begun)->id, std::nullopt, R"({"leftovers":[{"name":"qx1"}]})");
  const json::Value job = parsed(call("GET", path));
  EXPECT_EQ(json::to_text(*job.find("outcome")), R"({"leftovers":[{"name":"qx1"}]})");
  EXPECT_TRUE(parsed(call("GET", "/jobs/" + starting("web"))).find("outcome")->is_null());
}

TEST_F(JobHandlersTest, WaitAnswersAtTheEnd) {
  const std::string id = starting("web");
  EXPECT_EQ(text(parsed(call("GET", "/jobs/" + id + "?wait=1ms")), "state"), "running");
  auto waiting = std::async(std::launch::async, [&] { return call("GET", "/jobs/" + id + "?wait=2m"); });
  (void)store->finish_job(id, JobState::completed, std::nullopt);
  EXPECT_EQ(text(parsed(waiting.get()), "state"), "completed");
  for (const char* bad : {"soon", "3m", "-1", ""})
    EXPECT_EQ(call("GET", "/jobs/" + id + "?wait=" + bad).status, 400) << bad;
}

TEST_F(JobHandlersTest, AnEndingServerKeepsNobodyWaiting) {
  const std::string id = starting("web");
  auto waiting = std::async(std::launch::async, [&] { return call("GET", "/jobs/" + id + "?wait=2m"); });
  store->job_book().stop_waiting();
  EXPECT_EQ(text(parsed(waiting.get()), "state"), "running");
}

TEST_F(JobHandlersTest, OnlySoManyWait) {
  router = http::Router();
  add_vm_routes(router, *store, operations, renderer);
  add_job_routes(router, *store, operations, 1);
  const std::string id = starting("web");
  std::promise<void> told;
  const auto wait = [&] {
    auto response = call("GET", "/jobs/" + id + "?wait=2m");
    if (response.status == 503) told.set_value();
    return response;
  };
  std::future<http::Response> both[] = {std::async(std::launch::async, wait), std::async(std::launch::async, wait)};
  ASSERT_EQ(told.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ(call("GET", "/jobs/" + id).status, 200) << "who doesn't wait needs no place";
  (void)store->finish_job(id, JobState::completed, std::nullopt);
  int refused = 0;
  for (auto& one : both) {
    const auto response = one.get();
    if (response.status == 200) continue;
    ++refused;
    EXPECT_EQ(text(parsed(response), "type"), "https://qarax.dev/problems/overloaded");
    EXPECT_EQ(response.headers.find("Retry-After"), "1");
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(call("GET", "/jobs/" + id + "?wait=2m").status, 200) << "it has ended";
  EXPECT_EQ(call("GET", "/jobs/" + starting("db") + "?wait=1ms").status, 200) << "and room again afterwards";
}

TEST_F(JobHandlersTest, ListsArePagedNewestFirst) {
  for (int i = 0; i < 5; ++i) vm("vm" + std::to_string(i));
  std::vector<std::string> seen;
  std::string target = "/jobs?limit=2&state=completed";
  while (!target.empty()) {
    const auto page = call("GET", target);
    ASSERT_EQ(page.status, 200) << page.body;
    const auto jobs = parsed(page);
    for (const json::Value& job : *jobs.as_array()) seen.push_back(text(job, "vm_name"));
    const std::string link(page.headers.find("Link").value_or(""));
    target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
    EXPECT_TRUE(target.empty() || target.find("state=completed") != std::string::npos);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"vm0", "vm1", "vm2", "vm3", "vm4"}));
  EXPECT_EQ(parsed(call("GET", "/jobs?state=running")).as_array()->size(), 0u);
  for (const char* bad : {"/jobs?state=done", "/jobs?limit=0", "/jobs?cursor=x", "/jobs?vm_id=x"})
    EXPECT_EQ(call("GET", bad).status, 400) << bad;
}

TEST_F(JobHandlersTest, DeleteCancels) {
  const std::string id = starting("web");
  const auto dry = call("DELETE", "/jobs/" + id + "?dry_run=true");
  EXPECT_EQ(dry.status, 200);
  EXPECT_EQ(text(parsed(dry), "action"), "cancel");
  EXPECT_EQ(text(parsed(call("GET", "/jobs/" + id)), "state"), "running");
  EXPECT_EQ(call("DELETE", "/jobs/" + id + "?dry_run=perhaps").status, 400);
  EXPECT_EQ(call("DELETE", "/jobs/" + id, "respond-async").status, 202);
  const auto done = call("DELETE", "/jobs/" + id);
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(text(parsed(done), "state"), "cancelled");
  operations.failure = make_error(Code::failed_precondition, "it has ended", "job-finished");
  EXPECT_EQ(call("DELETE", "/jobs/" + id).status, 409);
  EXPECT_EQ(call("GET", "/jobs/6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55").status, 404);
  EXPECT_EQ(call("GET", "/jobs/x").status, 400);
}

TEST_F(JobHandlersTest, ProgressIsShownAndDoesntKeepACancelFromItsJob) {
  const std::string id = starting("web");
  const auto tell = [&](std::int64_t done) {
    store->job_book().update(id, [&](Job& job) { job.progress = JobProgress{"memory", done, 4}; });
  };
  const auto ask = [&](const std::string& method, std::string_view condition, const std::string& tag) {
    http::Request request;
    request.method = method;
    EXPECT_FALSE(http::parse_target("/jobs/" + id, request));
    request.headers.set(condition, tag);
    request.headers.set("Prefer", "respond-async");  // so that the job still runs after a DELETE
    return router.find(request).route->handler(request);
  };
  const auto tag = [&] { return std::string(call("GET", "/jobs/" + id).headers.find("ETag").value_or("")); };
  const std::string untold = tag();
  tell(1);
  const std::string told = tag();
  EXPECT_EQ(ask("GET", "If-None-Match", told).status, 304);
  tell(2);
  EXPECT_EQ(ask("GET", "If-None-Match", told).status, 200) << "there is something new to show";
  for (const std::string& known : {untold, told}) EXPECT_EQ(ask("DELETE", "If-Match", known).status, 202) << known;
  (void)store->finish_job(id, JobState::failed, std::nullopt, make_error(Code::internal, "QEMU ended", "vmm-failed"));
  EXPECT_EQ(ask("DELETE", "If-Match", told).status, 412) << "the job has ended";
}

TEST_F(JobHandlersTest, WhatIsNoLongerInMemoryIsReadFromTheDatabase) {
  const std::string first = vm("first");
  const std::string job = text(parsed(call("GET", "/jobs?vm_id=" + first)).as_array()->front(), "id");
  for (int i = 0; i < 1100; ++i) vm("vm" + std::to_string(i));
  EXPECT_EQ(store->job_book().find(job), nullptr);
  EXPECT_EQ(text(parsed(call("GET", "/jobs/" + job)), "vm_name"), "first");
  Retention few;
  few.jobs = 10;
  ASSERT_TRUE(store->prune(few));
  EXPECT_EQ(call("GET", "/jobs/" + job).status, 404);
}

}  // namespace
}  // namespace qarax::server
