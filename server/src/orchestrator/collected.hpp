// The document of a job that collects leftovers.
#pragma once

#include <string>
#include <vector>

#include "fleet.hpp"

namespace qarax::server {

// The answer to a collect, as its job keeps it.
struct Collected {
  std::vector<core::Leftover> leftovers{};
};

}  // namespace qarax::server

template <>
struct qarax::Fields<qarax::server::Collected> {
  static constexpr std::string_view kName = "Collected";
  static constexpr auto kTable = field_table(field<&server::Collected::leftovers>("leftovers"));
};
QARAX_FIELDS_COMPLETE(qarax::server::Collected);

namespace qarax::server {

// Writes every member, as GET of the job shows it.
inline std::string outcome_of(const Collected& collected) { return encode(collected, Defaults::write); }

}  // namespace qarax::server
