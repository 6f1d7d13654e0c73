// Entity tags across reports and restarts.
#include <gtest/gtest.h>

#include <map>

#include "handlers/handlers_fixture.hpp"
#include "temp_folder.hpp"

namespace qarax::server {
namespace {

std::string tag_of(const http::Response& response) {
  return std::string(response.headers.find("ETag").value_or("(none)"));
}

TEST_F(HandlersTest, AReportBetweenLookAndEditIsNoChangeOfWhatTheTagNames) {
  const std::string id = create("web");
  call("POST", "/vms/" + id + "/start");
  const VmPtr vm = store->vm(id);
  core::VmReport report;
  report.vm = id;
  report.incarnation = vm->incarnation;
  report.session = vm->observed.session;
  report.status = vm->observed.status;
  report.observed_at = "2026-01-01T00:00:00.000Z";
  report.seq = vm->observed.seq;
  const auto look_again = [&] {
    ++report.seq;
    ASSERT_TRUE(store->apply_report(*vm->host_id, report));
  };
  const std::string tag = tag_of(call("GET", "/vms/" + id));
  look_again();
  EXPECT_EQ(tag_of(call("GET", "/vms/" + id)), tag) << "only the time of the look is another one";
  operations.before_edit = [&] {
    operations.before_edit = nullptr;
    look_again();
  };
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"description":"one"})", {{"If-Match", tag}}).status, 200);
  const std::string now = tag_of(call("GET", "/vms/" + id));
  report.status.state = VmState::paused;
  look_again();
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"description":"two"})", {{"If-Match", now}})),
            "412 precondition-failed")
      << "what is seen is another thing";
}

TEST_F(HandlersTest, ASnapshotIsDeletedAsItWasSeen) {
  const std::string vm = "/vms/" + create("web");
  call("POST", vm + "/start");
  call("POST", vm + "/snapshots", "", {{"Prefer", "respond-async"}});
  const SnapshotPtr creating = store->snapshots(vm.substr(5)).at(0);
  const std::string path = vm + "/snapshots/" + creating->id;
  const std::string before = tag_of(call("GET", path));
  EXPECT_EQ(call("GET", path, "", {{"If-None-Match", before}}).status, 304);
  core::VmReport report;
  report.snapshot = core::SnapshotFacts{creating->id, 4096};
  ASSERT_TRUE(store->finish_job(store->unfinished_jobs().at(0).id, JobState::completed, report));
  EXPECT_EQ(problem(call("DELETE", path, "", {{"If-Match", before}})), "412 precondition-failed");
  ASSERT_TRUE(store->snapshot(creating->id));
  const auto now = call("GET", path, "", {{"If-None-Match", before}});
  EXPECT_EQ(now.status, 200);
  EXPECT_EQ(call("DELETE", path, "", {{"If-Match", tag_of(now)}}).status, 204);
  EXPECT_TRUE(operations.calls.back().expected_version) << "once more where it is done";
}

TEST_F(HandlersTest, AJobIsCancelledAsItWasSeen) {
  const std::string vm = "/vms/" + create("web");
  const auto accepted = call("POST", vm + "/start", "", {{"Prefer", "respond-async"}});
  const std::string path(accepted.headers.find("Location").value_or(""));
  const std::string before = tag_of(call("GET", path));
  EXPECT_EQ(call("GET", path, "", {{"If-None-Match", before}}).status, 304);
  store->job_book().update(path.substr(6), [](Job& job) { job.steps.push_back({"node", {}, "", {}, {}}); });
  EXPECT_EQ(problem(call("DELETE", path, "", {{"If-Match", before}})), "412 precondition-failed");
  EXPECT_EQ(text(parsed(call("GET", path)), "state"), "running");
  const auto cancelled = call("DELETE", path, "", {{"If-Match", tag_of(call("GET", path))}});
  EXPECT_EQ(cancelled.status, 200);
  EXPECT_EQ(tag_of(cancelled), tag_of(call("GET", path)));
}

TEST_F(HandlersTest, LinesOfOneNameAreOneList) {
  const std::string id = create("web");
  const auto ask = [&](const std::string& method, const std::string& path, const HeaderList& lines,
                       const std::string& body = "") {
    http::Request request;
    request.method = method;
    request.request_id = "req-1";
    EXPECT_FALSE(http::parse_target(path, request));
    request.body = body;
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    for (const auto& [name, value] : lines) request.headers.add(name, value);
    return router.find(request).route->handler(request);
  };
  const std::string vm = "/vms/" + id;
  const std::string tag = tag_of(call("GET", vm));
  EXPECT_EQ(ask("GET", vm, {{"If-None-Match", "\"old\""}, {"if-none-match", tag}}).status, 304);
  EXPECT_EQ(ask("PATCH", vm, {{"If-Match", "\"old\""}, {"If-Match", tag}}, R"({"description":"new"})").status, 200);
  EXPECT_EQ(ask("PATCH", vm, {{"If-Match", "\"old\""}, {"If-Match", tag}}, R"({"description":"newer"})").status, 412);
  EXPECT_EQ(ask("POST", vm + "/start", {{"Prefer", "wait=5"}, {"Prefer", "respond-async"}}).status, 202);
  const auto created =
      ask("POST", "/vms", {{"Accept", "text/plain;q=0.5"}, {"Accept", "application/json"}}, R"({"name":"db"})");
  EXPECT_EQ(created.content_type, "application/json");
}

