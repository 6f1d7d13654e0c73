// What a node says, decoded: all of it is another machine's word, so its numbers are held to their bounds and its texts
// cut here, before anything else of the server takes them. Pure, any thread.
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

// Reason of the error where a number is one that no node comes to: the node isn't taken at its word.
inline constexpr std::string_view kUnbelievable = "node-protocol";
// What an adopt takes over at most. It counts on from there, and every node must be able to follow.
inline constexpr std::int64_t kLargestAdopted = core::kLargestNumber / 2;

Result<core::VmReport> read_report(std::string_view document);
Result<core::NodeInfo> read_node_info(std::string_view document);
Result<core::CommandProgress> read_progress(std::string_view document);
// One whose numbers are too large for an adopt has its `problem`.
Result<core::KeptVm> read_kept_vm(std::string_view document);
// Sets obeyed and position of `out`.
Status read_obeyed(const node::v1::Authority& said, NodeSurvey& out);
// The next term is above that one.
Status check_adoptable(const NodeSurvey& seen, std::int64_t own_term);
// None: it isn't an Error's document.
std::optional<Error> read_error(std::string_view document);

}  // namespace qarax::server
