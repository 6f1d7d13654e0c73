#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "api/openapi.hpp"
#include "handlers/handlers_fixture.hpp"
#include "http/testing/string_sink.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

TEST_F(HandlersTest, CreateAnswersTheBareIdAsText) {
  const auto response = call("POST", "/vms", R"({"name":"web"})");
  EXPECT_EQ(response.status, 201);
  EXPECT_TRUE(response.content_type.starts_with("text/plain"));
  EXPECT_TRUE(core::is_uuid(response.body)) << response.body;
  EXPECT_EQ(response.headers.find("Location"), "/vms/" + response.body);
}

TEST_F(HandlersTest, CreateAnswersTheVmWhereJsonIsPreferred) {
  const auto created = [&](const std::string& name, const std::string& accept) {
    return call("POST", "/vms", R"({"name":")" + name + R"("})", {{"Accept", accept}}).content_type;
  };
  EXPECT_EQ(created("a", "application/json"), "application/json");
  EXPECT_EQ(created("b", "application/json, text/plain;q=0.5"), "application/json");
  EXPECT_NE(created("c", "*/*"), "application/json");
  EXPECT_NE(created("d", "application/json, text/plain, */*"), "application/json");
  EXPECT_NE(created("e", "text/plain"), "application/json");
  EXPECT_NE(created("f", "application/json;q=0, */*"), "application/json");
}

TEST_F(HandlersTest, GetAndListShowTheSameVm) {
  const std::string id = create("web");
  const auto one = call("GET", "/vms/" + id);
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(text(parsed(one), "status"), "created");
  EXPECT_EQ(text(parsed(one), "name"), "web");
  EXPECT_EQ(call("GET", "/vms").body, "[" + one.body + "]");
  std::string upper = id;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(call("GET", "/vms/" + upper).body, one.body);
}

TEST_F(HandlersTest, AnActionsReplyIsWhatGetShowsAfterIt) {
  const std::string id = create("web");
  const std::pair<const char*, const char*> steps[] = {
      {"start", "running"}, {"pause", "paused"},  {"resume", "running"},     {"reboot", "running"},
      {"stop", "shutdown"}, {"start", "running"}, {"force-stop", "shutdown"}};
  for (const auto& [action, state] : steps) {
    const auto reply = call("POST", "/vms/" + id + "/" + action);
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(text(parsed(reply), "status"), state) << action;
    EXPECT_EQ(call("GET", "/vms/" + id).body, reply.body);
    EXPECT_EQ(operations.calls.back().request_id, "req-1");
  }
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + id)), "hypervisor"), "simulator");
}

TEST_F(HandlersTest, AWrongStateIsAConflict) {
  const std::string id = create("web");
  const auto refused = call("POST", "/vms/" + id + "/pause");
  EXPECT_EQ(problem(refused), "409 wrong-state");
  EXPECT_NE(refused.body.find("created"), std::string::npos);
}

TEST_F(HandlersTest, DeleteIsOnce) {
  const std::string id = create("web");
  const auto gone = call("DELETE", "/vms/" + id);
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  EXPECT_EQ(problem(call("DELETE", "/vms/" + id)), "404 vm-not-found");
  EXPECT_EQ(problem(call("GET", "/vms/" + id)), "404 vm-not-found");
  EXPECT_EQ(call("GET", "/vms").body, "[]");
}

TEST_F(HandlersTest, ForgetIsPassedOn) {
  const std::string a = create("a");
  const std::string b = create("b");
  EXPECT_EQ(problem(call("DELETE", "/vms/" + a + "?forget=maybe")), "400 bad-query");
  EXPECT_TRUE(operations.calls.empty());
  call("DELETE", "/vms/" + a);
  EXPECT_FALSE(operations.calls.back().forget);
  call("DELETE", "/vms/" + b + "?forget=true");
  EXPECT_TRUE(operations.calls.back().forget);
}

