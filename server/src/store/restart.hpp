// A VM's restart policy, and what came of it. Only the server starts anything: whatever ended stays ended on its node.
#pragma once

#include <cstdint>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

struct VmRecord;

enum class RestartPolicy { never, on_failure, always };

struct Restart {
  RestartPolicy policy = RestartPolicy::never;
  std::int64_t limit = 5;  // restarts in a row; 0: no limit
  std::int64_t count = 0;  // restarts since a user's start, or since it ran for long
};

// Whether its policy wants this VM to be started again: it ended (for certain) without having been meant to, nothing is
// being done with it, and its limit isn't reached. Each start takes a new incarnation, so one end leads to one of them.
// `was_calm`: it ran for long, what was counted before doesn't count.
bool wants_restart(const VmRecord& vm, bool was_calm = false);

// Whether it is for certain something else than what was asked for, and nothing is being done about it. A VM that never
// started and one that is shut down are the same to who wants it not to run.
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
