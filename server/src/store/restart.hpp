// A VM's restart policy and its counter. Only the server restarts VMs: a node leaves an ended VM as it is.
#pragma once

#include <cstdint>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

struct VmRecord;

enum class RestartPolicy { never, on_failure, always };

struct Restart {
  RestartPolicy policy = RestartPolicy::never;
  std::int64_t limit = 5;  // restarts in a row; 0: no limit
  std::int64_t count = 0;  // restarts since a user's start, or since the VM last ran for long
};

// Whether its policy wants this VM to be started again: it certainly ended, unintentionally, no job is under way, and
// its limit isn't reached. Each start takes a new incarnation, so one end leads to one restart.
bool wants_restart(const VmRecord& vm);

// Whether the VM certainly isn't in its desired state and no job is under way to change that. A VM that never started
// and one that is shut down count as the same state.
bool drifts(const VmRecord& vm);

}  // namespace qarax::server

namespace qarax {
template <>
struct EnumNames<server::RestartPolicy> {
  static constexpr std::string_view kNames[] = {"never", "on-failure", "always"};
  static constexpr server::RestartPolicy kUnknown = server::RestartPolicy::never;
};
template <>
struct Fields<server::Restart> {
  using T = server::Restart;
  static constexpr std::string_view kName = "Restart";
  static constexpr auto kTable =
      field_table(field<&T::policy>("policy"), field<&T::limit>("limit").min(0), field<&T::count>("count").min(0));
};
QARAX_FIELDS_COMPLETE(server::Restart);
}  // namespace qarax