TEST_F(HandlersTest, BadAndUnknownIdsAreToldApart) {
  const std::string unknown = core::new_uuid();
  const std::pair<const char*, const char*> routes[] = {
      {"GET", ""}, {"DELETE", ""}, {"POST", "/start"}, {"POST", "/reboot"}, {"GET", "/console"}};
  for (const auto& [method, rest] : routes) {
    EXPECT_EQ(problem(call(method, std::string("/vms/nope") + rest)), "400 bad-uuid");
    const auto missing = call(method, "/vms/" + unknown + rest);
    EXPECT_EQ(problem(missing), "404 vm-not-found");
    EXPECT_NE(missing.body.find(unknown), std::string::npos);
  }
  EXPECT_EQ(problem(call("GET", "/hosts/nope")), "400 bad-uuid");
  EXPECT_EQ(problem(call("GET", "/hosts/" + unknown)), "404 host-not-found");
  EXPECT_EQ(problem(call("POST", "/hosts/" + unknown + "/init")), "404 host-not-found");
}

TEST_F(HandlersTest, BadBodiesChangeNothing) {
  EXPECT_EQ(problem(call("POST", "/vms", "{")), "400 bad-json");
  EXPECT_EQ(problem(call("POST", "/vms", "")), "400 bad-json");
  EXPECT_EQ(problem(call("POST", "/vms", "{}", {{"Content-Type", "text/plain"}})), "415 unsupported-media-type");
  const auto refused = call("POST", "/vms", R"({"name":"../x","boot_vcpus":0})");
  EXPECT_EQ(problem(refused), "422 validation");
  EXPECT_EQ(parsed(refused).find("errors")->as_array()->size(), 2u);
  EXPECT_EQ(problem(call("POST", "/hosts", R"({"name":"h","address":"a b","port":1})")), "422 validation");
  EXPECT_EQ(call("GET", "/vms").body, "[]");
  EXPECT_EQ(call("GET", "/hosts").body, "[]");
}

TEST_F(HandlersTest, ANameIsTakenOnce) {
  create("web");
  EXPECT_EQ(problem(call("POST", "/vms", R"({"name":"web"})")), "409 name-taken");
}

TEST_F(HandlersTest, ListsFilter) {
  const std::string a = create("a");
  create("b");
  call("POST", "/vms/" + a + "/start");
  const auto names = [&](const std::string& query) {
    std::string out;
    const json::Value list = parsed(call("GET", "/vms" + query));
    for (const auto& vm : *list.as_array()) out += text(vm, "name");
    return out;
  };
  EXPECT_EQ(names("?status=running"), "a");
  EXPECT_EQ(names("?status=created"), "b");
  EXPECT_EQ(names("?name=b"), "b");
  EXPECT_EQ(names("?name=b&status=running"), "");
  EXPECT_EQ(names("?host_id=" + core::new_uuid()), "");
  EXPECT_EQ(names("?host_id=" + *store->vm(a)->host_id), "a");
  EXPECT_EQ(names("?host_id=" + *store->vm(a)->host_id + "&status=created"), "");
  EXPECT_EQ(problem(call("GET", "/vms?status=on")), "400 bad-query");
  EXPECT_EQ(problem(call("GET", "/vms?host_id=x")), "400 bad-uuid");
}

TEST_F(HandlersTest, AJobThatStandsInTheWayIsNamed) {
  const std::string id = create("web");
  const auto accepted = call("POST", "/vms/" + id + "/start", "", {{"Prefer", "wait=1, respond-async"}});
  EXPECT_EQ(accepted.status, 202);
  const std::string job = text(parsed(accepted), "job_id");
  EXPECT_EQ(accepted.headers.find("Location"), "/jobs/" + job);
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + id)), "activity"), "start");
  const auto refused = call("POST", "/vms/" + id + "/start");
  EXPECT_EQ(problem(refused), "409 job-in-progress");
  EXPECT_EQ(text(parsed(refused), "job_id"), job);
  EXPECT_EQ(parsed(refused).find("errors"), nullptr);
}

TEST_F(HandlersTest, AnUnreachableNodeSaysWhenToTryAgain) {
  const std::string id = create("web");
  operations.failure = make_error(Code::unavailable, "host n1 can't be reached", "node-unreachable");
  const auto refused = call("DELETE", "/vms/" + id);
  EXPECT_EQ(problem(refused), "503 node-unreachable");
  EXPECT_TRUE(refused.headers.find("Retry-After"));
}

TEST_F(HandlersTest, TheConsoleIsTheGuestsBytes) {
  const std::string id = create("web");
  operations.console_pieces = {std::optional<std::string>("boot\n"), std::optional<std::string>(""),
                               std::optional<std::string>("\xff\n")};
  const auto whole = call("GET", "/vms/" + id + "/console?tail=100");
  EXPECT_EQ(whole.body, "boot\n\xff\n");
  EXPECT_EQ(whole.content_type, "text/plain");
  EXPECT_EQ(operations.console_tail, 100);
  EXPECT_EQ(problem(call("GET", "/vms/" + id + "/console?tail=0")), "400 bad-query");
  EXPECT_EQ(problem(call("GET", "/vms/" + id + "/console?tail=x")), "400 bad-query");
}