// A server on a database that a previous one may have left.
struct Served {
  explicit Served(const std::string& file) : store(open_sqlite(file).value()) {
    add_vm_routes(router, *store, operations, renderer);
    add_host_routes(router, *store, operations);
  }
  http::Response call(const std::string& method, const std::string& path, const std::string& body = "",
                      const HeaderList& headers = {}) {
    http::Request request;
    request.method = method;
    request.path = request.target = path;
    request.body = body;
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    return router.find(request).route->handler(request);
  }
  std::string etag(const std::string& path) { return std::string(*call("GET", path).headers.find("ETag")); }

  std::unique_ptr<Store> store;
  testing::FakeOperations operations{*store};
  VmRenderer renderer{*store, {}};
  http::Router router;
};

class EtagTest : public ::testing::Test {
 protected:
  EtagTest() { open(); }
  void open() {
    served_.reset();
    served_ = std::make_unique<Served>(folder_ / "qarax.db");
  }
  TempFolder folder_;
  std::unique_ptr<Served> served_;
};

TEST_F(EtagTest, NamesTheSameVersionAfterARestart) {
  const std::string host = "/hosts/" + served_->call("POST", "/hosts", R"({"name":"a","address":"::1","port":1})").body;
  const std::string idle = "/vms/" + served_->call("POST", "/vms", R"({"name":"idle"})").body;
  const std::string ran = "/vms/" + served_->call("POST", "/vms", R"({"name":"ran","hypervisor":"simulator"})").body;
  const std::string runs = "/vms/" + served_->call("POST", "/vms", R"({"name":"runs","hypervisor":"simulator"})").body;
  for (const std::string& vm : {ran, runs}) ASSERT_EQ(served_->call("POST", vm + "/start").status, 200);
  ASSERT_EQ(served_->call("POST", ran + "/force-stop").status, 200);
  core::NodeInfo info;
  info.default_hypervisor = "qemu";
  served_->store->update_host(host.substr(7), HostStatus::up, "", info);
  std::map<std::string, std::string> tags;
  for (const std::string& path : {host, idle, ran, runs}) tags[path] = served_->etag(path);
  const VmPtr before = served_->store->vm(runs.substr(5));

  open();
  EXPECT_EQ(served_->etag(ran), tags[ran]);
  EXPECT_NE(served_->etag(runs), tags[runs]) << "it is unknown now, and a reader has to see that";
  for (const auto& [path, tag] : tags)
    EXPECT_EQ(served_->call("PATCH", path, "{}", {{"If-Match", "\"x-y\", " + tag}}).status, 200) << path;

  open();
  info.session = "another";
  served_->store->update_host(host.substr(7), HostStatus::up, "", info);
  core::VmReport report;
  report.vm = before->id;
  report.incarnation = before->incarnation;
  report.session = info.session;
  report.status = before->observed.status;
  ASSERT_TRUE(served_->store->apply_report(*before->host_id, report));
  // The empty patches above changed updated_at and so the tags.
  ASSERT_EQ(served_->call("PATCH", runs, R"({"description":"mine"})").status, 200);
  const std::string mine = served_->etag(runs);
  open();
  EXPECT_EQ(served_->call("PATCH", runs, "{}", {{"If-Match", tags[runs]}}).status, 412) << "somebody changed it";
  EXPECT_EQ(served_->call("PATCH", runs, R"({"description":"next"})", {{"If-Match", mine}}).status, 200);
}

TEST_F(EtagTest, WhatIsSeenAgainAsItWasHasTheSameTag) {
  const std::string host = served_->call("POST", "/hosts", R"({"name":"a","address":"::1","port":1})").body;
  const std::string runs = "/vms/" + served_->call("POST", "/vms", R"({"name":"runs","hypervisor":"simulator"})").body;
  ASSERT_EQ(served_->call("POST", runs + "/start").status, 200);
  core::NodeInfo info;
  info.default_hypervisor = "qemu";
  served_->store->update_host(host, HostStatus::up, "", info);
  const std::string tag = served_->etag(runs);
  const std::string of_host = served_->etag("/hosts/" + host);
  const VmPtr before = served_->store->vm(runs.substr(5));
  open();
  info.session = "another";
  served_->store->update_host(host, HostStatus::up, "", info);
  core::VmReport report;
  report.vm = before->id;
  report.incarnation = before->incarnation;
  report.session = info.session;
  report.observed_at = "2030-01-01T00:00:00.000Z";
  report.status = before->observed.status;
  ASSERT_TRUE(served_->store->apply_report(host, report));
  EXPECT_EQ(served_->etag(runs), tag);
  EXPECT_EQ(served_->etag("/hosts/" + host), of_host);
  EXPECT_EQ(served_->call("GET", runs, "", {{"If-None-Match", tag}}).status, 304);
}

}  // namespace
}  // namespace qarax::server
