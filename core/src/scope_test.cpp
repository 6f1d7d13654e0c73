#include "qarax/core/scope.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace qarax::core {
namespace {

TEST(Scope, RunsItsFunctionOnceAtItsEnd) {
  int ran = 0;
  {
    const Scope scope([&] { ++ran; });
    EXPECT_EQ(ran, 0);
  }
  EXPECT_EQ(ran, 1);
}

TEST(Scope, IsRunByTheLastOneThatItWasMovedTo) {
  int ran = 0;
  std::optional<Scope> first(std::in_place, [&] { ++ran; });
  std::optional<Scope> second(std::move(*first));
  first.reset();
  EXPECT_EQ(ran, 0);
  second.reset();
  EXPECT_EQ(ran, 1);
}

TEST(Scope, EndsWhatItHeldWhenItIsAssigned) {
  int old = 0;
  int own = 0;
  {
    Scope scope([&] { ++old; });
    scope = Scope([&] { ++own; });
    EXPECT_EQ(old, 1);
    EXPECT_EQ(own, 0);
    scope = Scope();
    EXPECT_EQ(own, 1);
  }
  EXPECT_EQ(old, 1);
  EXPECT_EQ(own, 1);
}

TEST(Scope, DismissedItRunsNothing) {
  int runs = 0;
  {
    Scope scope([&] { ++runs; });
    scope.dismiss();
  }
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace qarax::core
