#include "restarter.hpp"

#include <utility>

#include "placing.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

Restarter::Restarter(Store& store, const Fleet& nodes, Restarts::Options options, Start start, std::stop_token closing)
    : store_(store), nodes_(nodes), restarts_(options), start_(std::move(start)), closing_(std::move(closing)) {}

void Restarter::look() {
  if (closing_.stop_requested() || !store_.read_only().empty()) return;
  const Restarts::Turn turn = restarts_.turn(store_.vms(), plugin::monotonic_ns());
  for (const VmPtr& vm : turn.calm) store_.forget_restarts(vm->id, vm->incarnation);
  for (const VmPtr& vm : turn.due) {
    if (!is_reachable(*vm, nodes_)) continue;
    core::logger("jobs")->info("restarted by its policy vm={} reason={}", vm->id,
                               core::log_value(vm->observed.status.status_reason));
    if (const Status begun = start_(vm->id); !begun)
      core::logger("jobs")->warn("a restart isn't possible now vm={} reason={}", vm->id,
                                 core::log_value(begun.error().message));
  }
}

}  // namespace qarax::server
