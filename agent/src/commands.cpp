#include "commands.hpp"

#include "identity.hpp"

namespace qarax::agent {

Result<std::string> rehome_node(const NodeConfig& config, bool moved) {
  QARAX_TRY(const core::Fd lock, lock_data_dir(config.data_dir));
  QARAX_TRY(const Rehomed done, rehome(config.data_dir, moved));
  if (moved) return "node " + done.node_id + " is at home in " + config.data_dir + " now; its VMs are as they were";
  std::string said = config.data_dir + " is node " + done.node_id +
                     " now and obeys the next server that greets it: register it there as a host of its own";
  if (!done.set_aside.empty()) said += ". What it knew of the original's VMs is in " + done.set_aside;
  return said;
}

}  // namespace qarax::agent
