// What happens to a simulated VM, determined only by seed, id and incarnation: the same every time on every host. Pure
// functions.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::simulator {

// The state of a simulated VM, in place of a real one's process. Its file in the run folder outlives the agent.
struct Life {
  std::int64_t format = 1;
  std::string boot_id{};  // boot id of the host: its reboot ends the VM like a real one
  VmState state = VmState::running;
  std::int64_t started_ns = 0;  // CLOCK_MONOTONIC
  std::int64_t ends_ns = 0;     // when it ends by itself; 0: never, or paused
  std::int64_t left_ns = 0;     // remaining time until ends_ns, while paused
  std::int64_t ended_ns = 0;
  std::int64_t reboots = 0;
  std::int64_t asked = 0;  // number of actions that drew whether they fail; each draws anew
  std::int32_t vcpus = 1;
  std::int32_t max_vcpus = 1;
  std::int64_t memory = 0;
  std::int64_t max_memory = 0;
  Behaviour behaviour{};  // the plugin's config overridden by the VM's own
};

// Whether this start fails, drawn with the probability `failure_percent`.
bool start_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// The same for an action, with `action_failure_percent`; `turn` counts the VM's draws from 1.
bool action_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation, const char* action,
                  std::int64_t turn);
// exit_after_ms varied by up to a quarter either way, in ns; 0 if the VM never ends by itself.
std::int64_t exit_delay_ns(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// The plugin's config overridden by the VM's own; INVALID_ARGUMENT with pointers under /config.
Result<Behaviour> behaviour_of(const Behaviour& base, const VmSpec& spec);

Life begin(const StartArgs& args, const Behaviour& behaviour, const std::string& boot_id, std::int64_t now_ns);
// Whether the VM has ended by `now_ns`, by itself or otherwise.
bool has_ended(const Life& life, std::int64_t now_ns);
// While the VM is paused, its remaining time stands still.
void pause(Life& life, std::int64_t now_ns);
void resume(Life& life, std::int64_t now_ns);
// INVALID_ARGUMENT with pointers for sizes beyond the VM's maximum.
Status resize(Life& life, const ResizeArgs& args);
std::int64_t uptime_ns(const Life& life, std::int64_t now_ns);
// The VM's status at `now_ns` on a host with the boot id `boot_id`.
VmStatus status_at(const Life& life, const std::string& boot_id, std::int64_t now_ns);

}  // namespace qarax::simulator

namespace qarax {
template <>
struct Fields<simulator::Life> {
  using T = simulator::Life;
  static constexpr std::string_view kName = "simulated VM";
  static constexpr auto kTable = field_table(
      field<&T::format>("format").required(), field<&T::boot_id>("boot_id"), field<&T::state>("state").required(),
      field<&T::started_ns>("started_ns"), field<&T::ends_ns>("ends_ns"), field<&T::left_ns>("left_ns"),
      field<&T::ended_ns>("ended_ns"), field<&T::reboots>("reboots"), field<&T::asked>("asked"),
      field<&T::vcpus>("vcpus"), field<&T::max_vcpus>("max_vcpus"), field<&T::memory>("memory"),
      field<&T::max_memory>("max_memory"), field<&T::behaviour>("behaviour"));
};
QARAX_FIELDS_COMPLETE(simulator::Life);
}  // namespace qarax
