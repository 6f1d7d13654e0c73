#include "handlers/readiness.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "fake_clock.hpp"

namespace qarax::server {
namespace {

TEST(Readiness, AGoodAnswerHoldsForASecond) {
  const auto clock = std::make_shared<core::FakeClock>();
  int looks = 0;
  Readiness readiness(
      [&] {
        ++looks;
        return Status(Ok{});
      },
      clock);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(readiness.check());
  EXPECT_EQ(looks, 1);
  clock->run(std::chrono::nanoseconds(999'999'999));
  EXPECT_TRUE(readiness.check());
  EXPECT_EQ(looks, 1);
  clock->run(std::chrono::nanoseconds(1));
  EXPECT_TRUE(readiness.check());
  EXPECT_EQ(looks, 2);
}

TEST(Readiness, ABadOneIsLookedAtAnew) {
  const auto clock = std::make_shared<core::FakeClock>();
  Status says = make_error(Code::unavailable, "away", "store-unavailable");
  Readiness readiness([&] { return says; }, clock);
  EXPECT_EQ(readiness.check().error().reason, "store-unavailable");
  says = Ok{};
  EXPECT_TRUE(readiness.check());
  says = make_error(Code::unavailable, "away", "store-unavailable");
  EXPECT_TRUE(readiness.check());
  clock->run(std::chrono::nanoseconds(1'000'000'000));
  EXPECT_FALSE(readiness.check());
}

TEST(Readiness, WhoeverAsksMeanwhileGetsTheAnswerOfTheLookThatIsUnderWay) {
  std::atomic<int> looks{0};
  std::promise<void> begun;
  std::promise<void> go_on;
  Readiness readiness([&]() -> Status {
    if (++looks == 1) begun.set_value();
    go_on.get_future().wait();  // a second look would throw here
    return make_error(Code::unavailable, "away", "store-unavailable");
  });
  std::vector<std::future<Status>> answers;
  answers.push_back(std::async(std::launch::async, [&] { return readiness.check(); }));
  begun.get_future().wait();
  for (int i = 0; i < 7; ++i) answers.push_back(std::async(std::launch::async, [&] { return readiness.check(); }));
  while (readiness.waiting() != 7) std::this_thread::yield();
  go_on.set_value();
  for (auto& answer : answers) EXPECT_EQ(answer.get().error().reason, "store-unavailable");
  EXPECT_EQ(looks, 1);
}

}  // namespace
}  // namespace qarax::server
