// Decodes what nodes send. It comes from another machine, so its numbers are checked against bounds and its texts are
// cut here, before the rest of the server uses them. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fleet.hpp"
#include "qarax/core/counting.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/node/v1/node.pb.h"

namespace qarax::server {

// Reason of the error for a number that no real node reaches: such a node isn't believed.
inline constexpr std::string_view kUnbelievable = "node-protocol";
// Largest number that an adopt takes over. The server counts on from there, and every node must accept the results.
inline constexpr std::int64_t kLargestAdopted = core::kLargestNumber / 2;

Result<core::VmReport> read_report(std::string_view document);
// The VM that a report is about which read_report() can't read; empty: that can't be read either.
std::string vm_of_report(std::string_view document);
Result<core::NodeInfo> read_node_info(std::string_view document);
Result<core::CommandProgress> read_progress(std::string_view document);
// Sets `problem` of a VM whose numbers are too large for an adopt.
Result<core::KeptVm> read_kept_vm(std::string_view document);
// Sets obeyed and position of `out`.
Status read_obeyed(const node::v1::Authority& said, NodeSurvey& out);
// Whether the node's term leaves room for the adopt's term, which is above it.
Status check_adoptable(const NodeSurvey& seen, std::int64_t own_term);
// nullopt: the document isn't an Error.
std::optional<Error> read_error(std::string_view document);

}  // namespace qarax::server