TEST_F(HandlersTest, AFollowedConsoleGoesOnAndEndsWithItsClient) {
  const std::string id = create("web");
  operations.console_pieces = {std::optional<std::string>("a"), std::optional<std::string>(""),
                               std::optional<std::string>("b"), std::optional<std::string>("c")};
  const auto reply = call("GET", "/vms/" + id + "/console?follow=true");
  ASSERT_TRUE(reply.stream);
  http::testing::StringSink sink;
  reply.stream(sink);
  EXPECT_EQ(sink.text, "abc");
  const auto again = call("GET", "/vms/" + id + "/console?follow");
  http::testing::StringSink gone;
  gone.limit = 2;
  again.stream(gone);
  EXPECT_EQ(gone.text, "ab");
}

TEST_F(HandlersTest, AConsoleIsAttachedToByAWebSocketAlone) {
  const std::string path = "/vms/" + create("web") + "/console/attach";
  const HeaderList upgrade = {{"Upgrade", "websocket"},
                              {"Connection", "Upgrade"},
                              {"Sec-WebSocket-Version", "13"},
                              {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  EXPECT_EQ(problem(call("GET", path)), "426 upgrade-required");
  EXPECT_EQ(problem(call("GET", path + "?tail=x", "", upgrade)), "400 bad-query");
  EXPECT_EQ(problem(call("GET", "/vms/6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55/console/attach")), "404 vm-not-found");
  EXPECT_EQ(operations.console_tail, -1) << "nothing was attached to";
  operations.failure = make_error(Code::failed_precondition, "VM web is created", "wrong-state");
  EXPECT_EQ(problem(call("GET", path, "", upgrade)), "409 wrong-state");
  operations.failure.reset();
  const auto reply = call("GET", path + "?tail=0", "", upgrade);
  EXPECT_EQ(reply.status, 101);
  EXPECT_EQ(operations.console_tail, 0);
  ASSERT_TRUE(reply.live && reply.live->duplex());
  std::string out;
  reply.live->duplex()->begin([] {}, http::LiveDuplex::Clock::now());
  reply.live->duplex()->receive(std::string("\x82\x83\0\0\0\0ls\n", 9), http::LiveDuplex::Clock::now());
  EXPECT_EQ(operations.typed, "ls\n");
  EXPECT_EQ(call("GET", path, "", upgrade).status, 101);
  EXPECT_EQ(operations.console_tail, -2) << "all that is kept";
}

TEST_F(HandlersTest, AConsoleThatFailsIsAProblemNotHalfALog) {
  const std::string id = create("web");
  operations.console_pieces = {std::optional<std::string>("boot\n"),
                               make_error(Code::unavailable, "gone", "node-unreachable")};
  EXPECT_EQ(problem(call("GET", "/vms/" + id + "/console")), "503 node-unreachable");
  operations.console_pieces = {make_error(Code::unavailable, "gone", "node-unreachable")};
  EXPECT_EQ(problem(call("GET", "/vms/" + id + "/console?follow=true")), "503 node-unreachable");
}

TEST_F(HandlersTest, HostsAreAddedShownAndInitialised) {
  const auto added =
      call("POST", "/hosts", R"({"name":"n1","address":"127.0.0.1","port":50051,"host_user":"u","password":"p"})");
  EXPECT_EQ(added.status, 201);
  EXPECT_EQ(added.content_type, "text/plain; charset=utf-8") << "the first API's clients read it so";
  ASSERT_TRUE(core::is_uuid(added.body)) << added.body;
  const auto host = call("GET", "/hosts/" + added.body);
  EXPECT_EQ(text(parsed(host), "host_user"), "u");
  EXPECT_EQ(host.body.find("password"), std::string::npos);
  EXPECT_EQ(call("GET", "/hosts").body, "[" + host.body + "]");
  EXPECT_EQ(call("GET", "/hosts/" + added.body + "/plugins").body, "[]");
  const auto up = call("POST", "/hosts/" + added.body + "/init");
  EXPECT_EQ(text(parsed(up), "status"), "up");
  EXPECT_EQ(up.headers.find("ETag"), call("GET", "/hosts/" + added.body).headers.find("ETag"));
  EXPECT_TRUE(up.headers.find("ETag"));
  const auto later = call("POST", "/hosts/" + added.body + "/init", "", {{"Prefer", "respond-async"}});
  EXPECT_EQ(later.status, 202) << later.body;
  EXPECT_EQ(text(parsed(call("GET", std::string(*later.headers.find("Location")))), "action"), "init-host");
  EXPECT_EQ(problem(call("POST", "/hosts", R"({"name":"n1","address":"::1","port":1})")), "409 name-taken");
  operations.failure = make_error(Code::unavailable, "refused", "node-unreachable");
  EXPECT_EQ(problem(call("POST", "/hosts/" + added.body + "/init")), "503 node-unreachable");
}

TEST_F(HandlersTest, PluginsAreShownWholeAndInALine) {
  const std::string id = call("POST", "/hosts", R"({"name":"n1","address":"h","port":1})").body;
  core::NodeInfo info;
  info.default_hypervisor = "qemu";
  info.memory = 1 << 30;
  core::PluginInfo qemu;
  qemu.name = "qemu";
  qemu.state = core::PluginState::loaded;
  qemu.description.emplace().accelerator = "tcg";
  qemu.description->accelerator_evidence = "the trial guest didn't run";
  core::PluginInfo broken;
  broken.name = "broken.so";
  broken.state = core::PluginState::refused;
  broken.reason = "not an ELF file";
  info.plugins = {qemu, broken};
  store->update_host(id, HostStatus::up, "", info);
  const auto host = parsed(call("GET", "/hosts/" + id));
  EXPECT_EQ(text(host, "accelerator"), "tcg");
  EXPECT_EQ(text(host, "accelerator_evidence"), "the trial guest didn't run");
  EXPECT_EQ(host.find("plugins")->as_array()->size(), 2u);
  const auto plugins = parsed(call("GET", "/hosts/" + id + "/plugins"));
  EXPECT_EQ(text(plugins.as_array()->at(1), "reason"), "not an ELF file");
  EXPECT_EQ(text(*plugins.as_array()->at(0).find("description"), "accelerator"), "tcg");
  // A VM that names no hypervisor is shown with the one that it would get.
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + create("web"))), "hypervisor"), "qemu");
}

