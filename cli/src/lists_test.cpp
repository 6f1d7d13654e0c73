// Lists of which the server gives one page at a time.
#include <gtest/gtest.h>

#include <sstream>

#include "commands.hpp"
#include "scripted_server.hpp"

namespace qarax::cli {
namespace {

constexpr const char* kWeb =
    R"({"id":"6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55","name":"web","status":"running","host_id":"h2"})";

// Two pages of hosts, and a VM on the host of the second.
std::string answer(const std::string& target) {
  if (target == "/hosts")
    return ScriptedServer::document(R"([{"id":"h1","name":"node1","status":"up"}])",
                                    "</hosts?cursor=node1>; rel=\"next\"");
  if (target == "/hosts?cursor=node1") return ScriptedServer::document(R"([{"id":"h2","name":"node2","status":"up"}])");
  if (target.ends_with("/plugins")) return ScriptedServer::document(R"([{"name":"qemu","state":"loaded"}])");
  if (target == "/vms" || target == "/vms?name=web") return ScriptedServer::document("[" + std::string(kWeb) + "]");
  return ScriptedServer::document("null");
}

class ListsTest : public ::testing::Test {
 protected:
  std::string printed(const Arguments& arguments) {
    std::ostringstream out;
    std::ostringstream note;
    const Status done = run_command({arguments, api_, out, note});
    EXPECT_TRUE(done) << done.error().message;
    return out.str();
  }

 private:
  const ScriptedServer server_{[](const std::string& target, std::size_t) { return answer(target); }};
  ApiClient api_{*parse_endpoint(server_.url()), "", "", std::chrono::hours(1)};
};

TEST_F(ListsTest, HostsAreThoseOfAllPages) {
  const std::string table = printed({.command = "hosts"});
  EXPECT_NE(table.find("node1"), std::string::npos) << table;
  EXPECT_NE(table.find("node2"), std::string::npos) << table;
  EXPECT_EQ(printed({.command = "hosts", .output = "json"}),
            "[{\"id\":\"h1\",\"name\":\"node1\",\"status\":\"up\"},"
            "{\"id\":\"h2\",\"name\":\"node2\",\"status\":\"up\"}]\n");
}

TEST_F(ListsTest, PluginsAreThoseOfEveryHost) {
  const std::string table = printed({.command = "plugins"});
  EXPECT_NE(table.find("node1"), std::string::npos) << table;
  EXPECT_NE(table.find("node2"), std::string::npos) << table;
}

TEST_F(ListsTest, AVmsHostHasItsNameOnWhateverPageItIs) {
  for (const Arguments& arguments : {Arguments{.command = "list"}, Arguments{.command = "show", .target = "web"}}) {
    const std::string told = printed(arguments);
    EXPECT_NE(told.find("node2"), std::string::npos) << told;
  }
}

}  // namespace
}  // namespace qarax::cli
