// Limits how many requests wait at once for one kind of thing. Each wait holds a thread of the HTTP server, and a pool
// that is full of waits answers nobody.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include "qarax/result.hpp"

namespace qarax::server {

// Thread-safe.
class WaitLimit {
 public:
  // A place among those who wait; the destructor gives it back.
  class Place {
   public:
    explicit Place(std::atomic<int>* taken) : taken_(taken) {}
    Place(Place&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    ~Place() {
      if (taken_ != nullptr) --*taken_;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place& operator=(Place&&) = delete;

   private:
    std::atomic<int>* taken_;
  };

  // `what` is waited for: "VMs".
  WaitLimit(int most, std::string what) : most_(most), what_(std::move(what)) {}

  // RESOURCE_EXHAUSTED "overloaded" if all places are taken.
  Result<Place> take() {
    if (++taken_ <= most_) return Place(&taken_);
    --taken_;
    return make_error(Code::resource_exhausted,
                      std::to_string(most_) + " requests wait for " + what_ + " already, which is the most",
                      "overloaded");
  }

 private:
  const int most_;
  const std::string what_;
  std::atomic<int> taken_{0};
};

}  // namespace qarax::server
