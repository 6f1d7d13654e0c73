// PATCH, conditional requests, tags and pages.
#include <gtest/gtest.h>

#include "handlers/conditional.hpp"
#include "handlers/handlers_fixture.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

class EditingTest : public HandlersTest {
 protected:
  std::string etag(const http::Response& response) {
    return std::string(response.headers.find("ETag").value_or("(none)"));
  }
  std::string names(const http::Response& list) {
    std::string out;
    const json::Value document = parsed(list);
    if (const auto* array = document.as_array())
      for (const auto& vm : *array) out += text(vm, "name");
    return out;
  }
  // The target that the Link field names, empty without Link.
  static std::string next(const http::Response& list) {
    const std::string link(list.headers.find("Link").value_or(""));
    return link.empty() ? link : link.substr(1, link.find('>') - 1);
  }
};

TEST_F(EditingTest, NameDescriptionAndTagsChangeAtAnyTime) {
  const std::string id = create("web");
  call("POST", "/vms/" + id + "/start");
  const auto changed =
      call("PATCH", "/vms/" + id, R"({"name":"front","description":"words","tags":["prod","tier=web"]})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(text(parsed(changed), "name"), "front");
  EXPECT_EQ(text(parsed(changed), "status"), "running");
  EXPECT_EQ(call("GET", "/vms/" + id).body, changed.body);
  EXPECT_EQ(names(call("GET", "/vms?tags=prod")), "front");
  create("web");  // possible because the old name is free again
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"name":"web"})")), "409 name-taken");
}

TEST_F(EditingTest, TheRestartPolicyChangesAtAnyTimeAndIsKept) {
  const std::string id = create("web");
  call("POST", "/vms/" + id + "/start");
  const auto changed = call("PATCH", "/vms/" + id, R"({"restart_policy":"on-failure","restart_limit":7})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(text(parsed(changed), "restart_policy"), "on-failure");
  EXPECT_EQ(call("GET", "/vms/" + id).body, changed.body);
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"description":"words"})").status, 200);
  EXPECT_EQ(store->vm(id)->restart.policy, RestartPolicy::on_failure) << "what a patch doesn't name stays";
  EXPECT_EQ(store->vm(id)->restart.limit, 7);
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"restart_policy":null})").status, 200);
  EXPECT_EQ(store->vm(id)->restart.policy, RestartPolicy::never) << "its default";
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"restart_policy":"often"})")), "422 validation");
}

TEST_F(EditingTest, SizesChangeOnlyWithoutAVmm) {
  const std::string id = create("web");
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"memory_size":268435456})").status, 200);
  call("POST", "/vms/" + id + "/start");
  const auto refused = call("PATCH", "/vms/" + id, R"({"memory_size":1048576,"name":"other"})");
  EXPECT_EQ(problem(refused), "409 wrong-state");
  EXPECT_EQ(text(parsed(refused).find("errors")->as_array()->at(0), "pointer"), "/memory_size");
  EXPECT_NE(refused.body.find("/stop"), std::string::npos);
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + id)), "name"), "web");  // all or nothing
  call("POST", "/vms/" + id + "/force-stop");
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"memory_size":1048576})").status, 200);
  EXPECT_EQ(store->vm(id)->spec.memory_size, 1048576);
}

// A parser spells these anew: an escape, an exponent, a trailing zero, a number beyond 64 bits.
TEST_F(EditingTest, AConfigIsNotChangedByAPatchThatDoesNotNameIt) {
  const std::string config = R"({"note":"\u00fc","rate":1e3,"share":0.10,"seed":12345678901234567890})";
  const auto created = call("POST", "/vms", R"({"name":"web","config":)" + config + "}");
  ASSERT_EQ(created.status, 201) << created.body;
  const std::string id = created.body;
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"memory_size":268435456})").status, 200);
  EXPECT_EQ(store->vm(id)->spec.config.text, config);
  EXPECT_EQ(call("POST", "/vms/" + id + "/start").status, 200);
  const auto changed = call("PATCH", "/vms/" + id, R"({"description":"x"})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_NE(changed.body.find(config), std::string::npos) << changed.body;
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"config":{"note":"ü"}})").status, 200) << "the same, spelled otherwise";
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"config":{"rate":2e3}})")), "409 wrong-state");
}

