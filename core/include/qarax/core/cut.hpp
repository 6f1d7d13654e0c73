// Cuts texts from outside to a length that people read, before they are kept, sent and shown. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

inline constexpr std::size_t kLongestText = 4096;  // bytes of a reason, a message, a log tail
inline constexpr std::size_t kMostWords = 64;      // of a list of names, such as features
inline constexpr std::size_t kLongestWord = 256;   // bytes of each
// As many as decoding reports: its problems, and an entry that there are more.
inline constexpr std::size_t kMostDetails = qarax::detail::Decoder::kMostProblems + 1;

// At most `most` bytes, at least 3, in whole characters: cut_text keeps the beginning, cut_log the end.
std::string cut_text(std::string text, std::size_t most = kLongestText);
std::string cut_log(std::string text, std::size_t most = kLongestText);

// Cut every text and list of the document in place, and leave out a time that is none.
void cut(Error& error);
void cut(VmStatus& status);
void cut(Description& description);
// Leaves out of the error's document what helps least, until it has at most `most` bytes, which must be 2 KiB or more.
void cut_to_fit(Error& error, std::size_t most);

}  // namespace qarax::core
