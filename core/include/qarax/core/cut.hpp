// Texts from outside, cut to what people read, before they are kept, sent and shown. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

inline constexpr std::size_t kLongestText = 4096;  // bytes of a reason, a message, a log's end
// As many as a document that can't be read has: its problems, and that there are more.
inline constexpr std::size_t kMostDetails = qarax::detail::Decoder::kMostProblems + 1;

// At most kLongestText, with whole characters: its begin, or of a log its end.
std::string cut_text(std::string text);
std::string cut_log(std::string text);

// Every text of it.
void cut(Error& error);
void cut(VmStatus& status);
void cut(Description& description);

}  // namespace qarax::core
