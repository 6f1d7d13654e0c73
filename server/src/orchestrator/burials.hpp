// When the delete of a forgotten VM is sent to its node: not while one is under way, and after each one that failed
// twice as late as before. The caller holds its own lock.
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

  // Whether the delete is to be sent at the monotonic time `now_ns`. It is then under way until one of these is called.
  bool begin(const std::string& vm, std::int64_t now_ns);
  void done(const std::string& vm) { all_.erase(vm); }  // the VM is gone
  void lost(const std::string& vm);                     // nobody knows what came of it: it is sent again at once
  // Whether this reason is another one than the last.
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
