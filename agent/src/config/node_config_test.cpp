#include "node_config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "keys_told_of.hpp"

namespace qarax::agent {
namespace {

class NodeConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-node-config-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = name;
  }
  void TearDown() override { unlink(path_.c_str()); }
  Result<NodeConfig> read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_node_config(path_);
  }
  std::string path_;
};

TEST(NodeConfigFile, TheShippedFileHoldsEveryKeyWithItsDefault) {
  std::vector<std::string> keys;
  const auto shipped = read_node_config(QARAX_NODE_YAML, &keys);
  ASSERT_TRUE(shipped) << shipped.error().message;
  NodeConfig defaults;
  defaults.data_dir = shipped->data_dir;  // depends on user and environment
  defaults.unix_socket = shipped->data_dir + "/node.sock";
  EXPECT_TRUE(*shipped == defaults);
  EXPECT_TRUE(*shipped == *read_node_config(""));
  const auto told = keys_told_of(QARAX_NODE_YAML);
  for (const std::string& key : keys) EXPECT_TRUE(told.contains(key)) << key << " doesn't stand in " << QARAX_NODE_YAML;
}

TEST_F(NodeConfigTest, AnotherAddressWithoutCredentialsIsRefused) {
  const auto config = read("listen:\n  address: 0.0.0.0\n");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("insecure: true"), std::string::npos);
  EXPECT_TRUE(read("listen:\n  address: 0.0.0.0\ninsecure: true\n"));
  EXPECT_TRUE(read("listen:\n  address: 127.8.8.8\n"));
  EXPECT_FALSE(read("listen:\n  address: 0.0.0.0\n  tls:\n    cert: /c\n    key: /k\n"));
  EXPECT_FALSE(read("listen:\n  address: 0.0.0.0\n  token_sha256: " + std::string(64, 'a') + "\n"));
  EXPECT_TRUE(read("listen:\n  address: 0.0.0.0\n  tls:\n    cert: /c\n    key: /k\n  token_sha256: " +
                   std::string(64, 'a') + "\n"));
}

TEST_F(NodeConfigTest, ACertificateHasAnAbsolutePath) {
  const auto config = read("listen:\n  tls:\n    cert: c.pem\n    key: k.pem\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, path_ + ":3: listen.tls.cert: must be an absolute path, got \"c.pem\"\n" + path_ +
                                        ":4: listen.tls.key: must be an absolute path, got \"k.pem\"");
}

TEST_F(NodeConfigTest, FilesThatTheConfigNamesAreLookedAtWhereAskedFor) {
  const std::string text = "supervisor: " + path_ + "\nboot:\n  kernel: /nonexistent/k\n  initramfs: " + path_ +
                           "\nlisten:\n  tls:\n    cert: /nonexistent/c\n    key: " + path_ + "\n";
  EXPECT_TRUE(read(text));
  const auto config = read_node_config(path_, nullptr, true);
  ASSERT_FALSE(config);
  const std::string way_out = ": No such file or directory; name a file that this user can read";
  EXPECT_EQ(config.error().message, path_ + ":1: supervisor: " + path_ +
                                        ": Permission denied; name a program that this user can run\n" + path_ +
                                        ":7: listen.tls.cert: /nonexistent/c" + way_out + "\n" + path_ +
                                        ":3: boot.kernel: /nonexistent/k" + way_out);
}

TEST_F(NodeConfigTest, PluginsGroupAndTheSocketsFolderAreLookedAtWhereAskedFor) {
  const std::string text = "plugins:\n  - path: " + path_ +
                           "\n  - path: /nonexistent/qemu.so\n  - path: /tmp\nlisten:\n  unix_socket: "
                           "/nonexistent/node.sock\n  unix_socket_group: no-such-group\n";
  EXPECT_TRUE(read(text));
  const auto config = read_node_config(path_, nullptr, true);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            path_ +
                ":3: plugins: /nonexistent/qemu.so: No such file or directory; name a plugin's file, or a folder of "
                "plugins, that this user can read\n" +
                path_ +
                ":7: listen.unix_socket_group: this host has no group no-such-group; make it (systemd-sysusers, or "
                "groupadd --system no-such-group), or leave the key out\n" +
                path_ + ":6: listen.unix_socket: there is no folder /nonexistent; make it for this user");
  for (const std::string run : {"/run", "/var/run"}) {
    std::ofstream(path_) << "data_dir: /nonexistent/data\nlisten:\n  unix_socket: " + run + "/nonexistent/node.sock\n";
    EXPECT_TRUE(read_node_config(path_, nullptr, true)) << "the unit makes it: " << run;
  }
  std::ofstream(path_) << "data_dir: /nonexistent/data\nlisten:\n  unix_socket: /nonexistent/data/node.sock\n";
  EXPECT_TRUE(read_node_config(path_, nullptr, true)) << "the agent makes it";
}