TEST_F(EditingTest, AJobUnderWayIsNamed) {
  const std::string id = create("web");
  const auto accepted = call("POST", "/vms/" + id + "/start", "", {{"Prefer", "respond-async"}});
  const auto refused = call("PATCH", "/vms/" + id, R"({"boot_vcpus":2})");
  EXPECT_EQ(problem(refused), "409 job-in-progress");
  EXPECT_EQ(text(parsed(refused), "job_id"), text(parsed(accepted), "job_id"));
  EXPECT_EQ(call("PATCH", "/vms/" + id, R"({"tags":["a"]})").status, 200);
}

TEST_F(EditingTest, BadPatchesChangeNothing) {
  const std::string id = create("web");
  const std::string before = call("GET", "/vms/" + id).body;
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, "{")), "400 bad-json");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, "")), "400 bad-json");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, "[]")), "422 validation");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"status":"running"})")), "422 validation");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"name":"x","colour":1})")), "422 validation");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, "{}", {{"Content-Type", "text/plain"}})), "415 unsupported-media-type");
  EXPECT_EQ(problem(call("PATCH", "/vms/" + core::new_uuid(), "{}")), "404 vm-not-found");
  EXPECT_EQ(call("GET", "/vms/" + id).body, before);
  EXPECT_EQ(call("PATCH", "/vms/" + id, "{}", {{"Content-Type", "application/merge-patch+json"}}).status, 200);
}

TEST_F(EditingTest, AnUnchangedVmNeedsNoBody) {
  const std::string id = create("web");
  const auto first = call("GET", "/vms/" + id);
  const auto again = call("GET", "/vms/" + id, "", {{"If-None-Match", "\"x\", W/" + etag(first)}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(etag(again), etag(first));
  const auto changed = call("PATCH", "/vms/" + id, R"({"tags":["a"]})");
  EXPECT_NE(etag(changed), etag(first));
  const auto fresh = call("GET", "/vms/" + id, "", {{"If-None-Match", etag(first)}});
  EXPECT_EQ(fresh.status, 200);
  EXPECT_EQ(etag(fresh), etag(changed));
  const auto started = call("POST", "/vms/" + id + "/start");
  EXPECT_EQ(etag(started), etag(call("GET", "/vms/" + id)));
}

TEST_F(EditingTest, AChangeOnAnOldVersionIsRefused) {
  const std::string id = create("web");
  const std::string old = etag(call("GET", "/vms/" + id));
  const auto changed = call("PATCH", "/vms/" + id, R"({"description":"one"})", {{"If-Match", old}});
  EXPECT_EQ(changed.status, 200) << changed.body;
  const auto refused = call("PATCH", "/vms/" + id, R"({"description":"two"})", {{"If-Match", old}});
  EXPECT_EQ(problem(refused), "412 precondition-failed");
  EXPECT_EQ(etag(refused), etag(changed));
  EXPECT_EQ(problem(call("DELETE", "/vms/" + id, "", {{"If-Match", old}})), "412 precondition-failed");
  EXPECT_EQ(problem(call("DELETE", "/vms/" + id, "", {{"If-Match", "W/" + etag(changed)}})), "412 precondition-failed");
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + id)), "description"), "one");
  EXPECT_EQ(call("DELETE", "/vms/" + id, "", {{"If-Match", "*"}}).status, 204);
}

TEST_F(EditingTest, AResizeOnAnOldVersionIsRefused) {
  const std::string vm = "/vms/" + create("web");
  const std::string old = etag(call("GET", vm));
  const std::string body = R"({"desired_ram":268435456})";
  ASSERT_EQ(call("PATCH", vm, R"({"description":"theirs"})").status, 200);
  EXPECT_EQ(problem(call("PUT", vm + "/resize", body, {{"If-Match", old}})), "412 precondition-failed");
  EXPECT_TRUE(operations.calls.empty());
  EXPECT_EQ(call("POST", vm + "/start").status, 200);
  EXPECT_EQ(call("PUT", vm + "/resize", body, {{"If-Match", etag(call("GET", vm))}}).status, 200);
  EXPECT_TRUE(operations.calls.back().expected_version) << "once more where it is done";
  EXPECT_EQ(call("PUT", vm + "/resize", body, {{"If-Match", "*"}}).status, 200);
}

