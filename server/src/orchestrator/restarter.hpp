// Starts VMs again that ended unintentionally, where their restart policy wants it. Restarts decides when.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "fleet.hpp"
#include "qarax/result.hpp"
#include "restarts.hpp"
#include "store.hpp"

namespace qarax::server {

// Used by one thread at a time.
class Restarter {
 public:
  // Begins a start of the VM on behalf of its policy, without waiting for its end. Not Ok: why it isn't possible now.
  using Start = std::function<Status(const std::string& vm_id)>;

  // Borrows `store` and `nodes`. Once a stop of `closing` is requested, nothing is done any more.
  Restarter(Store& store, const Fleet& nodes, Restarts::Options options, Start start, std::stop_token closing);

  // Starts what is due, on hosts that can be reached; called regularly. Waits for the database.
  void look();

 private:
  Store& store_;
  const Fleet& nodes_;
  Restarts restarts_;
  const Start start_;
  const std::stop_token closing_;
};

}  // namespace qarax::server
