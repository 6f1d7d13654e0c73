#include "config/server_config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "keys_told_of.hpp"

namespace qarax::server {
namespace {

class ServerConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-server-config-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = name;
    clear_environment();
  }
  void TearDown() override {
    unlink(path_.c_str());
    clear_environment();
  }
  static void clear_environment() {
    for (const char* name : {"DATABASE_URL", "QARAX_NODE_HOST", "QARAX_NODE_PORT", "QARAX_SERVER_LISTEN_PORT"})
      unsetenv(name);
  }
  Result<ServerConfig> read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_server_config(path_);
  }
  std::string refusal(const std::string& text) {
    const auto config = read(text);
    return config ? "accepted" : config.error().message;
  }
  std::string path_;
};

TEST_F(ServerConfigTest, TheShippedFileHoldsEveryKeyWithItsDefault) {
  std::vector<std::string> keys;
  const auto shipped = read_server_config(QARAX_SERVER_YAML, &keys);
  ASSERT_TRUE(shipped) << shipped.error().message;
  ServerConfig defaults;
  defaults.data_dir = shipped->data_dir;  // by user and environment
  defaults.database_url = sqlite_file(shipped->data_dir + "/qarax.db");
  EXPECT_TRUE(*shipped == defaults);
  EXPECT_TRUE(*shipped == *read_server_config(""));
  const auto told = keys_told_of(QARAX_SERVER_YAML);
  for (const std::string& key : keys)
    EXPECT_TRUE(told.contains(key)) << key << " doesn't stand in " << QARAX_SERVER_YAML;
}

TEST_F(ServerConfigTest, ADurationThatWouldStopTheServerFromWorkingIsRefused) {
  for (const char* text : {"limits: {request_timeout: 0s}\n", "limits: {action_wait: 999ms}\n",
                           "events: {keep_for: 0s}\n", "jobs: {keep_for: 999ms}\n"})
    EXPECT_NE(refusal(text).find("at least 1s"), std::string::npos) << text << refusal(text);
  for (const char* text : {"vm: {restart: {backoff: 0s}}\n", "vm: {restart: {backoff_max: 0s}}\n"})
    EXPECT_NE(refusal(text).find("at least 10ms"), std::string::npos) << text << refusal(text);
  EXPECT_TRUE(read("shutdown: {grace: 0s}\nvm: {stop_timeout: 0s}\n"));
}

TEST_F(ServerConfigTest, AnUnknownKeyIsNamedWithItsLine) {
  EXPECT_NE(refusal("log:\n  level: info\nlisten:\n  prot: 1\n")
                .find(path_ + ":4: listen.prot: unknown key; did you mean listen.port?"),
            std::string::npos);
}

TEST_F(ServerConfigTest, AnOpenAddressNeedsCredentials) {
  const std::string open = "listen:\n  address: 0.0.0.0\n";
  const std::string tls = "  tls:\n    cert: /c\n    key: /k\n";
  const std::string token = "  token_sha256: " + std::string(64, 'a') + "\n";
  EXPECT_NE(refusal(open).find("insecure: true"), std::string::npos);
  EXPECT_NE(refusal(open + tls).find("insecure: true"), std::string::npos);
  EXPECT_NE(refusal(open + token).find("insecure: true"), std::string::npos);
  EXPECT_TRUE(read(open + tls + token));
  EXPECT_TRUE(read(open + "insecure: true\n"));
  EXPECT_TRUE(read("listen:\n  address: \"::1\"\n"));
  EXPECT_NE(refusal("listen:\n  tls:\n    cert: /c\n").find("cert and key go together"), std::string::npos);
  EXPECT_NE(refusal("listen:\n  token_sha256: secret\n").find("--hash-token"), std::string::npos);
}

TEST_F(ServerConfigTest, AnAllowedHostIsANameWithOrWithoutAPort) {
  EXPECT_TRUE(
      read("listen:\n  allowed_hosts: [app.example, localhost:3000, qarax_ui, 192.0.2.7:80, \"2001:db8::1\", "
           "\"[::1]:80\"]\n"));
  for (const std::string host : {":::bad host/", "http://app.example", "app.example/ui", "bad host", "*.example",
                                 "app.example:", "app.example:99999", "[::1", ""}) {
    const std::string refused = refusal("listen:\n  port: 1\n  allowed_hosts: [good.example, \"" + host + "\"]\n");
    EXPECT_EQ(refused, path_ + ":3: listen.allowed_hosts: expected name or name:port, such as app.example or " +
                           "localhost:3000, got \"" + host + "\"");
  }
}

TEST_F(ServerConfigTest, AStopsTimeIsBelowTheTimeThatARequestWaits) {
  const std::string words = " must be below limits.action_wait (";
  const std::string late = refusal("vm:\n  stop_timeout: 120s\n");
  EXPECT_NE(late.find(path_ + ":2: vm.stop_timeout: vm.stop_timeout (120000ms)" + words + "60000ms)"),
            std::string::npos)
      << late;
  EXPECT_TRUE(read("limits:\n  action_wait: 10s\n")) << "that one is answered 504 early by choice";
  EXPECT_TRUE(read("vm:\n  stop_timeout: 120s\nlimits:\n  action_wait: 150s\n"));
}