TEST_F(EditingTest, AChangeBetweenLookAndEditIsSeen) {
  const std::string id = create("web");
  const std::string etag_now = etag(call("GET", "/vms/" + id));
  operations.before_edit = [&] {
    operations.before_edit = nullptr;
    ASSERT_EQ(call("PATCH", "/vms/" + id, R"({"description":"theirs"})").status, 200);
  };
  EXPECT_EQ(problem(call("PATCH", "/vms/" + id, R"({"description":"mine"})", {{"If-Match", etag_now}})),
            "412 precondition-failed");
  EXPECT_EQ(text(parsed(call("GET", "/vms/" + id)), "description"), "theirs");
}

TEST_F(EditingTest, ADryRunChangesNothingAndIsNoObject) {
  const std::string id = create("web");
  const std::string host = call("POST", "/hosts", R"({"name":"a","address":"127.0.0.1","port":1})").body;
  const std::pair<std::pair<const char*, std::string>, const char*> runs[] = {
      {{"POST", "/vms"}, "create new"},
      {{"PATCH", "/vms/" + id}, R"(edit {"name":"new"})"},
      {{"POST", "/vms/" + id + "/start"}, "start"},
      {{"POST", "/vms/" + id + "/force-stop"}, "force-stop"},
      {{"DELETE", "/vms/" + id}, "delete"},
      {{"PATCH", "/hosts/" + host}, R"(edit-host {"name":"new"})"},
      {{"POST", "/hosts/" + host + "/init"}, "init-host"},
      {{"DELETE", "/hosts/" + host}, "remove-host"}};
  const std::string before = call("GET", "/vms").body + call("GET", "/hosts").body;
  for (const auto& [what, action] : runs) {
    const auto told = call(what.first, what.second + "?dry_run=true", R"({"name":"new"})");
    EXPECT_EQ(told.status, 200) << what.second << told.body;
    EXPECT_EQ(told.content_type, "application/vnd.qarax.dry-run+json");
    EXPECT_EQ(text(parsed(told), "action"), action);
    EXPECT_EQ(problem(call(what.first, what.second + "?dry_run=perhaps", R"({"name":"new"})")), "400 bad-query");
  }
  EXPECT_EQ(call("GET", "/vms").body + call("GET", "/hosts").body, before);
  EXPECT_TRUE(operations.calls.empty());
  operations.dry.failure = make_error(Code::failed_precondition, "full", "no-host-fits");
  EXPECT_EQ(problem(call("POST", "/vms/" + id + "/start?dry_run")), "422 no-host-fits");
}

TEST_F(EditingTest, ADiagnosisHasItAllInOneAnswer) {
  const std::string id = create("web");
  const auto before = parsed(call("GET", "/vms/" + id + "/diagnosis"));
  EXPECT_EQ(before.find("host"), nullptr);
  EXPECT_NE(text(*before.find("observed"), "source").find("never started"), std::string::npos);
  call("POST", "/vms/" + id + "/start");
  operations.console_pieces = {std::optional<std::string>("boot\xff\n")};
  const auto told = call("GET", "/vms/" + id + "/diagnosis");
  EXPECT_EQ(told.status, 200) << told.body;
  const auto document = parsed(told);
  EXPECT_EQ(text(*document.find("vm"), "id"), id);
  EXPECT_EQ(text(*document.find("desired"), "origin"), "user");
  EXPECT_EQ(text(*document.find("observed"), "status"), "running");
  EXPECT_EQ(text(document, "vmm_log"), "vmm: all is well\n");
  EXPECT_EQ(text(document, "console"), "boot\xef\xbf\xbd\n");
  EXPECT_FALSE(*document.find("drift")->as_bool());
  operations.failure = make_error(Code::unavailable, "its node is gone", "node-unreachable");
  const auto without = parsed(call("GET", "/vms/" + id + "/diagnosis"));
  EXPECT_EQ(without.find("notes")->as_array()->size(), 2u);
  EXPECT_EQ(text(*without.find("vm"), "status"), "running") << "what is known is told";
}

