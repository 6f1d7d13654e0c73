#include "redescriber.hpp"

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
  pool_.post([this, plugin] { work(plugin); });
}

void Redescriber::work(const std::string& plugin) {
  for (;;) {
    describe_(plugin);
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
