// What an adopt makes of a VM that a node keeps: whose words count, the node's or this database's. Pure.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/documents.hpp"
#include "records.hpp"

namespace qarax::server {

// The node has been told of the VM later than this record was written: by the words' edition, or by the later start
// where one of both has none.
bool is_later(const core::KeptVm& kept, const VmRecord& here);

// As it shall be on that host. `here`: what there is of it, null: nothing. Its name is what it was called last, whoever
// else has it by now.
VmRecord adopted_record(const std::string& host_id, const core::KeptVm& kept, const VmPtr& here);

// The members that a client sees change, named; empty: none.
std::string changes_of(const VmRecord& here, const VmRecord& adopted);

// Records of the node's snapshots that aren't known to be ready, with names of their own among `known`.
std::vector<SnapshotRecord> adopted_snapshots(const core::KeptVm& kept, const std::vector<SnapshotPtr>& known);

}  // namespace qarax::server
