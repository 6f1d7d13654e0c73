// The QEMU program on this host and what it says of itself. Loading QEMU costs 40 ms, so the answers are kept in the
// state folder for as long as the file is the same: an agent's restart doesn't pay for them.
#pragma once

#include <string>

#include "accelerator.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"

namespace qarax::qemu {

struct Program {
  std::string path{};     // empty: there is none
  std::string why_not{};  // why there is none, and what to do
  std::string version{};  // 7.2.22; empty: it didn't say
  std::string q35{};      // what the aliases stand for in this version: pc-q35-7.2
  std::string pc{};
  bool can_sandbox = false;
  std::string unanswered{};  // why it isn't known what the aliases stand for, as on a host that was too busy to say
};

// "QEMU emulator version 7.2.22 (Debian …)" → 7.2.22; empty where there is none in it.
std::string version_in(const std::string& output);
// The machine type that `alias` stands for in the output of -machine help; empty where it isn't there.
std::string machine_in(const std::string& output, const std::string& alias);

// What find_program() answered is good for as long as this stays the same.
std::string program_fingerprint(const Settings& settings);
// Looks for the program and asks it. `state_dir` may be empty: then nothing is kept. `call`: its limits; null: none.
Program find_program(plugin::Host& host, const Settings& settings, const std::string& state_dir,
                     const plugin::Call* call = nullptr);

// The smallest guest that shows its kernel running under KVM.
plugin::TrialPlan trial_plan(const Settings& settings, const Program& program);

}  // namespace qarax::qemu

namespace qarax {
template <>
struct Fields<qemu::Program> {
  using T = qemu::Program;
  static constexpr std::string_view kName = "qemu program";
  static constexpr auto kTable = field_table(
      field<&T::path>("path"), field<&T::why_not>("why_not"), field<&T::version>("version"), field<&T::q35>("q35"),
      field<&T::pc>("pc"), field<&T::can_sandbox>("can_sandbox"), field<&T::unanswered>("unanswered"));
};
QARAX_FIELDS_COMPLETE(qemu::Program);
}  // namespace qarax
