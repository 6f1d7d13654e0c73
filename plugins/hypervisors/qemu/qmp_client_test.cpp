#include "qmp_client.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "temp_folder.hpp"

namespace qarax::qemu {
namespace {

constexpr const char* kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

// A monitor that plays a script: it sends the first piece on connect, and the next one after each line it receives.
// "<close>" in a piece hangs up there, "<flood>" sends events without a pause from there on.
class ScriptedMonitor {
 public:
  explicit ScriptedMonitor(std::vector<std::string> script) : script_(std::move(script)) {
    auto socket = listen_unix(dir(), "monitor.sock");
    EXPECT_TRUE(socket);
    listener_ = std::move(*socket);
    thread_ = std::thread([this] { play(); });
  }
  ~ScriptedMonitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const std::string& dir() const { return folder_.path(); }
  std::string received;

 private:
  void play() {
    const Socket peer(::accept(listener_.get(), nullptr, nullptr));
    if (peer.get() < 0) return;
    char c = 0;
    for (std::size_t i = 0; i < script_.size(); ++i) {
      if (i > 0) {
        do {
          if (::recv(peer.get(), &c, 1, 0) != 1) return;
          received.push_back(c);
        } while (c != '\n');
      }
      const std::size_t mark = script_[i].find('<');
      static_cast<void>(::send(peer.get(), script_[i].data(), std::min(mark, script_[i].size()), MSG_NOSIGNAL));
      if (script_[i].ends_with("<flood>")) flood(peer);
      if (mark != std::string::npos) return;
    }
    while (::recv(peer.get(), &c, 1, 0) == 1) {
    }
  }
  static void flood(const Socket& peer) {
    std::string events;
    for (int i = 0; i < 1000; ++i) events += "{\"event\": \"RTC_CHANGE\", \"data\": {}}\r\n";
    while (::send(peer.get(), events.data(), events.size(), MSG_NOSIGNAL) > 0) {
    }
  }

  std::vector<std::string> script_;
  TempFolder folder_;
  Socket listener_;
  std::thread thread_;
};

class Qmp : public ::testing::Test {
 protected:
  Qmp() {
    raw_.size = sizeof raw_;
    raw_.cancel_fd = -1;
  }
  qarax_call raw_{};
  plugin::Call call_{&raw_};
};

TEST_F(Qmp, GreetsAndSkipsEvents) {
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n",
                           "{\"event\": \"RESUME\", \"data\": {}}\r\n{\"return\": {\"status\": \"running\"}}\r\n"});
  auto client = QmpClient::connect(call_, monitor.dir(), 2000);
  ASSERT_TRUE(client) << client.error().message;
  const auto status = client->query_status(call_);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(*status, "running");
}

TEST_F(Qmp, AnErrorReplyIsQuoted) {
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n",
                           "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\r\n"});
  auto client = QmpClient::connect(call_, monitor.dir(), 2000);
  ASSERT_TRUE(client);
  const auto done = client->cont(call_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "QEMU refused cont: no such thing");
}

TEST_F(Qmp, GarbageHangAndHangUpAreErrors) {
  {
    ScriptedMonitor monitor({"hello\n"});
    EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 2000).error().code, Code::internal);
  }
  {
    ScriptedMonitor monitor({"{\"QMP\": "});
    EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 50).error().code, Code::deadline_exceeded);
  }
  {
    ScriptedMonitor monitor({kGreeting, "<close>"});
    EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 2000).error().code, Code::unavailable);
  }
  {
    ScriptedMonitor monitor({"{\"surprise\": 1}\r\n"});
    EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 2000).error().code, Code::internal);
  }
}

