#include "program.hpp"

#include <algorithm>
#include <fstream>

#include "argv.hpp"
#include "text.hpp"
#include "vmm_path.hpp"
#include "vmm_program.hpp"

namespace qarax::qemu {

namespace {

constexpr std::int64_t kAskMs = 5000;

plugin::VmmSearch search_of(const Settings& settings) {
  return {"qemu-system-x86_64", "qemu-system-x86", settings.binary};
}

// Whether all of it was answered: only that is worth keeping.
bool ask(plugin::Host& host, const plugin::Call* call, Program& out) {
  RunArgs run;
  run.argv = {out.path, "--version"};
  const auto version = host.run(call, run, kAskMs);
  if (version) out.version = version_in(version->output);
  // One run tells both: a QEMU without seccomp refuses the option before it lists anything.
  run.argv = {out.path, "-sandbox", std::string(kSandbox), "-machine", "help"};
  auto machines = host.run(call, run, kAskMs);
  out.can_sandbox = plugin::ended_well(machines);
  if (!out.can_sandbox) {
    run.argv = {out.path, "-machine", "help"};
    machines = host.run(call, run, kAskMs);
  }
  if (!plugin::ended_well(machines)) {
    out.can_sandbox = true;  // nothing is known: better a start that fails than a sandbox that is silently left out
    out.unanswered = out.path + " was asked for its machine types, and " + plugin::why_unanswered(machines, kAskMs);
    return false;
  }
  out.q35 = machine_in(machines->output, "q35");
  out.pc = machine_in(machines->output, "pc");
  return !out.version.empty();
}

}  // namespace

std::string program_fingerprint(const Settings& settings) { return plugin::vmm_fingerprint(search_of(settings)); }

std::string version_in(const std::string& output) {
  constexpr std::string_view kMark = "version ";
  const std::size_t at = output.find(kMark);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kMark.size();
  return output.substr(begin, output.find_first_of(" \r\n", begin) - begin);
}

std::string machine_in(const std::string& output, const std::string& alias) {
  constexpr std::string_view kMark = "(alias of ";
  std::size_t at = 0;
  while (at < output.size()) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(alias + " ")) continue;
    const std::size_t mark = line.find(kMark);
    if (mark == std::string::npos) return {};
    const std::size_t begin = mark + kMark.size();
    return line.substr(begin, line.find(')', begin) - begin);
  }
  return {};
}

Program find_program(plugin::Host& host, const Settings& settings, const std::string& state_dir,
                     const plugin::Call* call) {
  Program out;
  plugin::VmmPath found = plugin::find_vmm(search_of(settings));
  out.path = std::move(found.path);
  out.why_not = std::move(found.why_not);
  if (out.path.empty()) return out;
  const std::string cache = state_dir.empty() ? "" : state_dir + "/program";
  const std::string key = "1 " + plugin::fingerprint(out.path);
  std::string kept_key;
  std::string document;
  if (std::ifstream kept(cache); std::getline(kept, kept_key) && kept_key == key && std::getline(kept, document))
    if (auto program = decode<Program>(std::string_view(document), Unknown::ignore)) return std::move(*program);
  if (ask(host, call, out) && !cache.empty()) {
    // A torn file is one whose document doesn't parse: it is asked again.
    std::ofstream(cache, std::ios::trunc) << key << '\n' << encode(out) << '\n';
  }
  return out;
}

plugin::TrialPlan trial_plan(const Settings& settings, const Program& program) {
  plugin::TrialPlan plan;
  plan.limit_ms = settings.probe_timeout_ms;
  if (settings.trial == TrialChoice::skip) {
    plan.waived = true;
    plan.why_not = "the plugin's config says trial: skip";
    return plan;
  }
  if (program.path.empty()) {
    plan.why_not = "there is no QEMU to run one with";
    return plan;
  }
  if (settings.probe_kernel.empty()) {
    plan.why_not = "the node has no kernel to try: boot.kernel in its config names none that can be read";
    return plan;
  }
  plan.files = {program.path};
  plan.boots = {{"kernel",
                 settings.probe_kernel,
                 {"could not open kernel file", "could not load kernel", "invalid kernel header",
                  "linux kernel too old", "Error while loading elf kernel", "kernel without PVH ELF Note"}}};
  plan.run.argv = {program.path,
                   "-machine",
                   settings.machine + ",accel=kvm",
                   "-cpu",
                   "host",
                   "-m",
                   "256",
                   "-nodefaults",
                   "-no-user-config",
                   "-no-reboot",
                   "-display",
                   "none",
                   "-vga",
                   "none",
                   "-serial",
                   "stdio",
                   "-kernel",
                   settings.probe_kernel,
                   "-append",
                   "console=ttyS0 earlyprintk=ttyS0 panic=-1"};
  if (!settings.probe_initramfs.empty()) {
    plan.run.argv.insert(plan.run.argv.end(), {"-initrd", settings.probe_initramfs});
    plan.boots.push_back({"initramfs", settings.probe_initramfs, {"error reading initrd", "initrd is too large"}});
  }
  plan.run.until = "Linux version";
  return plan;
}

}  // namespace qarax::qemu
