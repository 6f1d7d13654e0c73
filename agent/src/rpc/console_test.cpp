// The console link, against a supervisor that follows a script.
#include "console.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class ConsoleLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ + "/control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = core::Fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 4), 0);
  }
  // Opens a link: the client connects, sends its command line and gets `answer`; `peer_` is then the supervisor's side.
  Status open(std::int64_t tail, const std::string& answer) {
    auto supervisor = std::async(std::launch::async, [&] {
      peer_ = core::Fd(::accept(listener_.get(), nullptr, nullptr));
      for (char c = 0; ::recv(peer_.get(), &c, 1, 0) == 1 && c != '\n';) command_.push_back(c);
      say(answer);
    });
    auto link = ConsoleLink::open(dir_, tail, [this](const std::string& data) {
      output_ += data;
      if (data.empty()) ended_.set_value();
    });
    supervisor.get();
    if (!link) return link.error();
    link_ = std::move(*link);
    return Ok{};
  }
  void say(const std::string& text) const {
    EXPECT_EQ(::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  std::string output_at_end() {
    ended_.get_future().wait();
    return output_;
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  core::Fd listener_;
  core::Fd peer_;
  std::string command_;
  std::string output_;
  std::promise<void> ended_;
  std::unique_ptr<ConsoleLink> link_;
};

TEST_F(ConsoleLinkTest, OutputComesInOrderAndThenTheEnd) {
  ASSERT_TRUE(open(0, "ok\nthe first"));
  EXPECT_EQ(command_, "attach");
  say(" and the second");
  peer_.reset();
  EXPECT_EQ(output_at_end(), "the first and the second");
}

TEST_F(ConsoleLinkTest, ATailIsAskedForByItsLength) {
  ASSERT_TRUE(open(4096, "ok\n"));
  EXPECT_EQ(command_, "attach tail 4096");
}

TEST_F(ConsoleLinkTest, ARefusalIsQuoted) {
  const Status refused = open(0, "error 8 clients are attached already\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_NE(refused.error().message.find("8 clients"), std::string::npos) << refused.error().message;
}

TEST_F(ConsoleLinkTest, InputReachesTheGuestAndItsEndIsTold) {
  ASSERT_TRUE(open(0, "ok\n"));
  std::promise<Status> sent;
  link_->write("ls\n", [&](const Status& status) { sent.set_value(status); });
  EXPECT_TRUE(sent.get_future().get());
  char got[3];
  EXPECT_EQ(::recv(peer_.get(), got, sizeof got, MSG_WAITALL), 3);
  EXPECT_EQ(std::string(got, 3), "ls\n");
}

TEST_F(ConsoleLinkTest, AWriteToAGuestThatReadsNothingEndsWithTheLink) {
  ASSERT_TRUE(open(0, "ok\n"));
  std::promise<Status> sent;
  link_->write(std::string(8 << 20, 'x'), [&](const Status& status) { sent.set_value(status); });
  link_->close();
  EXPECT_FALSE(sent.get_future().get());
  output_at_end();
}

TEST_F(ConsoleLinkTest, WithoutASupervisorThereIsNone) {
  EXPECT_FALSE(ConsoleLink::open(dir_ + "/elsewhere", 0, [](const std::string&) {}));
}

TEST_F(ConsoleLinkTest, TheKeptLogIsTheOlderPartAndTheNewer) {
  EXPECT_EQ(read_console_log(dir_, 0), "");
  std::ofstream(dir_ + "/console.log") << "newer";
  EXPECT_EQ(read_console_log(dir_, 0), "newer");
  std::ofstream(dir_ + "/console.log.1") << "older ";
  EXPECT_EQ(read_console_log(dir_, 0), "older newer");
  EXPECT_EQ(read_console_log(dir_, 7), "r newer");
  EXPECT_EQ(read_console_log(dir_, 3), "wer");
}

TEST_F(ConsoleLinkTest, ALogThatIsRotatedWhileItIsReadIsReadOnceAndWhole) {
  std::ofstream(dir_ + "/console.log.1") << "one ";
  std::ofstream(dir_ + "/console.log") << "two ";
  int reads = 0;
  const auto rotate = [&] {
    if (++reads > 1) return;
    std::filesystem::rename(dir_ + "/console.log", dir_ + "/console.log.1");
    std::ofstream(dir_ + "/console.log") << "three";
  };
  EXPECT_EQ(read_console_log(dir_, 0, rotate), "two three");
  EXPECT_EQ(reads, 2);
  // As between the two steps of a rotation.
  reads = 0;
  const auto move = [&] {
    if (++reads == 1) std::filesystem::rename(dir_ + "/console.log", dir_ + "/console.log.1");
  };
  EXPECT_EQ(read_console_log(dir_, 0, move), "three");
}

}  // namespace
}  // namespace qarax::agent
