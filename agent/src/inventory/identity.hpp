// Whose data folder this is: the node's id, made once, bound to the machine and to the very folder it was made in. A
// copy would take the original's VMs for its own.
#pragma once

#include <string>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// One agent a data folder: held as long as the descriptor is open. FAILED_PRECONDITION where another one has it.
Result<core::Fd> lock_data_dir(const std::string& data_dir);

// The id in <data_dir>/node_id, made at the first start. DATA_LOSS: it can't be read, and a new one would orphan the
// VMs. FAILED_PRECONDITION "cloned": <data_dir>/home.json names another machine or another folder.
Result<std::string> node_id(const std::string& data_dir);

struct Rehomed {
  std::string node_id;
  std::string set_aside;  // where the VMs' folders are now; empty: there were none, or they stayed
};
// The way out of "cloned", with the lock held. The folder becomes another node's: a new id, nobody obeyed, the VMs'
// folders set aside, for they speak of VMs of the original. `moved`: the original is gone and this is it.
Result<Rehomed> rehome(const std::string& data_dir, bool moved);

}  // namespace qarax::agent
