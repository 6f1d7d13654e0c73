// What happens to a simulated VM, decided by seed, id and incarnation alone: the same every time, on every host.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::simulator {

// Where a simulated VM is; the handle holds it, so it lives on while the agent doesn't.
struct Life {
  std::int64_t format = 1;
  bool simulated = true;
  VmState state = VmState::running;
  std::int64_t started_ns = 0;  // CLOCK_MONOTONIC: a reboot of the host ends it, as it ends a real one
  std::int64_t ends_ns = 0;     // by itself; 0: never
  std::int64_t ended_ns = 0;
};

// Percent of `failure_percent` that this start draws: true means that it fails.
bool start_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// exit_after_ms, spread by a quarter either way; 0 where it never ends.
std::int64_t exit_delay_ns(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// The plugin's config overridden by the VM's own; INVALID_ARGUMENT with pointers under /config.
Result<Behaviour> behaviour_of(const Behaviour& base, const VmSpec& spec);
// The truth at `now_ns`.
VmStatus status_at(const Life& life, std::int64_t now_ns);

}  // namespace qarax::simulator

namespace qarax {
template <>
struct Fields<simulator::Life> {
  using T = simulator::Life;
  static constexpr std::string_view kName = "simulated VM";
  static constexpr auto kTable =
      std::make_tuple(field<&T::format>("format").required(), field<&T::simulated>("simulated").required(),
                      field<&T::state>("state").required(), field<&T::started_ns>("started_ns"),
                      field<&T::ends_ns>("ends_ns"), field<&T::ended_ns>("ended_ns"));
};
QARAX_FIELDS_COMPLETE(simulator::Life);
}  // namespace qarax