TEST_F(HandlersTest, NamesThatAClientDoesntKnowAreShownAsOneItDoes) {
  const std::string id = create("web");
  call("POST", "/vms/" + id + "/start");
  VmRenderer compatible{*store, {"cloud_hv", "firecracker"}};
  const auto vm = *json::parse(compatible.one(store->vm(id)));
  EXPECT_EQ(text(vm, "hypervisor"), "cloud_hv");
  EXPECT_EQ(text(vm, "effective_hypervisor"), "simulator");
  EXPECT_NE(text(vm, "fallback_reason"), "(none)");
}

TEST_F(HandlersTest, WhatRunsAVmIsToldAlsoWhereItsNameIsNot) {
  VmRecord vm;
  vm.id = core::new_uuid();
  vm.hypervisor = "third_party";
  vm.observed.hypervisor = "qemu";
  vm.observed.fallback_reason = "the node's config says so";
  VmRenderer compatible{*store, {"cloud_hv"}};
  const auto shown = *json::parse(compatible.one(std::make_shared<const VmRecord>(vm)));
  EXPECT_EQ(text(shown, "hypervisor"), "cloud_hv");
  EXPECT_EQ(text(shown, "effective_hypervisor"), "qemu");
  EXPECT_EQ(text(shown, "fallback_reason").find("the node's config says so; "), 0u) << text(shown, "fallback_reason");
  EXPECT_NE(text(shown, "fallback_reason").find("third_party"), std::string::npos);
}

