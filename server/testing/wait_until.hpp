// Waits in tests until other threads have done something. The wait is limited; if it fails, so does the test, with the
// text of what it waited for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "reads.hpp"

namespace qarax::server {

// Far more than a busy machine needs, even under ThreadSanitizer.
inline constexpr std::chrono::seconds kWaitLimit{120};

// Returns false, and fails the test, if `holds` isn't true within the limit. Checks every millisecond; for what
// StoreReads::changes() counts use the overload below.
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

// The same for VMs and hosts: checks whenever one of them has changed.
template <class Predicate>
bool wait_until(const StoreReads& store, std::string_view what, Predicate holds) {
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
