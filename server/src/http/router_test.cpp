#include "http/router.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace qarax::http {
namespace {

Handler named(std::string name) {
  return [name = std::move(name)](const Request&) { return Response::text(name); };
}

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    router_.add("GET", "/", named("root"));
    router_.add("GET", "/vms/{id}", named("vm"));  // before the fixed one below: the order must not matter
    router_.add("GET", "/vms", named("list"));
    router_.add("POST", "/vms", named("create"));
    router_.add("GET", "/vms/summary", named("summary"));
    router_.add("DELETE", "/vms/{id}", named("delete"));
    router_.add("POST", "/vms/{id}/start", named("start"));
    router_.add("GET", "/vms/{id}/disks/{disk}", named("disk"));
  }

  std::string answer(std::string_view method, std::string_view path) {
    request_.method = method;
    request_.path = path;
    const Router::Match match = router_.find(request_);
    if (match.route != nullptr) return match.route->handler(request_).body;
    return match.allow.empty() ? "404" : "405 " + match.allow;
  }

  Router router_;
  Request request_;
};

TEST_F(RouterTest, FindsTheHandler) {
  EXPECT_EQ(answer("GET", "/"), "root");
  EXPECT_EQ(answer("GET", "/vms"), "list");
  EXPECT_EQ(answer("POST", "/vms"), "create");
  EXPECT_EQ(answer("HEAD", "/vms"), "list");
  EXPECT_EQ(answer("GET", "/vms/summary"), "summary");
  EXPECT_EQ(answer("GET", "/vms/17"), "vm");
  EXPECT_EQ(request_.param("id"), "17");
  EXPECT_EQ(request_.route, "/vms/{id}");
  EXPECT_EQ(answer("POST", "/vms/17/start"), "start");
  EXPECT_EQ(answer("GET", "/vms/17/disks/a b"), "disk");
  EXPECT_EQ(request_.param("id"), "17");
  EXPECT_EQ(request_.param("disk"), "a b");
  EXPECT_EQ(request_.param("absent"), "");
}

TEST_F(RouterTest, UnknownPathsAre404) {
  for (const std::string_view path :
       {"/vms/", "/vms/17/", "//vms", "/vms//start", "/vmss", "/VMS", "/vms/17/start/", "/vms/1/2/3/4", "*"}) {
    EXPECT_EQ(answer("GET", path), "404") << path;
    EXPECT_TRUE(request_.params.empty()) << path;
    EXPECT_EQ(request_.route, "") << path;
  }
}

TEST_F(RouterTest, KnownPathsNameTheirMethods) {
  EXPECT_EQ(answer("PUT", "/vms"), "405 GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(answer("GET", "/vms/17/start"), "405 POST, OPTIONS");
  EXPECT_EQ(answer("HEAD", "/vms/17/start"), "405 POST, OPTIONS");
  EXPECT_EQ(answer("POST", "/vms/17"), "405 GET, HEAD, DELETE, OPTIONS");
  EXPECT_EQ(answer("get", "/vms"), "405 GET, HEAD, POST, OPTIONS");
}

TEST_F(RouterTest, WiringMistakesAreSeenAtStart) {
  EXPECT_THROW(router_.add("GET", "/vms", named("again")), std::invalid_argument);
  for (const std::string_view pattern : {"", "vms", "/vms/", "//", "/a//b", "/{", "/{}", "/{id", "/a/{id}/"}) {
    EXPECT_THROW(router_.add("GET", pattern, named("x")), std::invalid_argument) << pattern;
  }
  EXPECT_EQ(router_.routes().size(), 8U);
}

}  // namespace
}  // namespace qarax::http