TEST_F(ServerConfigTest, FilesThatTheConfigNamesAreLookedAtWhereAskedFor) {
  const std::string text = "listen:\n  tls:\n    cert: /nonexistent/c\n    key: " + path_ +
                           "\nnode:\n  token_file: /nonexistent/t\n  ca: /tmp\n";
  EXPECT_TRUE(read(text));
  const auto config = read_server_config(path_, nullptr, true);
  ASSERT_FALSE(config);
  const std::string way_out = "; name a file that this user can read";
  EXPECT_EQ(config.error().message, path_ + ":3: listen.tls.cert: /nonexistent/c: No such file or directory" + way_out +
                                        "\n" + path_ +
                                        ":6: node.token_file: /nonexistent/t: No such file or directory" + way_out +
                                        "\n" + path_ + ":7: node.ca: /tmp: Is a directory" + way_out);
}

TEST_F(ServerConfigTest, TheNodesTokenDoesntGoInPlainTextToOtherMachines) {
  const std::string far = "nodes:\n  - {name: n1, address: 10.0.0.7}\n";
  const std::string near = "nodes:\n  - {name: n1, address: 127.0.0.1}\n";
  const std::string refused = refusal("node:\n  token: secret\n" + far);
  EXPECT_NE(
      refused.find(":2: node.token: without node.ca it would be sent to node n1 (10.0.0.7) in plain text: set node.ca"),
      std::string::npos)
      << refused;
  EXPECT_EQ(refused.find("secret"), std::string::npos) << refused;
  EXPECT_NE(refusal("node:\n  token_file: /t\n" + far).find("node.token_file: without node.ca"), std::string::npos);
  EXPECT_TRUE(read("node:\n  token: secret\n  ca: /ca.crt\n" + far));
  EXPECT_TRUE(read("node:\n  token: secret\n  insecure: true\n" + far));
  EXPECT_TRUE(read("node:\n  token: secret\n" + near));
  EXPECT_TRUE(read(far));
}

TEST_F(ServerConfigTest, TheDatabaseIsAFileOrPostgres) {
  EXPECT_EQ(read("database: sqlite:///var/x/y.db\n")->database_url.path, "/var/x/y.db");
  EXPECT_NE(refusal("database: sqlite://x.db\n").find("sqlite:///absolute/path"), std::string::npos);
  EXPECT_NE(refusal("database: sqlite:///\n").find("sqlite:///absolute/path"), std::string::npos);
  const auto postgres = read("database: postgres://u:secret@h/d\n");
  ASSERT_TRUE(postgres) << postgres.error().message;
  EXPECT_TRUE(postgres->database_url.is_postgres());
  EXPECT_EQ(postgres->database_url.shown(), "postgres://u@h:5432/d");
  const std::string wrong = refusal("database: postgres://u:secret@h:many/d\n");
  EXPECT_NE(wrong.find("port must be"), std::string::npos) << wrong;
  EXPECT_EQ(wrong.find("secret"), std::string::npos) << wrong;
  setenv("DATABASE_URL", "sqlite:///env.db", 1);
  EXPECT_EQ(read("database: sqlite:///file.db\n")->database_url.path, "/env.db");
  setenv("DATABASE_URL", "mysql://u:secret@x", 1);
  EXPECT_NE(refusal("").find("DATABASE_URL: expected"), std::string::npos);
  EXPECT_EQ(refusal("").find("secret"), std::string::npos);
}

TEST_F(ServerConfigTest, NodesComeFromFileAndEnvironment) {
  setenv("QARAX_NODE_HOST", "10.0.0.7", 1);
  setenv("QARAX_NODE_PORT", "50052", 1);
  const auto config = read("nodes:\n  - name: n1\n    address: h1.example\n    port: 50053\n  - address: h2\n");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->nodes.size(), 3u);
  EXPECT_EQ(config->nodes[0].name, "n1");
  EXPECT_EQ(config->nodes[0].port, 50053);
  EXPECT_EQ(config->nodes[1].name, "h2");
  EXPECT_EQ(config->nodes[1].port, 50051);
  EXPECT_EQ(config->nodes[2].name, "10.0.0.7");
  EXPECT_EQ(config->nodes[2].address, "10.0.0.7");
  EXPECT_EQ(config->nodes[2].port, 50052);
  setenv("QARAX_NODE_HOST", "::1", 1);
  EXPECT_EQ(read("")->nodes.at(0).name, "node--1");
  setenv("QARAX_NODE_PORT", "many", 1);
  EXPECT_NE(refusal("").find("QARAX_NODE_PORT: port must be"), std::string::npos);
  clear_environment();
  EXPECT_NE(refusal("nodes:\n  - adress: x\n").find(path_ + ":2: nodes: \"adress\" is unknown"), std::string::npos);
  EXPECT_NE(refusal("nodes:\n  - address: h\n    port: 0\n").find(path_ + ":2: nodes: port must be"),
            std::string::npos);
}

TEST_F(ServerConfigTest, TheEnvironmentWins) {
  setenv("QARAX_SERVER_LISTEN_PORT", "8123", 1);
  EXPECT_EQ(read("listen:\n  port: 9000\n")->listen_port, 8123);
}

TEST_F(ServerConfigTest, TheNodesTokenMayStandInAFile) {
  const std::string file = path_ + ".token";
  std::ofstream(file) << "secret\n";
  const auto config = read("node:\n  token_file: " + file + "\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(*read_node_token(*config), "secret");
  unlink(file.c_str());
  EXPECT_EQ(read_node_token(*config).error().code, Code::not_found);
  EXPECT_NE(refusal("node:\n  token: a\n  token_file: /b\n").find("choose one"), std::string::npos);
}

}  // namespace
}  // namespace qarax::server
