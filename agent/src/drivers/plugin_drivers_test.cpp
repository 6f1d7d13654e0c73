#include "plugin_drivers.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "plugin_services.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class PluginDriversTest : public ::testing::Test {
 protected:
  PluginDriversTest() {
    config_.data_dir = folder_ / "data";
    std::filesystem::create_directory(plugins_);
  }
  Status load(bool required) {
    config_.plugins = {{plugins_, {}, required}};
    return drivers_.load(config_, {});
  }

  const TempFolder folder_;
  const std::string plugins_ = folder_ / "plugins";
  NodeConfig config_;
  ProcessService processes_{
      {"/nonexistent", folder_ / "vms"}, Cgroups::none(), [](const std::string&, std::int64_t) {}};
  PluginServices services_{processes_, [](const std::string&, const std::string&) {}};
  core::PluginHost host_{services_};
  PluginDrivers drivers_{host_};
};

TEST_F(PluginDriversTest, AFolderIsLoadedFileByFile) {
  std::filesystem::copy_file(QARAX_SLEEPER, plugins_ + "/sleeper.so");
  std::ofstream(plugins_ + "/broken.so") << "not a plugin";
  ASSERT_TRUE(load(false));
  const auto infos = drivers_.infos();
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[0].name, "broken");
  EXPECT_EQ(infos[0].state, core::PluginState::refused);
  EXPECT_EQ(infos[1].state, core::PluginState::loaded);
  EXPECT_TRUE(std::filesystem::is_directory(config_.data_dir + "/plugins/" + infos[1].name));
  EXPECT_TRUE(drivers_.find(infos[1].name));
}

TEST_F(PluginDriversTest, AFolderThatIsntToBeTrustedIsSaidAndKeepsTheNodeFromStartingWhereItIsRequired) {
  ASSERT_EQ(::chmod(plugins_.c_str(), 0777), 0);
  EXPECT_TRUE(load(false));
  ASSERT_EQ(drivers_.infos().size(), 1u);
  EXPECT_EQ(drivers_.infos()[0].path, plugins_);
  EXPECT_NE(drivers_.infos()[0].reason.find("chmod go-w"), std::string::npos);
  const Status required = load(true);
  ASSERT_FALSE(required);
  EXPECT_NE(required.error().message.find("a required plugin was refused: plugin folder " + plugins_),
            std::string::npos);
}

TEST_F(PluginDriversTest, WhileOneFileHangsTheOthersServe) {
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::copy_file(QARAX_SLOW_CREATE, plugins_ + "/10_slow.so");
  std::filesystem::copy_file(QARAX_SLEEPER, plugins_ + "/20_sleeper.so");
  config_.plugins = {{plugins_ + "/10_slow.so", {R"({"fifo":")" + fifo + R"("})"}, false}, {plugins_, {}, false}};
  std::promise<void> done;
  std::promise<void> other_done;
  ASSERT_TRUE(drivers_.load(
      config_, {}, [&](const std::string& plugin) { (plugin == "slow_create" ? done : other_done).set_value(); }, 1));
  other_done.get_future().wait();
  const auto infos = drivers_.infos();
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[0].state, core::PluginState::loading);
  EXPECT_EQ(infos[0].step, "create");
  EXPECT_NE(infos[0].reason.find("create hasn't returned yet"), std::string::npos) << infos[0].reason;
  EXPECT_EQ(infos[1].state, core::PluginState::loaded);
  EXPECT_TRUE(drivers_.find(infos[1].name));
  EXPECT_EQ(drivers_.default_hypervisor(config_), infos[1].name);
  config_.default_hypervisor = "slow_create";
  EXPECT_EQ(drivers_.default_hypervisor(config_), "slow_create") << "somebody wants it in any case";
  const auto early = drivers_.find("slow_create");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Code::unavailable);
  EXPECT_EQ(early.error().reason, kPluginLoading);
  EXPECT_EQ(drivers_.find("another").error().reason, "hypervisor-unavailable");

  // Returns when the plugin has opened it, and lets the plugin go on.
  const int fd = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  ::close(fd);
  done.get_future().wait();
  EXPECT_TRUE(drivers_.find("slow_create"));
  EXPECT_EQ(drivers_.infos()[0].state, core::PluginState::loaded);
}

}  // namespace
}  // namespace qarax::agent
