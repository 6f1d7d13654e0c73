#include "redescriber.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <stdexcept>
#include <thread>
#include <vector>

namespace qarax::agent {
namespace {

class Plugins {
 public:
  void describe(const std::string& plugin) {
    std::unique_lock lock(mutex_);
    EXPECT_FALSE(std::exchange(inside_[plugin], true)) << "two at a time";
    calls_.push_back(plugin);
    changed_.notify_all();
    changed_.wait(lock, [&] { return plugin != hangs_; });
    inside_[plugin] = false;
  }
  void wait_for(std::size_t calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_.size() >= calls; });
  }
  void hang(const std::string& plugin) {
    const std::lock_guard lock(mutex_);
    hangs_ = plugin;
    changed_.notify_all();
  }
  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, bool> inside_;
  std::vector<std::string> calls_;
  std::string hangs_;
};

TEST(RedescriberTest, OneThatHangsHoldsUpNoOtherAndIsAskedOnceMore) {
  Plugins plugins;
  {
    Redescriber redescriber([&](const std::string& plugin) { plugins.describe(plugin); });
    plugins.hang("a");
    redescriber.ask("a");
    plugins.wait_for(1);
    for (int i = 0; i < 3; ++i) redescriber.ask("a");
    redescriber.ask("b");
    plugins.wait_for(2);
    plugins.hang("");
    plugins.wait_for(3);
  }
  EXPECT_EQ(plugins.calls(), (std::vector<std::string>{"a", "b", "a"}));
}

TEST(RedescriberTest, OneThatThrewIsAskedAgain) {
  std::atomic<int> calls{0};
  {
    Redescriber redescriber([&](const std::string&) {
      if (++calls == 1) throw std::runtime_error("out of luck");
    });
    redescriber.ask("a");
    while (calls == 0) std::this_thread::yield();
    redescriber.ask("a");
  }
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace qarax::agent
