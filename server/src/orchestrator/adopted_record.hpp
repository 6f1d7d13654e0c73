// Makes the record that an adopt writes for a VM that a node keeps, and decides whose version counts: the node's or
// this database's. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/documents.hpp"
#include "records.hpp"

namespace qarax::server {

// Whether the node was told of the VM after this record was written. Compares the editions, or, if one of them has
// none, the incarnations.
bool is_later(const core::KeptVm& kept, const VmRecord& here);

// The VM's record after the adopt. `here`: its present record; null: there is none. The name is the VM's latest, even
// if another VM has it by now.
VmRecord adopted_record(const std::string& host_id, const core::KeptVm& kept, const VmPtr& here);

// Names of the members that change for clients; empty: none.
std::string changes_of(const VmRecord& here, const VmRecord& adopted);

// Records for those of the node's snapshots that aren't known to be ready, with names that are unique among `known`.
std::vector<SnapshotRecord> adopted_snapshots(const core::KeptVm& kept, const std::vector<SnapshotPtr>& known);

}  // namespace qarax::server
