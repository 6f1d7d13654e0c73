// Files are loaded in the background and overtake one that hangs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kNotAtAll = 0;
constexpr std::int64_t kLong = 20'000;

class Turns : public ::testing::Test {
 protected:
  Turns() {
    EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
    services_.on_notify = [](std::string_view, std::string_view) {};
  }
  void release() const {
    const int fd = ::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC);  // blocks until the plugin has it open, then frees it
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  PluginFileConfig slow(bool required = false) const {
    return {.path = slow_, .config = {R"({"fifo":")" + fifo_ + R"("})"}, .required = required};
  }
  void begin(const std::vector<PluginFileConfig>& files) {
    host_.begin_loading(files, [this](const PluginRecord& record) {
      const std::lock_guard lock(mutex_);
      told_.push_back(record.name + (record.state == PluginState::loaded ? " loaded" : " refused"));
      heard_.notify_all();
    });
  }
  std::vector<std::string> told(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(heard_.wait_for(lock, std::chrono::seconds(20), [&] { return told_.size() >= count; }));
    return told_;
  }
  std::vector<std::pair<std::string, PluginState>> all() const {
    std::vector<std::pair<std::string, PluginState>> out;
    for (const auto& record : host_.records()) out.emplace_back(record.name, record.state);
    return out;
  }

  const TempFolder folder_;
  const std::string fifo_ = folder_ / "fifo";
  // A copy for each test: a library that an earlier test has loaded stays loaded, with the values of its variables.
  const std::string slow_ = take(folder_, fixture("slow_create"), "slow.so");
  RecordingServices services_;
  std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<std::string> told_;
  PluginHost host_{services_};
};

using Pair = std::pair<std::string, PluginState>;

TEST_F(Turns, ASlowFileIsOvertakenAndKeepsItsPlace) {
  begin({slow(), {.path = fixture("c_plugin")}});
  EXPECT_THAT(told(1), ElementsAre("c_plugin loaded"));
  EXPECT_THAT(all(), ElementsAre(Pair("slow_create", PluginState::loading), Pair("c_plugin", PluginState::loaded)));
  EXPECT_EQ(host_.records()[0].reason, "plugin " + slow_ +
                                           " is still being loaded: create hasn't returned yet; VMs that need it wait "
                                           "for it");
  EXPECT_EQ(to_string(host_.records()[0].step), "create");
  EXPECT_NE(host_.hypervisor("c_plugin"), nullptr);
  EXPECT_EQ(host_.hypervisor("slow_create"), nullptr);
  EXPECT_TRUE(host_.may_be_loading("slow_create"));
  EXPECT_FALSE(host_.may_be_loading("another")) << "by now it has said its name";
  host_.await_loading(kNotAtAll);
  release();
  host_.await_loading(kLong);
  EXPECT_THAT(told(2), ElementsAre("c_plugin loaded", "slow_create loaded"));
  EXPECT_THAT(all(), ElementsAre(Pair("slow_create", PluginState::loaded), Pair("c_plugin", PluginState::loaded)));
  EXPECT_FALSE(host_.may_be_loading("slow_create"));
  EXPECT_NE(host_.hypervisor("slow_create"), nullptr);
}

TEST_F(Turns, ANameIsTakenWhileItsPluginIsBeingLoaded) {
  const auto copy = take(folder_, fixture("slow_create"), "copy.so");
  begin({slow(), {.path = copy}});
  EXPECT_THAT(told(1), ElementsAre("slow_create refused"));
  EXPECT_THAT(host_.records()[1].reason, HasSubstr("its id org.qarax.fixture.slow_create is taken by " + slow_));
  release();
  host_.await_loading(kLong);
  EXPECT_NE(host_.hypervisor("slow_create"), nullptr);
}

TEST_F(Turns, BehindAFileThatHoldsTheLoaderTheOthersWait) {
  ::setenv("QARAX_FIXTURE_FIFO", fifo_.c_str(), 1);
  begin({{.path = take(folder_, fixture("slow_open"), "open.so")}, {.path = fixture("c_plugin")}});
  host_.await_loading(600);
  EXPECT_THAT(all(), ElementsAre(Pair("", PluginState::loading), Pair("", PluginState::loading)));
  EXPECT_TRUE(host_.may_be_loading("c_plugin"));
  EXPECT_THAT(host_.records()[0].reason, HasSubstr("loading it, which runs its static initialisers, hasn't returned"));
  EXPECT_THAT(host_.records()[1].reason, HasSubstr("waits to be loaded"));
  release();
  EXPECT_THAT(told(2), UnorderedElementsAre("slow_open loaded", "c_plugin loaded"));
  ::unsetenv("QARAX_FIXTURE_FIFO");
}

TEST_F(Turns, ARequiredOneIsWaitedForAndOneThatIsRefusedIsNot) {
  begin({{.path = fixture("create_fails"), .required = true}, slow(true)});
  EXPECT_THAT(told(1), ElementsAre("create_fails refused"));
  host_.await_loading(kLong);
  EXPECT_EQ(host_.records()[1].state, PluginState::loading) << "the node doesn't start: nobody waits for the others";

  PluginHost other(services_, {.create_timeout_ms = 1'000, .grace_ms = 20});
  other.begin_loading({slow(true)}, {});
  other.await_loading(kNotAtAll);
  EXPECT_EQ(other.records()[0].state, PluginState::refused);
  EXPECT_TRUE(other.records()[0].hangs);
  release();  // both plugins: they wait for the same writer
}

TEST_F(Turns, TheEndOfTheNodeWaitsForNoFile) {
  begin({slow(), {.path = fixture("c_plugin")}, {.path = QARAX_SLEEPER}});
  told(2);
  EXPECT_TRUE(host_.shutdown(5'000));
  EXPECT_EQ(told(3).back(), "slow_create refused");
  EXPECT_THAT(host_.records()[0].reason, HasSubstr("create hasn't returned by the end of the node"));
  release();
}

}  // namespace
}  // namespace qarax::core::testing
