// The cloud-hypervisor program on this host: where, and which version. Asked, never assumed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "accelerator.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"

namespace qarax::cloud_hypervisor {

struct Version {
  int major = 0;
  int minor = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 of a comparison for a pointer
  auto operator<=>(const Version&) const = default;
};

std::string to_string(const Version& version);  // v53.0

struct Program {
  std::string path{};       // empty: there is none that can be used
  std::string why_not{};    // why, and what to do
  bool unanswered = false;  // nothing is known of it yet, as on a host that was too busy for its answer
  std::string text{};       // as it says it: v53.0
  bool fake = false;        // its version ends in -fake: it stands in for Cloud Hypervisor and runs no guest
  Version version{};
};

constexpr Version kOldest{44, 0};  // what this plugin was written and run against: 44.0 to 53.0
constexpr Version kNewest{53, 0};

// "cloud-hypervisor v53.0.0-dirty" → 53.0; nothing where there is no version in it.
std::optional<Version> version_in(const std::string& output);

constexpr Version kDiskFormats{51, 0};  // is told a disk's format; before, it guessed from what the guest had written
constexpr Version kDiskResize{51, 0};

// What every version here asks of the kernel's Landlock. With less, v53.0 ends at vm.create, and v44.0 runs unconfined.
constexpr int kLandlockAbi = 3;

constexpr Version kStrictConfig{52, 0};  // refuses shared memory that is mergeable, and more than 2 threads a core

// From "v53.0", as a handle has it; `otherwise` where it has none.
Version version_of(const std::string& text, const Version& otherwise);

// What that version can do under these settings: what it lacks isn't in it.
std::vector<std::string> features_of(const Version& version, const Settings& settings);

// What find_program() answered is good for as long as this stays the same.
std::string program_fingerprint(const Settings& settings);
// The kernel's Landlock ABI; 0: it has none, or it is off.
int landlock_abi();
// `call`: its limits; null: none.
Program find_program(plugin::Host& host, const Settings& settings, int landlock = landlock_abi(),
                     const plugin::Call* call = nullptr);
// The smallest guest that shows its kernel running.
plugin::TrialPlan trial_plan(const Settings& settings, const Program& program);

}  // namespace qarax::cloud_hypervisor