// Processes are looked for under the same spelling of the folder under which they were started.
TEST_F(NodeConfigTest, TheDataFolderHasNoSlashBehindIt) {
  auto config = read("data_dir: /var/lib/qarax//\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->data_dir, "/var/lib/qarax");
  EXPECT_EQ(config->unix_socket, "/var/lib/qarax/node.sock");
  EXPECT_EQ(read("data_dir: /\n")->data_dir, "/");
}

TEST_F(NodeConfigTest, TheSocketsGroupNeedsASocket) {
  EXPECT_EQ(read("{}\n")->unix_socket_group, "");
  const auto config = read("listen:\n  unix_socket: /run/qarax/node.sock\n  unix_socket_group: qarax\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->unix_socket_group, "qarax");
  EXPECT_FALSE(read("listen:\n  unix_socket: none\n  unix_socket_group: qarax\n"));
}

TEST_F(NodeConfigTest, PluginsAreFilesOrFoldersWithTheirConfig) {
  const auto config =
      read("plugins:\n  - path: /p/qemu.so\n    required: true\n    config:\n      accelerator: tcg\n  - path: /p\n");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->plugins.size(), 2u);
  EXPECT_EQ(config->plugins[0].config.text, R"({"accelerator":"tcg"})");
  EXPECT_TRUE(config->plugins[0].required);
  EXPECT_EQ(config->plugins[1].path, "/p");
  EXPECT_EQ(config->plugins[1].at, path_ + ":6");
}

TEST_F(NodeConfigTest, AnyHypervisorCanBePreferred) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(read("{}\n")->default_hypervisors, Names{"cloud_hv"});
  EXPECT_EQ(read("default_hypervisors: [firecracker, qemu]\n")->default_hypervisors, (Names{"firecracker", "qemu"}));
  EXPECT_EQ(read("default_hypervisors: []\n")->default_hypervisors, Names{});
  EXPECT_FALSE(read("default_hypervisors: [qemu, \"\"]\n"));
  EXPECT_FALSE(read("default_hypervisors: qemu\n"));
  EXPECT_EQ(read("default_hypervisors: [qemu.so]\n").error().message,
            path_ + ":1: default_hypervisors: \"qemu.so\" is no plugin's short name; cloud_hv or qemu are such");
  EXPECT_FALSE(read("default_hypervisor: Cloud-Hypervisor\n"));
  EXPECT_EQ(read("default_hypervisor: qemu\n")->default_hypervisor, "qemu");
}

TEST_F(NodeConfigTest, AnyHypervisorCanHaveAFallback) {
  using Map = std::map<std::string, std::string>;
  EXPECT_EQ(read("fallback: {cloud_hv: qemu}\n")->fallback, (Map{{"cloud_hv", "qemu"}}));
  EXPECT_EQ(read("fallback: {cloud_hv: \"\"}\n")->fallback, Map{}) << "the default of an earlier node.yaml";
  EXPECT_EQ(read("fallback:\n  firecracker: cloud_hv\n  cloud_hv: qemu\n")->fallback,
            (Map{{"cloud_hv", "qemu"}, {"firecracker", "cloud_hv"}}));
  EXPECT_FALSE(read("fallback: qemu\n"));
  setenv("QARAX_NODE_FALLBACK_CLOUD_HV", "qemu", 1);
  const auto by_variable = read("{}\n");
  unsetenv("QARAX_NODE_FALLBACK_CLOUD_HV");
  ASSERT_TRUE(by_variable) << by_variable.error().message;
  EXPECT_EQ(by_variable->fallback, (Map{{"cloud_hv", "qemu"}}));
}

TEST_F(NodeConfigTest, BadEntriesNameLineAndReason) {
  const auto config = read("plugins:\n  - path: relative.so\n  - path: /p/x.so\n    confg: {}\ntls_cert: /x\n");
  ASSERT_FALSE(config);
  const std::string& m = config.error().message;
  EXPECT_NE(m.find(path_ + ":2: plugins: path must be absolute, got \"relative.so\""), std::string::npos) << m;
  EXPECT_NE(m.find(path_ + ":3: plugins: \"confg\" is unknown"), std::string::npos) << m;
  EXPECT_NE(m.find(path_ + ":5: tls_cert: unknown key"), std::string::npos) << m;
}

}  // namespace
}  // namespace qarax::agent
