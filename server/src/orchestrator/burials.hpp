// Decides when the delete of a forgotten VM is sent to its node: never two at a time, and after each failure only once
// a wait has passed that doubles each time. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace qarax::server {

class Burials {
 public:
  struct Options {
    std::int64_t first_ms = 1'000;  // after the first failure; twice as long after each further one
    std::int64_t most_ms = 60'000;  // at most
  };
  explicit Burials(Options options) : options_(options) {}

  // Whether the delete is to be sent at the monotonic time `now_ns`. It then counts as under way until done(), lost()
  // or failed() is called.
  bool begin(const std::string& vm, std::int64_t now_ns);
  // The node no longer has the VM.
  void done(const std::string& vm) { all_.erase(vm); }
  // The outcome is unknown, so the same delete is sent again after the first wait.
  void lost(const std::string& vm, std::int64_t now_ns) noexcept;
  // Returns whether the reason differs from that of the last failure.
  bool failed(const std::string& vm, const std::string& reason, std::int64_t now_ns);

 private:
  struct Burial {
    bool under_way = false;
    std::int64_t wait_ms = 0;  // after the last failure
    std::int64_t not_before_ns = 0;
    std::string reason{};
  };

  const Options options_;
  std::map<std::string, Burial> all_;
};

}  // namespace qarax::server