TEST_F(EditingTest, AWaitIsPassedOn) {
  const std::string id = create("web");
  EXPECT_EQ(call("POST", "/vms/" + id + "/start?wait_for=console:login:&timeout=2m").status, 200);
  ASSERT_EQ(operations.waits.size(), 1u);
  EXPECT_EQ(operations.waits[0].text, "login:");
  EXPECT_EQ(operations.waits[0].timeout, std::chrono::minutes(2));
  EXPECT_EQ(operations.waits[0].incarnation, 1);
  EXPECT_EQ(call("GET", "/vms/" + id + "?wait_for=running").status, 200);
  EXPECT_EQ(operations.waits[1].text, "");
  operations.wait_failure = make_error(Code::deadline_exceeded, "too long", "wait-timeout");
  operations.wait_failure->details.push_back({"/console_tail", "last words"});
  const auto late = call("GET", "/vms/" + id + "?wait_for=running&timeout=500ms");
  EXPECT_EQ(problem(late), "504 wait-timeout");
  EXPECT_EQ(text(parsed(late), "console_tail"), "last words");
  EXPECT_EQ(parsed(late).find("errors"), nullptr);
  for (const char* query :
       {"stopped", "console:", "", "running&timeout=2h", "running&timeout=-1s", "running&timeout=1d"})
    EXPECT_EQ(problem(call("GET", "/vms/" + id + "?wait_for=" + query)), "400 bad-query") << query;
  EXPECT_EQ(problem(call("POST", "/vms/" + id + "/start?wait_for=running", "", {{"Prefer", "respond-async"}})),
            "400 bad-query");
}

TEST_F(EditingTest, TagsAreGivenShownAndFilteredBy) {
  ASSERT_EQ(call("POST", "/vms", R"({"name":"a","tags":["prod","tier=web"]})").status, 201);
  ASSERT_EQ(call("POST", "/vms", R"({"name":"b","tags":["prod"]})").status, 201);
  create("c");
  EXPECT_EQ(names(call("GET", "/vms?tags=prod")), "ab");
  EXPECT_EQ(names(call("GET", "/vms?tags=prod,tier%3Dweb")), "a");
  EXPECT_EQ(names(call("GET", "/vms?tags=prod&tags=tier=web")), "a");
  EXPECT_EQ(names(call("GET", "/vms?tags=pro")), "");
  EXPECT_EQ(parsed(call("GET", "/vms?name=c")).as_array()->at(0).find("tags")->as_array()->size(), 0u);
  EXPECT_EQ(problem(call("GET", "/vms?tag=prod")), "400 bad-query");
}

TEST_F(EditingTest, PagesLeadToEveryVmOnce) {
  for (const char* name : {"a", "b", "c", "d", "e"}) create(name);
  std::string seen;
  std::string target = "/vms?status=created&limit=2";
  for (int pages = 0; !target.empty() && pages < 9; ++pages) {
    const auto page = call("GET", target);
    ASSERT_EQ(page.status, 200) << page.body;
    seen += names(page) + "|";
    // VMs created or deleted behind the cursor don't shift the pages.
    if (pages == 0) {
      ASSERT_TRUE(store->remove_vm(store->vms()[0]->id, Removal::by_job));
    }
    target = next(page);
  }
  EXPECT_EQ(seen, "ab|cd|e|");
  EXPECT_EQ(next(call("GET", "/vms?limit=4")), "");
  EXPECT_EQ(problem(call("GET", "/vms?limit=0")), "400 bad-query");
  EXPECT_EQ(problem(call("GET", "/vms?limit=1001")), "400 bad-query");
  EXPECT_EQ(problem(call("GET", "/vms?cursor=x")), "400 bad-cursor");
}

