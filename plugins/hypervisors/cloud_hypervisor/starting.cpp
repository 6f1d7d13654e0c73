// CloudHypervisor's part that starts a VM: anew, from a snapshot, or where an earlier start was broken off.
#include <sched.h>

#include <thread>

#include "cloud_hypervisor.hpp"
#include "devices.hpp"
#include "snapshot_files.hpp"
#include "unix_socket.hpp"
#include "vm_config.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr int kApiFd = 10;  // its number inside the VMM

// One that no thread can be kept on: there is none such, it is offline, or outside of the host's cpuset for us. The
// agent's own affinity isn't asked, since what it spawns may choose anew.
std::optional<int> first_unusable(const std::set<int>& cpus) {
  std::optional<int> out;
  std::thread tries([&] {
    for (const int cpu : cpus) {
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(static_cast<std::size_t>(cpu), &only);
      if (::sched_setaffinity(0, sizeof only, &only) == 0) continue;
      out = cpu;
      return;
    }
  });
  tries.join();
  return out;
}

// vmm.ping has it without the v, and a build of somebody's own may have one.
Version version_said(const std::string& text, const Program& program) {
  return version_of(text.starts_with('v') ? text : "v" + text, program.version);
}

Status check_pins(const VmSpec& spec) {
  const auto pins = pinned_to(spec);
  const auto unusable = pins.empty() ? std::nullopt : first_unusable(pins);
  if (!unusable) return Ok{};
  return plugin::invalid(
      "Cloud Hypervisor can't run this VM",
      {{"/config/cpus/affinity", "names host CPU " + std::to_string(*unusable) + ", which this host can't run it on"}});
}

}  // namespace

Result<VmStatus> CloudHypervisor::start(plugin::Call& call, const StartArgs& args) {
  return start_or_restore(call, args, nullptr);
}

Result<VmStatus> CloudHypervisor::start_or_restore(plugin::Call& call, const StartArgs& args, const Machine* frozen) {
  const std::string from = frozen != nullptr ? args.run_dir + "/" + kRestoreView : std::string();
  forget_why_empty(args.vm);
  const auto current = look_for_vmm(call);
  const Program& program = current->program;
  if (program.path.empty()) return no_program(program);
  QARAX_CHECK(plugin::needs_boot_source(args));
  QARAX_TRY(const plugin::Verdict verdict, current->accelerator.settled(call));
  if (verdict.accelerator.empty())
    return make_error(Code::failed_precondition, "Cloud Hypervisor needs KVM: " + verdict.evidence,
                      "hypervisor-unavailable");
  Handle handle{kHandleFormat, "cloud_hv", program.text, verdict.evidence, args.spec, {}, {}, false};
  if (frozen != nullptr) {
    handle.disks = frozen->disks;
    handle.nics = frozen->nics;
  }
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive) {
    // The program may be another one than the one that runs.
    if (const auto version = api(args.run_dir).ping(call)) handle.version = to_string(version_said(*version, program));
    const auto said = api(args.run_dir).info(call);
    if (!runs_no_guest(said)) return look(call, plugin::vm_of(args), handle);
    // Spawned by a start that was broken off before its guest ran: this one finishes it.
    return finish_start(call, args, handle, from, said.operator bool());
  }
  QARAX_CHECK(check(args.spec, program.version));
  QARAX_CHECK(check_pins(args.spec));
  QARAX_CHECK(plugin::needs_free_run_dir(kind(), args));
  auto started = launch(call, args, program, handle, from);
  if (started) return started;
  return plugin::undo_start(host_, kind(), args, std::move(started).error());
}

Result<VmStatus> CloudHypervisor::launch(plugin::Call& call, const StartArgs& args, const Program& program,
                                         const Handle& handle, const std::string& from) {
  QARAX_CHECK(call.keep(encode(handle)));
  for (const std::string& name : kind().sockets)
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  // The VMM makes this one itself, and refuses where something is in the way.
  ::unlink((args.run_dir + "/" + kSerial).c_str());
  QARAX_TRY(plugin::Socket listener, plugin::listen_unix(args.run_dir, kApiSocket));
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(program.path, settings_, kApiFd);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kApiFd};
  spawn.console_connect = args.run_dir + "/" + kSerial;
  call.progress("spawn", 1, 3);
  QARAX_CHECK(host_.spawn(&call, spawn, {listener.get()}));
  // Ours is closed now: a VMM that dies must show as a hang-up, not as a socket that nobody answers.
  listener.close();
  return finish_start(call, args, handle, from, false);
}

Result<VmStatus> CloudHypervisor::finish_start(plugin::Call& call, const StartArgs& args, const Handle& handle,
                                               const std::string& from, bool is_created) {
  const ApiClient patient = patient_api(args.run_dir);
  Handle booted = handle;
  booted.booted = true;
  call.progress(from.empty() ? "create" : "restore", 2, 3);
  if (!from.empty()) {
    QARAX_CHECK(patient.restore(call, from, args.spec.memory_prefault));
    QARAX_CHECK(patient.resume(call));
  } else if (is_created) {
    QARAX_CHECK(patient.boot(call));
  } else {
    QARAX_CHECK(patient.create_and_boot(call, build_vm_config(args, settings_, version_running(handle), kSerial)));
  }
  QARAX_CHECK(call.keep(encode(booted)));
  call.progress("running", 3, 3);
  if (from.empty()) return alive(as_started("Running", args.spec), booted);
  // What it was resized to before its snapshot only its VMM knows.
  auto restored = look(call, plugin::vm_of(args), booted);
  if (restored && restored->state == VmState::shutdown)
    return make_error(Code::unavailable, "VM " + args.vm + " has ended: " + restored->status_reason);
  return restored;
}

}  // namespace qarax::cloud_hypervisor
