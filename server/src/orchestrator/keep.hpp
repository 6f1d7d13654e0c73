// What the server wants back of a VM when its database is lost, beside what the node needs to run it: goes along with
// every start, is told anew when it changes (keeper.hpp), and comes back by a survey.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store.hpp"

namespace qarax::server {

struct Keep {
  std::string hypervisor{};  // as it was asked for
  std::string fallback_reason{};
  std::optional<std::string> description{};
  std::string created_at{};
  Restart restart{};
  std::vector<std::string> tags{};
  std::optional<VmSpec> spec{};  // as it was asked for, for the next start; none: an older server's words
  std::optional<std::string> boot_source_id{};
};

Keep keep_of(const VmRecord& vm);

}  // namespace qarax::server

template <>
struct qarax::Fields<qarax::server::Keep> {
  using T = server::Keep;
  static constexpr std::string_view kName = "Keep";
  static constexpr auto kTable = field_table(
      field<&T::hypervisor>("hypervisor"), field<&T::fallback_reason>("fallback_reason"),
      field<&T::description>("description"), field<&T::created_at>("created_at"), field<&T::restart>("restart"),
      field<&T::tags>("tags"), field<&T::spec>("spec"), field<&T::boot_source_id>("boot_source_id"));
};
QARAX_FIELDS_COMPLETE(qarax::server::Keep);