TEST_F(EditingTest, AListWithoutALimitHasAThousandRows) {
  NewVmInput input;
  for (int i = 0; i < 1001; ++i) {
    input.name = "vm-" + std::to_string(i);
    ASSERT_TRUE(store->create_vm(input));
  }
  const auto first = call("GET", "/vms");
  EXPECT_EQ(parsed(first).as_array()->size(), 1000u);
  EXPECT_EQ(names(call("GET", next(first))), "vm-1000");
}

TEST_F(EditingTest, HostsAreChangedAndRemoved) {
  const std::string a = call("POST", "/hosts", R"({"name":"a","address":"127.0.0.1","port":1})").body;
  const std::string b = call("POST", "/hosts", R"({"name":"b","address":"127.0.0.1","port":2})").body;
  const std::string old = etag(call("GET", "/hosts/" + a));
  EXPECT_EQ(call("GET", "/hosts/" + a, "", {{"If-None-Match", old}}).status, 304);
  const auto changed = call("PATCH", "/hosts/" + a, R"({"name":"c","port":3})", {{"If-Match", old}});
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(text(parsed(changed), "name"), "c");
  EXPECT_EQ(text(parsed(changed), "address"), "127.0.0.1");
  EXPECT_EQ(problem(call("PATCH", "/hosts/" + a, R"({"name":"b"})")), "409 name-taken");
  EXPECT_EQ(problem(call("PATCH", "/hosts/" + a, R"({"port":0})")), "422 validation");
  EXPECT_EQ(problem(call("PATCH", "/hosts/" + a, R"({"status":"up"})")), "422 validation");
  EXPECT_EQ(problem(call("DELETE", "/hosts/" + a, "", {{"If-Match", old}})), "412 precondition-failed");
  EXPECT_EQ(names(call("GET", "/hosts?limit=1")), "b");
  EXPECT_EQ(names(call("GET", next(call("GET", "/hosts?limit=1")))), "c");
  EXPECT_EQ(names(call("GET", "/hosts?name=c")), "c");
  EXPECT_EQ(names(call("GET", "/hosts?status=installing")), "");
  store->update_host(a, HostStatus::up, "", core::NodeInfo{});
  EXPECT_EQ(names(call("GET", "/hosts?status=up")), "c");
  EXPECT_EQ(names(call("GET", "/hosts?status=unknown&name=b")), "b");
  EXPECT_EQ(problem(call("GET", "/hosts?status=on")), "400 bad-query");
  EXPECT_EQ(call("DELETE", "/hosts/" + a).status, 204);
  EXPECT_EQ(problem(call("DELETE", "/hosts/" + a)), "404 host-not-found");
  EXPECT_EQ(names(call("GET", "/hosts")), "b");
}

TEST_F(EditingTest, AHostWithVmsStays) {
  const std::string host = call("POST", "/hosts", R"({"name":"a","address":"127.0.0.1","port":1})").body;
  const std::string id = create("web");
  call("POST", "/vms/" + id + "/start");
  call("POST", "/vms/" + id + "/force-stop");
  const auto refused = call("DELETE", "/hosts/" + host);
  EXPECT_EQ(problem(refused), "409 host-in-use");
  EXPECT_NE(refused.body.find("web"), std::string::npos);
  call("DELETE", "/vms/" + id);
  EXPECT_EQ(call("DELETE", "/hosts/" + host).status, 204);
}

TEST_F(EditingTest, ADeleteIsAnsweredWithItsJobWhereThatIsPreferred) {
  const std::string id = create("web");
  const auto accepted = call("DELETE", "/vms/" + id, "", {{"Prefer", "respond-async"}});
  EXPECT_EQ(accepted.status, 202) << accepted.body;
  const std::string job = text(parsed(accepted), "job_id");
  EXPECT_EQ(accepted.headers.find("Location"), "/jobs/" + job);
  EXPECT_EQ(text(parsed(call("GET", "/jobs/" + job)), "action"), "delete");
  EXPECT_EQ(problem(call("DELETE", "/vms/" + id, "", {{"Prefer", "respond-async"}})), "404 vm-not-found");
}

}  // namespace
}  // namespace qarax::server
