// What happens to a simulated VM, decided by seed, id and incarnation alone: the same every time, on every host. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::simulator {

// A simulated VM: what a process is to a real one. Its file in the run folder lives on while the agent doesn't.
struct Life {
  std::int64_t format = 1;
  std::string boot_id{};  // of the host: a reboot ends it, as it ends a real one
  VmState state = VmState::running;
  std::int64_t started_ns = 0;  // CLOCK_MONOTONIC
  std::int64_t ends_ns = 0;     // by itself; 0: never, or not while it is paused
  std::int64_t left_ns = 0;     // of its time, while it is paused
  std::int64_t ended_ns = 0;
  std::int64_t reboots = 0;
  std::int64_t asked = 0;  // actions that drew whether they fail: each draws anew
  std::int32_t vcpus = 1;
  std::int32_t max_vcpus = 1;
  std::int64_t memory = 0;
  std::int64_t max_memory = 0;
  Behaviour behaviour{};  // the plugin's config with the VM's own on top
};

// Percent of `failure_percent` that this start draws: true means that it fails.
bool start_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// The same of `action_failure_percent` and the turn-th action, from 1.
bool action_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation, const char* action,
                  std::int64_t turn);
// exit_after_ms, spread by a quarter either way; 0 where it never ends.
std::int64_t exit_delay_ns(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation);
// The plugin's config overridden by the VM's own; INVALID_ARGUMENT with pointers under /config.
Result<Behaviour> behaviour_of(const Behaviour& base, const VmSpec& spec);

Life begin(const StartArgs& args, const Behaviour& behaviour, const std::string& boot_id, std::int64_t now_ns);
// Whether it has ended by then, by itself or not.
bool has_ended(const Life& life, std::int64_t now_ns);
// The clock of its end stands still while it is paused.
void pause(Life& life, std::int64_t now_ns);
void resume(Life& life, std::int64_t now_ns);
// INVALID_ARGUMENT with pointers for what it has no room for.
Status resize(Life& life, const ResizeArgs& args);
std::int64_t uptime_ns(const Life& life, std::int64_t now_ns);
// The truth at `now_ns` on a host that was booted as `boot_id` says.
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
