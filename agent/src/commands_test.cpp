#include "commands.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <future>

#include "qarax/core/files.hpp"
#include "qarax/node/v1/node.grpc.pb.h"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class Agent final : public node::v1::Node::Service {
 public:
  explicit Agent(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Agent() override { server_->Shutdown(); }
  grpc::Status StopGuests(grpc::ServerContext* context, const node::v1::StopGuestsRequest* request,
                          node::v1::StopGuestsReply* reply) override {
    timeout_ms = request->timeout_ms();
    deadline = context->deadline();
    reply->set_powered_off(2);
    return grpc::Status::OK;
  }
  std::int64_t timeout_ms = -1;
  std::chrono::system_clock::time_point deadline;

 private:
  std::unique_ptr<grpc::Server> server_;
};

// Returns once somebody has tried to reach an agent there, which hangs up on them.
void hang_up_once(const std::string& path) {
  const core::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const core::Fd caller(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(caller);
  ::unlink(path.c_str());
}

TEST(StopGuests, AnAgentThatIsYetToListenIsWaitedFor) {
  const TempFolder folder;
  NodeConfig config;
  config.unix_socket = folder.path() + "/sock";
  constexpr std::int64_t kTimeoutMs = 60'000;
  auto asked = std::async(std::launch::async, [&] { return stop_guests(config, kTimeoutMs); });
  // The pauses between these tries are longer than what gRPC rounds a deadline to.
  for (int tries = 0; tries < 4; ++tries) hang_up_once(config.unix_socket);
  const auto before = std::chrono::system_clock::now();
  Agent agent(config.unix_socket);
  const auto said = asked.get();
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(*said, "2 guests powered off, 0 were killed after 60 s");
  EXPECT_EQ(agent.timeout_ms, kTimeoutMs);
  EXPECT_GE(agent.deadline, before + std::chrono::seconds(90)) << "the wait took nothing of what comes after it";
}

TEST(StopGuests, WhereNoAgentComesThatIsSaid) {
  const TempFolder folder;
  NodeConfig config;
  config.unix_socket = folder.path() + "/sock";
  const auto said = stop_guests(config, 0);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().code, Code::unavailable);
  EXPECT_NE(said.error().message.find(config.unix_socket), std::string::npos) << said.error().message;
}

}  // namespace
}  // namespace qarax::agent
