#include "burials.hpp"

#include <algorithm>

namespace qarax::server {

bool Burials::begin(const std::string& vm, std::int64_t now_ns) {
  Burial& burial = all_[vm];
  if (burial.under_way || now_ns < burial.not_before_ns) return false;
  burial.under_way = true;
  return true;
}

void Burials::lost(const std::string& vm, std::int64_t now_ns) noexcept {
  const auto found = all_.find(vm);
  if (found == all_.end()) return;
  found->second.under_way = false;
  found->second.not_before_ns = now_ns + options_.first_ms * 1'000'000;
}

bool Burials::failed(const std::string& vm, const std::string& reason, std::int64_t now_ns) {
  Burial& burial = all_[vm];
  burial.under_way = false;
  burial.wait_ms = burial.wait_ms == 0 ? options_.first_ms : std::min(burial.wait_ms * 2, options_.most_ms);
  burial.not_before_ns = now_ns + burial.wait_ms * 1'000'000;
  if (burial.reason == reason) return false;
  burial.reason = reason;
  return true;
}

}  // namespace qarax::server
