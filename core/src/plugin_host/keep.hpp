// Keeps objects that a hanging plugin may still use until the process ends, reachable for the leak checker.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

namespace qarax::core {

template <class T>
void keep_for_ever(T what) {
  static std::mutex mutex;
  static auto& all = *new std::vector<T>;
  const std::lock_guard lock(mutex);
  all.push_back(std::move(what));
}

}  // namespace qarax::core