TEST_F(HandlersTest, EveryRouteRefusesWhatItsQueryDoesNotTake) {
  int checked = 0;
  for (const http::Route* route : router.routes()) {
    std::string path = route->pattern;
    for (const char* name : {"{id}", "{vm_id}", "{snapshot_id}"})
      if (const auto at = path.find(name); at != std::string::npos)
        path.replace(at, std::strlen(name), core::new_uuid());
    const bool of_the_server = api::route_queries().end() ==
                               std::find_if(api::route_queries().begin(), api::route_queries().end(), [&](auto& one) {
                                 return one.method == route->method && one.pattern == route->pattern;
                               });
    const auto reply = call(route->method, path + "?dryrun=true");
    if (of_the_server) {
      EXPECT_EQ(reply.status, 200) << path;
      continue;
    }
    ++checked;
    EXPECT_EQ(problem(reply), "400 bad-query") << route->method << " " << path;
  }
  EXPECT_GT(checked, 30);
  const auto named = call("DELETE", "/vms/" + create("web") + "?dryrun=true");
  EXPECT_EQ(text(parsed(named), "detail"), "the query has no dryrun; it takes dry_run, forget");
  EXPECT_NE(call("GET", "/hosts/" + core::new_uuid() + "?x").body.find("this route takes none"), std::string::npos);
  EXPECT_EQ(store->vms().size(), 1u);
}

TEST_F(HandlersTest, WhatTheDocumentGivesARouteItTakes) {
  const std::string vm = "/vms/" + create("web");
  const std::string id = vm.substr(5);
  for (const std::string& good :
       {"/vms?name=web&status=created&host_id=" + id + "&tags=a&tags=b&limit=1&cursor=0", vm + "/snapshots?name=a",
        "/jobs?vm_id=" + id + "&host_id=" + id + "&state=running&limit=1000", vm + "?wait_for=running&timeout=1s",
        vm + "/console?tail=1&follow=false", std::string("/hosts?name=a&status=up&limit=1&cursor=a"),
        "/events?follow=false&after=oldest&type=vm.created&tag=a&status=running,up,failed&vm_id=" + id})
    EXPECT_EQ(call("GET", good).status, 200) << good << call("GET", good).body;
  for (const char* bad : {"/vms/{}/snapshots?limit=1", "/jobs?status=running", "/jobs?limit=1001", "/events?tags=a",
                          "/events?follow=false&status=runing", "/vms?name=a&name=a",
                          "/vms?tags=", "/vms?tags=a&tags=,", "/events?follow=false&tag="}) {
    std::string path = bad;
    if (const auto at = path.find("{}"); at != std::string::npos) path.replace(at, 2, id);
    EXPECT_EQ(problem(call("GET", path)), "400 bad-query") << path;
  }
  EXPECT_EQ(problem(call("GET", "/jobs?cursor=zzz_" + id)), "400 bad-cursor");
}

