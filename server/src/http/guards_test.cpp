#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "http/authenticator.hpp"
#include "http/json_body.hpp"
#include "http/origin_guard.hpp"
#include "http/pipeline.hpp"
#include "http/problem.hpp"
#include "http/request_id.hpp"
#include "http/response_writer.hpp"
#include "qarax/core/sha256.hpp"

namespace qarax::http {
namespace {

TEST(OriginGuard, KnowsItsNames) {
  const OriginGuard guard("192.0.2.7", {"qarax.example", "proxy.example:8443", "2001:db8::1"});
  for (const std::string_view ours :
       {"localhost", "LOCALHOST:3000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8000", "192.0.2.7", "192.0.2.7:8000",
        "qarax.example", "Qarax.Example:99", "proxy.example:8443", "[2001:db8::1]:5"}) {
    EXPECT_TRUE(guard.allows(ours)) << ours;
  }
  for (const std::string_view foreign :
       {"", ":8000", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.evil", "192.0.2.8",
        "proxy.example", "proxy.example:8444", "[::2]", "[::1", "[::1]x", "localhost:", "localhost:80:80",
        "localhost:99999", "localhost:x", "user@localhost", "qarax.example.", "::1"}) {
    EXPECT_FALSE(guard.allows(foreign)) << foreign;
  }
}

TEST(OriginGuard, TellsAHostFromWhatNoHostCanBe) {
  for (const std::string_view host :
       {"ui.example", "ui_1", "UI.example:8443", "192.0.2.7:80", "2001:db8::1", "[::1]:80"})
    EXPECT_TRUE(OriginGuard::is_host(host)) << host;
  for (const std::string_view other :
       {"", ":80", ":::bad host/", "http://ui.example", "ui.example/", "a b", "*", "ui:x"})
    EXPECT_FALSE(OriginGuard::is_host(other)) << other;
}

TEST(OriginGuard, OnAWildcardAddressLiteralsAreAllowedAndNamesAreNot) {
  const OriginGuard guard("0.0.0.0", {});
  EXPECT_TRUE(guard.allows("203.0.113.5:8000"));
  EXPECT_TRUE(guard.allows("[2001:db8::5]:8000"));
  EXPECT_FALSE(guard.allows("rebound.example:8000"));
}

TEST(OriginGuard, OnAWildcardAddressAnotherAddressesPageIsForeign) {
  const OriginGuard guard("0.0.0.0", {});
  Request request;
  request.headers.add("Host", "203.0.113.5:8000");
  request.headers.add("Origin", "http://203.0.113.6");
  ASSERT_TRUE(guard.check(request));
  EXPECT_EQ(guard.check(request)->slug, "forbidden-origin");
}

TEST(OriginGuard, ChecksTheOriginToo) {
  const OriginGuard guard("127.0.0.1", {"ui.example"});
  const auto slug = [&](std::string_view origin) {
    Request request;
    request.headers.add("Host", "localhost:8000");
    request.headers.add("Origin", origin);
    const auto problem = guard.check(request);
    return problem ? problem->slug : std::string("none");
  };
  EXPECT_EQ(slug("http://localhost:8000"), "none") << "its own";
  EXPECT_EQ(slug("http://127.0.0.1:8000"), "none") << "the same one";
  EXPECT_EQ(slug("https://ui.example"), "none");
  for (const std::string_view foreign :
       {"null", "", "http://localhost:3000", "http://127.0.0.1:8001", "https://evil.example", "file://localhost",
        "http://localhost.evil.example", "//localhost", "http://"}) {
    EXPECT_EQ(slug(foreign), "forbidden-origin") << foreign;
  }
}

TEST(Pipeline, RefusedCredentialsAreToldOnceASecondWithoutThem) {
  std::ostringstream out;
  spdlog::logger logger("http", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  Router router;
  router.add("GET", "/vms", [](const Request&) { return Response::text("vms"); });
  router.add(
      "GET", "/livez", [](const Request&) { return Response::text("ok"); }, Access::open);
  const TokenAuthenticator authenticator({*core::sha256_hex("the right one")});
  const Pipeline pipeline(router, OriginGuard("127.0.0.1", {}), &authenticator, nullptr, logger);
  const auto ask = [&](const std::string& path, const std::string& token) {
    Request request;
    request.method = "GET";
    request.path = path;
    request.peer = "192.0.2.9:4711";
    request.headers.add("Host", "localhost");
    request.headers.add("Authorization", "Bearer " + token);
    const auto admitted = pipeline.admit(request);
    return admitted.refusal ? admitted.refusal->status : 0;
  };
  EXPECT_EQ(ask("/vms", "the right one"), 0);
  EXPECT_EQ(ask("/livez", "the right one"), 0);
  EXPECT_EQ(out.str(), "");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask("/vms", "guessed"), 401);
  const std::string told = out.str();
  EXPECT_NE(told.find("[warning] a request's credentials are refused peer=192.0.2.9:4711 credentials=not_accepted"),
            std::string::npos)
      << told;
  EXPECT_LE(std::count(told.begin(), told.end(), '\n'), 3) << "of fifty: " << told;
  EXPECT_EQ(told.find("guessed"), std::string::npos) << told;
}

TEST(Pipeline, ATokenIsNotTriedOutInSilenceWhereNoneIsNeeded) {
  std::ostringstream out;
  spdlog::logger logger("http", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  Router router;
  router.add(
      "GET", "/readyz", [](const Request&) { return Response::text("ok"); }, Access::open);
  const TokenAuthenticator authenticator({*core::sha256_hex("the right one")});
  const Pipeline pipeline(router, OriginGuard("127.0.0.1", {}), &authenticator, nullptr, logger);
  const auto is_admitted = [&](const std::string& authorization) {
    Request request;
    request.method = "GET";
    request.path = "/readyz";
    request.headers.add("Host", "localhost");
    if (!authorization.empty()) request.headers.add("Authorization", authorization);
    return !pipeline.admit(request).refusal;
  };
  EXPECT_TRUE(is_admitted(""));
  EXPECT_TRUE(is_admitted("Bearer the right one"));
  EXPECT_EQ(out.str(), "");
  EXPECT_TRUE(is_admitted("Bearer guessed"));
  EXPECT_NE(out.str().find("credentials=not_accepted"), std::string::npos) << out.str();
}

TEST(TokenAuthenticator, ComparesHashes) {
  const std::string hash = *core::sha256_hex("secret");
  const TokenAuthenticator authenticator({*core::sha256_hex("other"), hash});
  EXPECT_TRUE(authenticator.accepts("secret"));
  EXPECT_FALSE(authenticator.accepts("Secret"));
  EXPECT_FALSE(authenticator.accepts(""));
  EXPECT_FALSE(authenticator.accepts(hash));
  EXPECT_FALSE(TokenAuthenticator({}).accepts("secret"));
}

TEST(RequestId, IsUsableOrNew) {
  EXPECT_TRUE(is_usable_request_id("abc-1"));
  EXPECT_TRUE(is_usable_request_id(std::string(128, 'x')));
  for (const std::string& bad :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\xc3\xbc"), std::string("a\x7f")}) {
    EXPECT_FALSE(is_usable_request_id(bad)) << bad;
  }
  std::set<std::string> seen;
  std::string id;
  for (int i = 0; i < 10000; ++i) {
    make_request_id(id);
    ASSERT_TRUE(seen.insert(id).second);
  }
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

TEST(JsonBody, TakesJsonOnly) {
  const auto slug = [](std::string_view type, std::string_view body, BodyRule rule = BodyRule::required) {
    Request request;
    request.body = body;
    if (!type.empty()) request.headers.add("Content-Type", type);
    const Status checked = check_json_body(request, rule);
    return checked ? std::string("none") : Problem(checked.error()).slug;
  };
  EXPECT_EQ(slug("application/json", "{}"), "none");
  EXPECT_EQ(slug("Application/JSON ; charset=UTF-8", "{}"), "none");
  EXPECT_EQ(slug("application/merge-patch+json", "{}"), "none");
  EXPECT_EQ(slug("", "", BodyRule::optional), "none");
  EXPECT_EQ(slug("text/html", "", BodyRule::optional), "none");
  EXPECT_EQ(slug("", ""), "bad-json");
  EXPECT_EQ(slug("", "{}"), "unsupported-media-type");
  EXPECT_EQ(slug("text/plain", "{}"), "unsupported-media-type");
  EXPECT_EQ(slug("application/jsonx", "{}"), "unsupported-media-type");
  EXPECT_EQ(slug("application/x-www-form-urlencoded", "{}", BodyRule::optional), "unsupported-media-type");
  EXPECT_EQ(slug("application/json; charset=utf-16", "{}"), "unsupported-media-type");
}

TEST(ResponseWriter, DropsFieldsThatWouldSplitTheReply) {
  Response response = Response::json("{}");
  response.headers.add("X-Good", "a b");
  response.headers.add("X-Bad", "a\r\nSet-Cookie: x=y");
  response.headers.add("X Bad", "a");
  std::string head;
  append_head(head, response, {"id", 1, true, 2, false});
  EXPECT_NE(head.find("\r\nX-Good: a b\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Set-Cookie"), std::string::npos);
  EXPECT_EQ(head.find("X Bad"), std::string::npos);
  EXPECT_NE(head.find("\r\nContent-Length: 2\r\n"), std::string::npos);
}

}  // namespace
}  // namespace qarax::http
