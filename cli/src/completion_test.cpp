#include <gtest/gtest.h>

#include "commands.hpp"

namespace qarax::cli {
namespace {

TEST(Completion, KnowsTheGrammar) {
  const std::string script = completion_script();
  EXPECT_EQ(script.find('@' + std::string("GLOBAL")), std::string::npos);
  for (const char* mark : {"@OPTIONS@", "@COMMANDS@", "@VM_COMMANDS@", "@SNAPSHOT_COMMANDS@", "@VALUES@"})
    EXPECT_EQ(script.find(mark), std::string::npos) << mark;
  for (const char* word :
       {"launch", "force-stop", "--hypervisor", "--forget", "--follow", "--ca-file", "--read-only", "--detach-key"})
    EXPECT_NE(script.find(word), std::string::npos) << word;
  EXPECT_NE(script.find("why | start | stop"), std::string::npos) << "commands that take a VM";
  EXPECT_NE(script.find("restore | delete-snapshot)"), std::string::npos) << "commands that take a snapshot too";
}

TEST(Completion, NeverExpandsWhatAServerSent) {
  EXPECT_EQ(completion_script().find("compgen -W"), std::string::npos);
  EXPECT_EQ(completion_script().find("eval"), std::string::npos);
}

}  // namespace
}  // namespace qarax::cli
