// The conversations with the VMs' monitors, kept from one call to the next: QEMU greets every client anew and talks to
// one at a time, and that costs more than a pause. Thread-safe; a lease belongs to one call.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "qmp_client.hpp"

namespace qarax::qemu {

class Monitors {
 public:
  // A call's turn with a monitor. It goes back with the lease, unless it broke or another call waits to be greeted.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : monitors_(std::exchange(other.monitors_, nullptr)),
          run_dir_(std::move(other.run_dir_)),
          client_(std::move(other.client_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (monitors_ != nullptr) monitors_->give_back(run_dir_, std::move(client_));
    }
    QmpClient* operator->() { return &client_; }
    QmpClient& operator*() { return client_; }

   private:
    friend class Monitors;
    Lease(Monitors& monitors, std::string run_dir, QmpClient client)
        : monitors_(&monitors), run_dir_(std::move(run_dir)), client_(std::move(client)) {}

    Monitors* monitors_;
    std::string run_dir_;
    QmpClient client_;
  };

  // Limits and errors as QmpClient::connect.
  Result<Lease> ask(const plugin::Call& call, const std::string& run_dir, int most_ms);
  // Its VMM has ended.
  void forget(const std::string& run_dir);
  int users(const std::string& run_dir);  // calls that have a lease, or wait for one

 private:
  struct Monitor {
    int users = 0;
    std::optional<QmpClient> idle{};
  };
  std::optional<QmpClient> take(const std::string& run_dir);
  void give_back(const std::string& run_dir, std::optional<QmpClient> client);

  std::mutex mutex_;
  std::map<std::string, Monitor> monitors_;  // by run folder, which is one incarnation's
};

}  // namespace qarax::qemu
