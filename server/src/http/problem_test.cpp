#include "http/problem.hpp"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>

#include <set>

#include "http/text.hpp"

namespace qarax::http {
namespace {

Poco::JSON::Object::Ptr parse(const std::string& json) {
  return Poco::JSON::Parser().parse(json).extract<Poco::JSON::Object::Ptr>();
}

TEST(Problem, HasEveryMember) {
  Problem problem("validation", "2 fields are wrong");
  problem.errors = {{"/disks/2/size", "expected an integer"}, {"/na\"me", "missing"}};
  problem.job_id = "j1";
  const auto json = parse(problem_document(problem, "/vms", "r-1"));
  EXPECT_EQ(json->getValue<std::string>("type"), "https://qarax.dev/problems/validation");
  EXPECT_EQ(json->getValue<std::string>("title"), "Document does not fit the schema");
  EXPECT_EQ(json->getValue<int>("status"), 422);
  EXPECT_EQ(json->getValue<std::string>("detail"), "2 fields are wrong");
  EXPECT_EQ(json->getValue<std::string>("message"), "2 fields are wrong");
  EXPECT_EQ(json->getValue<std::string>("instance"), "/vms");
  EXPECT_EQ(json->getValue<std::string>("request_id"), "r-1");
  EXPECT_EQ(json->getValue<std::string>("job_id"), "j1");
  EXPECT_FALSE(json->getValue<std::string>("hint").empty());
  ASSERT_EQ(json->getArray("errors")->size(), 2U);
  EXPECT_EQ(json->getArray("errors")->getObject(1)->getValue<std::string>("pointer"), "/na\"me");
}

TEST(Problem, LeavesOutWhatThereIsNot) {
  const auto json = parse(problem_document(Problem("vm-not-found", ""), "/vms/1", "r"));
  EXPECT_FALSE(json->has("errors"));
  EXPECT_FALSE(json->has("job_id"));
  EXPECT_EQ(json->getValue<std::string>("detail"), "No such VM");
}

TEST(Problem, QuotesHostileBytes) {
  const std::string hostile("\"\\\n\x01\x7f\xff\xc3(\xed\xa0\x80 \xc3\xbc", 14);
  const std::string document = problem_document(Problem("bad-json", hostile), hostile, "r");
  EXPECT_TRUE(is_utf8(document));
  const std::string detail = parse(document)->getValue<std::string>("detail");
  EXPECT_EQ(detail.substr(0, 5), std::string("\"\\\n\x01\x7f", 5));
  EXPECT_NE(detail.find("\xc3\xbc"), std::string::npos);
}

TEST(Problem, ComesFromAnError) {
  Request request;
  request.path = "/vms/1/start";
  request.request_id = "r-9";
  Error error = make_error(Code::unavailable, "node n1 does not answer", "node-unreachable");
  error.retry_after_ms = 2500;
  Response response = problem_response(request, Problem(error));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.headers.find("Retry-After"), "3");

  error.retry_after_ms = 0;
  EXPECT_EQ(problem_response(request, Problem(error)).headers.find("Retry-After"), "5");

  error.reason = "a-slug-from-a-plugin";
  response = problem_response(request, Problem(error));
  EXPECT_EQ(parse(response.body)->getValue<std::string>("type"), "https://qarax.dev/problems/unavailable");

  EXPECT_EQ(problem_response(request, Problem("unauthorized", "no")).headers.find("WWW-Authenticate"),
            "Bearer realm=\"qarax\"");
}

TEST(ProblemCatalogue, IsSound) {
  std::set<std::string_view> slugs;
  for (const ProblemKind& kind : problem_catalogue()) {
    EXPECT_TRUE(slugs.insert(kind.slug).second) << kind.slug << " twice";
    EXPECT_GE(kind.status, 400);
    EXPECT_NE(reason_phrase(kind.status), "Unknown") << kind.status;
    EXPECT_FALSE(kind.title.empty()) << kind.slug;
    EXPECT_FALSE(kind.hint.empty()) << kind.slug;
    EXPECT_TRUE(kind.status != 503 || kind.retry_after_s > 0) << kind.slug;
  }
  for (int code = 0; code <= 16; ++code) {
    EXPECT_TRUE(is_problem_slug(default_slug(code_from_int(code)))) << code;
  }
  EXPECT_EQ(problem_kind("no-such-slug").slug, "internal");
}

}  // namespace
}  // namespace qarax::http
