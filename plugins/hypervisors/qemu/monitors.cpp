#include "monitors.hpp"

namespace qarax::qemu {

Result<Monitors::Lease> Monitors::ask(const plugin::Call& call, const std::string& run_dir, int most_ms) {
  auto kept = take(run_dir);
  if (kept && kept->is_there()) {
    kept->limit(most_ms);
    return Lease(*this, run_dir, std::move(*kept));
  }
  kept.reset();
  auto made = QmpClient::connect(call, run_dir, most_ms);
  if (made) return Lease(*this, run_dir, std::move(*made));
  give_back(run_dir, std::nullopt);
  return std::move(made).error();
}

std::optional<QmpClient> Monitors::take(const std::string& run_dir) {
  const std::lock_guard lock(mutex_);
  Monitor& monitor = monitors_[run_dir];
  ++monitor.users;
  return std::exchange(monitor.idle, std::nullopt);
}

// Keeps the connection only if no other call wants the monitor: another call has its own connection and waits for
// QEMU's greeting, which comes only after this one is closed.
void Monitors::give_back(const std::string& run_dir, std::optional<QmpClient> client) {
  const std::lock_guard lock(mutex_);
  const auto found = monitors_.find(run_dir);
  if (--found->second.users > 0) return;
  if (client && client->is_sound())
    found->second.idle = std::move(client);
  else
    monitors_.erase(found);
}

void Monitors::forget(const std::string& run_dir) {
  const std::lock_guard lock(mutex_);
  const auto found = monitors_.find(run_dir);
  if (found == monitors_.end()) return;
  found->second.idle.reset();
  if (found->second.users == 0) monitors_.erase(found);
}

int Monitors::users(const std::string& run_dir) {
  const std::lock_guard lock(mutex_);
  const auto found = monitors_.find(run_dir);
  return found == monitors_.end() ? 0 : found->second.users;
}

}  // namespace qarax::qemu
