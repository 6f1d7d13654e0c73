// The routes on a real store, with operations that succeed at once or fail as the test has set.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "handlers/event_handlers.hpp"
#include "handlers/fake_host_truth.hpp"
#include "handlers/fake_operations.hpp"
#include "handlers/host_handlers.hpp"
#include "handlers/job_handlers.hpp"
#include "handlers/metrics.hpp"
#include "handlers/query_guard.hpp"
#include "handlers/system_handlers.hpp"
#include "handlers/vm_change_handlers.hpp"
#include "handlers/vm_handlers.hpp"
#include "http/target.hpp"

namespace qarax::server {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

class HandlersTest : public ::testing::Test {
 protected:
  HandlersTest() {
    add_vm_routes(router, *store, operations, renderer);
    add_vm_change_routes(router, *store, operations, renderer);
    add_host_routes(router, *store, operations);
    add_host_truth_routes(router, truth, renderer);
    add_event_routes(router, *store);
    add_job_routes(router, *store, operations);
    add_system_routes(router, *store, operations, metrics, {"1.2.3", "g70a0376"});
    guard_queries(router);
  }

  http::Response call(const std::string& method, const std::string& target, const std::string& body = "",
                      const HeaderList& headers = {}) {
    http::Request request;
    request.method = method;
    request.request_id = "req-1";
    EXPECT_FALSE(http::parse_target(target, request)) << target;
    request.body = body;
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    const auto match = router.find(request);
    if (match.route == nullptr) throw std::runtime_error("no route for " + method + " " + target);
    return match.route->handler(request);
  }
  json::Value parsed(const http::Response& response) {
    auto value = json::parse(response.body);
    EXPECT_TRUE(value) << response.body;
    return value ? *value : json::Value();
  }
  static std::string text(const json::Value& document, std::string_view name) {
    const json::Value* value = document.find(name);
    return value != nullptr && value->as_string() != nullptr ? *value->as_string() : "(none)";
  }
  // Status and slug of a problem.
  std::string problem(const http::Response& response) {
    EXPECT_EQ(response.content_type, "application/problem+json") << response.body;
    const std::string type = text(parsed(response), "type");
    return std::to_string(response.status) + " " + type.substr(type.rfind('/') + 1);
  }
  std::string create(const std::string& name) {
    const auto response = call("POST", "/vms", R"({"name":")" + name + R"("})");
    EXPECT_EQ(response.status, 201) << response.body;
    return response.body;
  }

  testing::TempStore store;
  testing::FakeOperations operations{*store};
  testing::FakeHostTruth truth;
  VmRenderer renderer{*store, {}};
  Metrics metrics{*store, {"1.2.3", "g70a0376"}};
  http::Router router;
};

}  // namespace qarax::server
