#include "redescriber.hpp"

#include "qarax/core/threads.hpp"

namespace qarax::agent {

void Redescriber::ask(const std::string& plugin) {
  {
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = asking_.emplace(plugin, false);
    if (!is_new) {
      found->second = true;
      return;
    }
  }
  try {
    pool_.post([this, plugin] { work(plugin); });
  } catch (...) {
    // Nobody asks the plugin now: the next request has to start anew.
    const std::lock_guard lock(mutex_);
    asking_.erase(plugin);
    throw;
  }
}

void Redescriber::work(const std::string& plugin) {
  for (;;) {
    core::guarded("describe", [&] { describe_(plugin); });
    const std::lock_guard lock(mutex_);
    const auto found = asking_.find(plugin);
    if (!found->second) {
      asking_.erase(found);
      return;
    }
    found->second = false;
  }
}

}  // namespace qarax::agent
