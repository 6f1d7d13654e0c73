// Waits in tests for what other threads bring about: not for ever, and the test fails with what it waited for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "store.hpp"

namespace qarax::server {

// Far more than a busy machine takes, under ThreadSanitizer too.
inline constexpr std::chrono::seconds kWaitLimit{120};

// False, and a failure of the test: `holds` didn't hold within the limit. Looks every millisecond; what the store tells
// of is better waited for with the one below.
template <class Predicate>
bool wait_until(std::string_view what, Predicate holds, std::chrono::steady_clock::duration limit = kWaitLimit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= until) {
      ADD_FAILURE() << "waited in vain for this: " << what;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// The same of VMs and hosts: looks whenever one of them has changed.
template <class Predicate>
bool wait_until(const Store& store, std::string_view what, Predicate holds) {
  const auto until = std::chrono::steady_clock::now() + kWaitLimit;
  for (;;) {
    const std::uint64_t seen = store.changes();
    if (holds()) return true;
    if (std::chrono::steady_clock::now() >= until) {
      ADD_FAILURE() << "waited in vain for this: " << what;
      return false;
    }
    store.wait_for_change(seen, until);
  }
}

}  // namespace qarax::server
