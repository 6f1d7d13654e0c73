// The part of a VM's record that its node keeps in case the server's database is lost, beside what the node needs to
// run the VM. It is sent with every start and again when it changes (keeper.hpp), and a survey reads it back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "records.hpp"

namespace qarax::server {

struct Keep {
  std::string hypervisor{};  // as requested
  std::string fallback_reason{};
  std::optional<std::string> description{};
  std::string created_at{};
  Restart restart{};
  std::vector<std::string> tags{};
  std::optional<VmSpec> spec{};  // as requested, for the next start; nullopt: sent by an older server
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
