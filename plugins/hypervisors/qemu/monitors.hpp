// Keeps the connections to the VMs' monitors from one call to the next: QEMU serves one client at a time and greets
// each new one, which costs more than a pause. Thread-safe; a lease belongs to one call.
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
  // A call's exclusive use of a monitor. The destructor gives the connection back; it is kept unless it broke or
  // another call waits for a greeting.
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

  // Limits and errors as those of QmpClient::connect.
  Result<Lease> ask(const plugin::Call& call, const std::string& run_dir, int most_ms);
  // To be called when the VMM has ended.
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
  std::map<std::string, Monitor> monitors_;  // by run folder, which belongs to one incarnation
};

}  // namespace qarax::qemu
