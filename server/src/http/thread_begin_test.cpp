#include "http/thread_begin.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>

namespace qarax::http {
namespace {

TEST(RunThreadDeathTest, WhatEscapesEndsTheProcessAndIsSaid) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(run_thread("of-the-test", [] { throw std::runtime_error("no more"); }),
              ::testing::KilledBySignal(SIGABRT), "thread=of-the-test reason=.*no more");
  EXPECT_EXIT(run_thread("of-the-test", [] { throw 7; }), ::testing::KilledBySignal(SIGABRT), "thread=of-the-test");
}

}  // namespace
}  // namespace qarax::http
