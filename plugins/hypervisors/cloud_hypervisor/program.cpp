#include "program.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "text.hpp"
#include "vm_config.hpp"
#include "vmm_path.hpp"
#include "vmm_program.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr std::int64_t kAskMs = 5000;

plugin::VmmSearch search_of(const Settings& settings) { return {"cloud-hypervisor", "", settings.binary}; }

// v53.0 says more below it.
std::string version_line(const std::string& output) {
  return plugin::last_line(output.substr(0, output.find('\n', output.find(" v"))));
}

}  // namespace

std::optional<Version> version_in(const std::string& output) {
  const std::size_t at = output.find(" v");
  if (at == std::string::npos) return std::nullopt;
  Version out;
  const char* end = output.data() + output.size();
  const auto major = std::from_chars(output.data() + at + 2, end, out.major);
  if (major.ec != std::errc{}) return std::nullopt;
  if (major.ptr != end && *major.ptr == '.') std::from_chars(major.ptr + 1, end, out.minor);
  return out;
}

std::string to_string(const Version& version) {
  return "v" + std::to_string(version.major) + "." + std::to_string(version.minor);
}

Version version_of(const std::string& text, const Version& otherwise) {
  return version_in(" " + text).value_or(otherwise);
}

std::string program_fingerprint(const Settings& settings) { return plugin::vmm_fingerprint(search_of(settings)); }

int landlock_abi() {
  constexpr unsigned kAskVersion = 1U << 0;  // LANDLOCK_CREATE_RULESET_VERSION
  return std::max(0, static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion)));
}

Program find_program(plugin::Host& host, const Settings& settings, int landlock, const plugin::Call* call) {
  Program out;
  plugin::VmmPath found = plugin::find_vmm(search_of(settings));
  out.why_not = std::move(found.why_not);
  const std::string path = std::move(found.path);
  if (path.empty()) return out;
  RunArgs run;
  run.argv = {path, "--version"};
  const auto said = host.run(call, run, kAskMs);
  out.unanswered = !said || said->timed_out;
  if (out.unanswered) {
    out.why_not =
        path + " was asked for its version, and " + plugin::why_unanswered(said, kAskMs) + "; it is asked again";
    return out;
  }
  const auto version = version_in(said->output);
  if (!version) {
    out.why_not = path + " --version doesn't tell a version: " + plugin::last_line(said->output);
    return out;
  }
  out.version = *version;
  out.text = to_string(*version);
  if (*version < kOldest) {
    out.why_not = path + " is " + out.text + "; this plugin needs " + to_string(kOldest) +
                  " or newer; install one and restart the node";
    return out;
  }
  const std::string line = version_line(said->output);
  out.fake = line.ends_with("-fake");
  if (settings.trial == TrialChoice::fake && !out.fake) {
    out.why_not =
        "the plugin's config says trial: fake, which is for a stand-in in tests, and " + path + " is none: " + line;
    return out;
  }
  // What stands in for it confines nothing anyhow.
  if (settings.landlock && !out.fake && landlock < kLandlockAbi) {
    out.why_not = "the plugin's config says landlock: true, and Cloud Hypervisor needs the kernel's Landlock ABI " +
                  std::to_string(kLandlockAbi) +
                  " for it (Linux 6.2, and landlock among the kernel's lsm=); this host has " +
                  (landlock > 0 ? std::to_string(landlock) : "none");
    return out;
  }
  out.path = path;
  return out;
}

std::vector<std::string> features_of(const Version& version, const Settings& settings) {
  std::vector<std::string> out = {"pause", "reboot", "resize", "counters", "console"};
  // Under landlock the VMM sees the files that its VM was started with, and no others.
  if (settings.landlock) return out;
  out.emplace_back("snapshot");
  out.emplace_back("nics");
  if (version >= kDiskFormats) out.emplace_back("disks");
  if (version >= kDiskResize) out.emplace_back("disk-resize");
  return out;
}

plugin::TrialPlan trial_plan(const Settings& settings, const Program& program) {
  plugin::TrialPlan plan;
  plan.limit_ms = settings.probe_timeout_ms;
  if (settings.trial == TrialChoice::fake && program.fake) {
    plan.no_guest = "no guest, fake: " + program.path + " stands in for Cloud Hypervisor";
    return plan;
  }
  plan.waived = settings.trial == TrialChoice::skip;
  if (plan.waived)
    plan.why_not = "the plugin's config says trial: skip";
  else if (program.path.empty())
    plan.why_not = "there is no cloud-hypervisor to run one with";
  else if (settings.probe_kernel.empty())
    plan.why_not = "the node has no kernel to try: boot.kernel in its config names none that can be read";
  if (!plan.why_not.empty()) return plan;
  plan.files = {program.path};
  // As v53.0 words it, and as v44.0 prints it.
  plan.boots = {{"kernel",
                 settings.probe_kernel,
                 {"Cannot open kernel file", "KernelFile(", "Cannot load the kernel into memory", "KernelLoad(",
                  "Kernel lacks PVH header", "KernelMissingPvhHeader"}}};
  plan.run.argv = build_argv(program.path, settings, -1);
  // Without an API socket: the guest of the command line is all that it shall run.
  plan.run.argv.erase(plan.run.argv.begin() + 1, plan.run.argv.begin() + 3);
  plan.run.argv.insert(plan.run.argv.end(),
                       {"--cpus", "boot=1", "--memory", "size=256M", "--serial", "tty", "--console", "off", "--kernel",
                        settings.probe_kernel, "--cmdline", "console=ttyS0 earlyprintk=ttyS0 panic=-1"});
  if (!settings.probe_initramfs.empty()) {
    plan.run.argv.insert(plan.run.argv.end(), {"--initramfs", settings.probe_initramfs});
    plan.boots.push_back(
        {"initramfs",
         settings.probe_initramfs,
         {"Cannot open initramfs file", "InitramfsFile(", "Cannot load the initramfs into memory", "InitramfsLoad",
          "Cannot determine initramfs load address", "Cannot read initramfs into guest memory"}});
  }
  plan.run.until = "Linux version";
  return plan;
}

}  // namespace qarax::cloud_hypervisor
