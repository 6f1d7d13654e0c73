// Identifies the node that a data folder belongs to. Its id is made once and bound to the machine and to the folder in
// which it was made, because a copy would take the original's VMs for its own.
#pragma once

#include <string>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// Allows one agent for each data folder; held as long as the descriptor is open. FAILED_PRECONDITION: another agent has
// it.
Result<core::Fd> lock_data_dir(const std::string& data_dir);

// Returns the id in <data_dir>/node_id, which is made at the first start. DATA_LOSS: it can't be read; a new id would
// orphan the VMs. FAILED_PRECONDITION "cloned": <data_dir>/home.json names another machine or another folder.
Result<std::string> node_id(const std::string& data_dir);

struct Rehomed {
  std::string node_id;
  std::string set_aside;  // the folder to which the VMs' folders were moved; empty: there were none, or they stayed
};
// The way out of "cloned"; the caller holds the lock. The folder becomes that of another node: it gets a new id, obeys
// no server yet, and the VMs' folders are set aside, because they describe VMs of the original. `moved`: the original
// is gone, and this folder replaces it.
Result<Rehomed> rehome(const std::string& data_dir, bool moved);

}  // namespace qarax::agent
