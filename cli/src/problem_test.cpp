#include "problem.hpp"

#include <gtest/gtest.h>

namespace qarax::cli {
namespace {

constexpr const char* kType = "application/problem+json";

std::string problem(const std::string& slug, const std::string& more = "") {
  return R"({"type":"https://qarax.dev/problems/)" + slug + R"(","title":"T","detail":"the detail","message":"m")" +
         more + "}";
}

TEST(Problem, EverythingItCarriesIsPrinted) {
  const Error error = problem_error(
      409, kType,
      problem("job-in-progress",
              R"(,"hint":"Wait for the job in job_id.","job_id":"5f1c","errors":[{"pointer":"/a/0","detail":"is bad"},)"
              R"({"pointer":"","detail":"as a whole"}])"));
  EXPECT_EQ(error.code, Code::failed_precondition);
  EXPECT_EQ(render_error(error, {.vm = "web"}),
            "qarax: the detail\n"
            "  /a/0: is bad\n"
            "  as a whole\n"
            "  hint: Wait for the job in job_id.\n"
            "  job:  5f1c\n"
            "  next: qarax show web\n");
}

TEST(Problem, ADetailThatIsTheMessageIsNotSaidTwice) {
  Error error = make_error(Code::invalid_argument, "NewVm /boot_vcpus: 0 is below the minimum of 1", "validation");
  error.details.push_back({"/boot_vcpus", "0 is below the minimum of 1"});
  EXPECT_EQ(render_error(error, {}), "qarax: NewVm /boot_vcpus: 0 is below the minimum of 1\n");
}

TEST(Problem, NextCommandNamesTheVmOrStaysAway) {
  const Error error = problem_error(502, kType, problem("vmm-failed"));
  EXPECT_NE(render_error(error, {.vm = "web"}).find("next: qarax why web\n"), std::string::npos);
  EXPECT_EQ(render_error(error, {}).find("next:"), std::string::npos);
}

TEST(Problem, AHostIsNoVm) {
  Error error = problem_error(504, kType, problem("deadline-exceeded", R"(,"job_id":"5f1c")"));
  EXPECT_NE(render_error(error, {.host = "node1"}).find("next: qarax job 5f1c\n"), std::string::npos);
  error.details.clear();
  EXPECT_NE(render_error(error, {.host = "node1"}).find("next: qarax jobs --host node1\n"), std::string::npos);
  error = problem_error(404, kType, problem("host-not-found"));
  EXPECT_NE(render_error(error, {.host = "node1"}).find("next: qarax hosts\n"), std::string::npos);
  error = problem_error(409, kType, problem("name-taken"));
  EXPECT_NE(render_error(error, {.host = "node1"}).find("next: qarax hosts\n"), std::string::npos);
}

TEST(Problem, WhatTheServerSaysCannotCommandTheTerminal) {
  const Error error = make_error(Code::internal, "a\033[2Jb\nc");
  EXPECT_EQ(render_error(error, {}), "qarax: a [2Jb c\n");
}

TEST(Problem, AnAnswerOfAnotherProgramIsNotTheServersRefusal) {
  for (const auto& [type, body] :
       {std::pair{"text/html", "<html>"}, {"application/problem+json", "<html>"}, {"application/json", "{}"}}) {
    const Error error = problem_error(502, type, body);
    EXPECT_EQ(exit_code(error), kNotReachable) << type;
    EXPECT_NE(error.message.find("502"), std::string::npos);
  }
}

TEST(ExitCodes, AreTheOnesOfTheContract) {
  EXPECT_EQ(exit_code(problem_error(404, kType, problem("vm-not-found"))), 1);
  EXPECT_EQ(exit_code(problem_error(422, kType, problem("validation"))), 1);
  EXPECT_EQ(exit_code(problem_error(503, kType, problem("node-unreachable"))), 1) << "the server itself answered";
  EXPECT_EQ(exit_code(make_error(Code::invalid_argument, "", std::string(kUsage))), 2);
  EXPECT_EQ(exit_code(make_error(Code::unavailable, "", std::string(kUnreachable))), 3);
  EXPECT_EQ(exit_code(make_error(Code::unavailable, "", std::string(kBroken))), 3);
  EXPECT_EQ(exit_code(problem_error(504, kType, problem("deadline-exceeded"))), 4);
}

}  // namespace
}  // namespace qarax::cli