TEST_F(Qmp, AChattyPeerThatNeverAnswersIsGivenUp) {
  // A timeout that restarted with each event would never expire.
  std::string events;
  for (int i = 0; i < 1000; ++i) events += "{\"event\": \"RTC_CHANGE\", \"data\": {}}\r\n";
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n", events});
  auto client = QmpClient::connect(call_, monitor.dir(), 100);
  ASSERT_TRUE(client) << client.error().message;
  const auto before = plugin::monotonic_ns();
  EXPECT_EQ(client->query_status(call_).error().code, Code::deadline_exceeded);
  EXPECT_LT(plugin::monotonic_ns() - before, 5'000'000'000);
}

TEST_F(Qmp, APeerThatTalksWithoutAPauseIsGivenUp) {
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n", "<flood>"});
  auto client = QmpClient::connect(call_, monitor.dir(), 2000);
  ASSERT_TRUE(client) << client.error().message;
  client->limit(100);
  EXPECT_EQ(client->query_status(call_).error().code, Code::deadline_exceeded);
}

TEST_F(Qmp, WhatIsThereToReadComesAfterDeadlineAndCancel) {
  // Everything, including the answer, arrives before the command, and it is more than one read takes.
  std::string said = "{\"return\": {}}\r\n";
  for (int i = 0; i < 200; ++i) said += "{\"event\": \"RTC_CHANGE\", \"data\": {}}\r\n";
  said += "{\"return\": {\"status\": \"running\"}}\r\n";
  const auto ask = [&] {
    ScriptedMonitor monitor({kGreeting, said});
    raw_.deadline_ns = 0;
    const auto cancel_fd = std::exchange(raw_.cancel_fd, -1);
    auto client = QmpClient::connect(call_, monitor.dir(), 2000);
    raw_.cancel_fd = cancel_fd;
    raw_.deadline_ns = cancel_fd < 0 ? plugin::monotonic_ns() - 1 : 0;
    return client ? client->query_status(call_).error().code : client.error().code;
  };
  EXPECT_EQ(ask(), Code::deadline_exceeded);
  const int cancelled = ::eventfd(1, EFD_CLOEXEC);
  raw_.cancel_fd = cancelled;
  EXPECT_EQ(ask(), Code::cancelled);
  ::close(cancelled);
}

TEST_F(Qmp, WhetherAPeerThatTalksWithoutAPauseIsThereTakesNoTime) {
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n<flood>"});
  auto client = QmpClient::connect(call_, monitor.dir(), 2000);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_TRUE(client->is_there());
}

TEST_F(Qmp, NothingIsSaidToAPeerThatOwesAnAnswer) {
  // The late answer would pass for that of the next command.
  ScriptedMonitor monitor({kGreeting, "{\"return\": {}}\r\n", "", "{\"return\": {}}\r\n{\"return\": {}}\r\n"});
  auto client = QmpClient::connect(call_, monitor.dir(), 2000);
  ASSERT_TRUE(client) << client.error().message;
  client->limit(50);
  EXPECT_EQ(client->stop(call_).error().code, Code::deadline_exceeded);
  client->limit(2000);
  const auto next = client->cont(call_);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Code::unavailable);
  EXPECT_NE(next.error().message.find("cont"), std::string::npos) << next.error().message;
}

TEST_F(Qmp, TheCallsDeadlineCountsToo) {
  raw_.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  ScriptedMonitor monitor({""});
  EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 60000).error().code, Code::deadline_exceeded);
}

TEST_F(Qmp, CloseInTheMiddleOfALine) {
  ScriptedMonitor monitor({kGreeting, "{\"return\": {<close>"});
  EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 2000).error().code, Code::unavailable);
}

TEST_F(Qmp, ALineWithoutAnEndIsRefusedBeforeItFillsTheMemory) {
  ScriptedMonitor monitor({std::string((1 << 20) + 8192, 'x')});
  const auto client = QmpClient::connect(call_, monitor.dir(), 5000);
  ASSERT_FALSE(client);
  EXPECT_NE(client.error().message.find("MiB"), std::string::npos);
}

TEST_F(Qmp, CancelEndsAWait) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  raw_.cancel_fd = ends[0];
  ScriptedMonitor monitor({""});
  EXPECT_EQ(QmpClient::connect(call_, monitor.dir(), 60000).error().code, Code::cancelled);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Qmp, NobodyThere) { EXPECT_EQ(QmpClient::connect(call_, "/nonexistent", 50).error().code, Code::not_found); }

}  // namespace
}  // namespace qarax::qemu