TEST_F(HandlersTest, ReadinessShowsEachCheck) {
  operations.extra_checks = {{"nodes", true, "1 of 1 up"}};
  const auto ready = call("GET", "/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(parsed(ready).find("checks")->as_array()->size(), 2u);
  operations.extra_checks[0].ok = false;
  EXPECT_EQ(call("GET", "/readyz").status, 503);
}

TEST_F(HandlersTest, ReadinessTellsNoReasonToSomebodyWithoutCredentials) {
  operations.extra_checks = {{"nodes", true, "1 of 1 up"}, {"store", false, "db.internal:5432 refused it"}};
  http::Request request;
  request.method = "GET";
  request.path = "/readyz";
  request.is_authenticated = false;
  const auto response = router.find(request).route->handler(request);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body.find("db.internal"), std::string::npos) << response.body;
  EXPECT_EQ(response.body.find("1 of 1"), std::string::npos) << response.body;
  EXPECT_NE(response.body.find(R"({"name":"store","ok":false,"detail":"not ok)"), std::string::npos) << response.body;
  EXPECT_NE(call("GET", "/readyz").body.find("db.internal"), std::string::npos);
}

TEST_F(HandlersTest, TheServerTellsAboutItself) {
  EXPECT_EQ(call("GET", "/").status, 200);
  EXPECT_EQ(call("GET", "/livez").body, "ok\n");
  EXPECT_EQ(text(parsed(call("GET", "/version")), "version"), "1.2.3");
  EXPECT_EQ(text(parsed(call("GET", "/version")), "revision"), "g70a0376");
  EXPECT_EQ(text(parsed(call("GET", "/api-docs/openapi.json")), "openapi"), "3.1.0");
}

TEST_F(HandlersTest, MetricsCountRequestsAndStates) {
  create("web");
  metrics.answered("GET", "/vms", 200, 0.001);
  metrics.answered("GET", "/vms", 200, 0.001);
  metrics.answered("BREW", "", 404, 0.001);
  const std::string text = call("GET", "/metrics").body;
  const auto has = [&](const std::string& line) { return text.find(line + "\n") != std::string::npos; };
  EXPECT_TRUE(has(R"(qarax_http_requests_total{code="200",method="GET",route="/vms"} 2)")) << text;
  EXPECT_TRUE(has(R"(qarax_http_requests_total{code="404",method="other",route="none"} 1)")) << text;
  EXPECT_TRUE(has(R"(qarax_vms{status="created"} 1)")) << text;
  EXPECT_TRUE(has(R"(qarax_vms{status="running"} 0)")) << text;
  EXPECT_TRUE(has(R"(qarax_build_info{revision="g70a0376",version="1.2.3"} 1)")) << text;
  EXPECT_TRUE(has(R"(qarax_jobs_ended_total{action="create",state="completed"} 1)")) << text;
  EXPECT_TRUE(has("qarax_vms_drift 0")) << text;
  EXPECT_TRUE(has("qarax_store_ready 1")) << text;
  EXPECT_TRUE(has("qarax_read_only 0")) << text;
  create("second");
  EXPECT_NE(call("GET", "/metrics").body.find(R"(qarax_jobs_ended_total{action="create",state="completed"} 2)"),
            std::string::npos);
}

TEST_F(HandlersTest, ABuildWithoutARevisionTellsNone) {
  Metrics built_outside_of_git{*store, {"1.2.3", ""}};
  EXPECT_NE(built_outside_of_git.text().find("qarax_build_info{version=\"1.2.3\"} 1\n"), std::string::npos);
  http::Router other;
  add_system_routes(other, *store, operations, built_outside_of_git, {"1.2.3", ""});
  http::Request request;
  request.method = "GET";
  ASSERT_FALSE(http::parse_target("/version", request));
  EXPECT_EQ(other.find(request).route->handler(request).body.find("revision"), std::string::npos);
}

TEST_F(HandlersTest, TheDocumentHasTheRoutesOfTheRouterAndNoOthers) {
  std::set<std::string> served;
  for (const http::Route* route : router.routes()) served.insert(route->method + " " + route->pattern);
  std::set<std::string> described;
  const auto document = json::parse(api::openapi_json());
  ASSERT_TRUE(document) << document.error().message;
  for (const auto& [path, item] : *document->find("paths")->as_object())
    for (const auto& [method, operation] : *item.as_object()) {
      if (method == "parameters") continue;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      described.insert(upper.append(" ").append(path));
      EXPECT_NE(operation.find("responses")->find("default"), nullptr) << path;
    }
  EXPECT_EQ(served, described);
}

TEST_F(HandlersTest, OpenRoutesAreThoseTheDocumentSaysAreOpen) {
  const auto document = json::parse(api::openapi_json());
  for (const http::Route* route : router.routes()) {
    std::string method = core::to_lower(route->method);
    const json::Value* security = document->find("paths")->find(route->pattern)->find(method)->find("security");
    EXPECT_EQ(route->access == http::Access::open, security != nullptr && security->as_array()->empty())
        << route->pattern;
  }
}

TEST_F(HandlersTest, WhatAsksANodeIsAnnouncedAsAWait) {
  const std::set<std::string> asking{"/vms/{id}/console", "/vms/{id}/console/attach", "/vms/{id}/diagnosis",
                                     "/vms/{id}/metrics", "/hosts/{id}/unmanaged",    "/hosts/{id}/leftovers"};
  std::set<std::string> announced;
  for (const http::Route* route : router.routes())
    if (route->method == "GET" && route->pace == http::Pace::may_wait && asking.contains(route->pattern))
      announced.insert(route->pattern);
  EXPECT_EQ(announced, asking);
}

TEST_F(HandlersTest, AThousandVmsAreAppends) {
  NewVmInput input;
  for (int i = 0; i < 1000; ++i) {
    input.name = "vm-" + std::to_string(i);
    ASSERT_TRUE(store->create_vm(input));
  }
  EXPECT_EQ(parsed(call("GET", "/vms")).as_array()->size(), 1000u);
  const std::string first = call("GET", "/vms").body;
  const auto vms = store->vms();
  ASSERT_TRUE(store->remove_vm(vms[0]->id, Removal::by_job));
  EXPECT_EQ(parsed(call("GET", "/vms")).as_array()->size(), 999u);
}

}  // namespace
}  // namespace qarax::server
