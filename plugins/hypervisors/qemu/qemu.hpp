// QEMU as a qarax hypervisor: one process per VM under the host's supervisor, monitor and serial as listening sockets
// that were open before it ran.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "accelerator.hpp"
#include "argv.hpp"
#include "monitors.hpp"
#include "program.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"
#include "snapshot_files.hpp"
#include "status.hpp"
#include "vmm_program.hpp"

namespace qarax::qemu {

using plugin::Accelerator;
using plugin::Verdict;

struct Changes;      // resize.cpp
struct AfterStream;  // snapshot.cpp

constexpr int kQmpMs = 10'000;       // QEMU answers in under a millisecond; under heavy load its main loop may starve
constexpr int kGreetingMs = 30'000;  // of a QEMU that has just been spawned
constexpr int kUnplugMs = 15'000;    // a guest lets go within a second, one that boots or is swapped out takes longer
constexpr int kUndoMs = 10'000;
constexpr int kCancelledMs = 30'000;
constexpr int kStateFd = 12;  // a snapshot's memory, as numbered inside QEMU

class Qemu final : public plugin::Hypervisor,
                   public plugin::CanPause,
                   public plugin::CanReboot,
                   public plugin::CanResize,
                   public plugin::CanSnapshot,
                   public plugin::CanDisks,
                   public plugin::CanNics,
                   public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = qemu::kConfigSchema;
  // `undo_ms`: for what has to be put right although a call's own time is up. `poll_ms`: how long a snapshot or restore
  // that is under way waits for one answer before it asks anew. `cancelled_ms`: for all that a snapshot has to put
  // right once it was cancelled, because what cancelled it waits for its end; the same for the end of one that the
  // agent's end has interrupted, which a recovery waits for.
  Qemu(plugin::Host& host, const CreateArgs& args, int undo_ms = kUndoMs, int poll_ms = kQmpMs,
       int cancelled_ms = kCancelledMs);

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override;
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;
  // starting.cpp
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  // resize.cpp
  Result<VmStatus> resize(plugin::Call& call, const ResizeArgs& args) override;
  // snapshot.cpp
  Result<VmStatus> snapshot(plugin::Call& call, const SnapshotArgs& args) override;
  Result<VmStatus> restore(plugin::Call& call, const StartArgs& args) override;
  // attach.cpp
  Result<VmStatus> attach_disk(plugin::Call& call, const DiskArgs& args) override;
  Result<VmStatus> detach_disk(plugin::Call& call, const DetachArgs& args) override;
  Result<VmStatus> resize_disk(plugin::Call& call, const DiskResizeArgs& args) override;
  Result<VmStatus> attach_nic(plugin::Call& call, const NicArgs& args) override;
  Result<VmStatus> detach_nic(plugin::Call& call, const DetachArgs& args) override;

 private:
  // What a restore goes on from.
  struct Thaw {
    Machine machine{};
    int memory = -1;
  };
  Result<VmStatus> start_or_restore(plugin::Call& call, StartArgs args, const std::optional<Thaw>& from);
  Result<VmStatus> launch(plugin::Call& call, const StartArgs& args, const Handle& handle,
                          const std::optional<Thaw>& from);
  // What `ask` says of a VM's monitor; FAILED_PRECONDITION with its end where the VM has ended meanwhile.
  template <class Ask>
  auto with_monitor(plugin::Call& call, const VmArgs& args, Ask ask, int most_ms = kQmpMs)
      -> decltype(ask(std::declval<QmpClient&>()));
  Error why_not(plugin::Call& call, const VmArgs& args, Error error);
  Result<VmStatus> look(plugin::Call& call, const VmArgs& args, const Handle& handle);
  VmStatus gone(const VmArgs& args, const Process& process, const Handle* handle);
  // As it is seen through a monitor at hand.
  Result<VmStatus> seen(plugin::Call& call, QmpClient& qmp, const VmArgs& args, const Handle& handle);

  Status resize_vcpus(plugin::Call& call, const VmArgs& vm, std::int32_t wanted);
  Status change_memory(plugin::Call& call, const VmArgs& vm, const VmSpec& spec, Changes& changes);
  Status change(plugin::Call& call, const ResizeArgs& args, const VmSpec& spec, Changes& changes);
  Error undo_resize(const VmArgs& vm, const VmSpec& spec, const Changes& changes, Error error);
  // DEADLINE_EXCEEDED: the guest doesn't let go. `what`: for people.
  Status unplug(plugin::Call& call, const VmArgs& vm, const std::string& path, const std::string& what);
  template <class Device, class Plug>
  Result<VmStatus> attach(plugin::Call& call, const VmArgs& vm, std::vector<Device> Handle::*devices,
                          const Device& device, const Plug& plug_in);
  // Of an attach that failed: Ok only where QEMU has nothing of it any more.
  template <class Device>
  Status take_back(const VmArgs& vm, const Device& device);
  template <class Device>
  Result<VmStatus> detach(plugin::Call& call, const DetachArgs& args, std::vector<Device> Handle::*devices,
                          const char* what);
  Status write_memory(plugin::Call& call, const VmArgs& vm, int file);
  // with_monitor() for a loop: false, too, where the monitor doesn't answer just now.
  Result<bool> poll_monitor(plugin::Call& call, const VmArgs& vm, const std::function<Result<bool>(QmpClient&)>& so);
  // Resumes the guest after its snapshot.
  Status go_on(AfterStream& after, const VmArgs& vm, const Handle& handle);
  // Asks until it is so, whatever gets in the way meanwhile: until the call's deadline, and for undo_ms at least, but
  // once the call was cancelled no longer than cancelled_ms. FAILED_PRECONDITION: the VM has ended.
  Status insist(AfterStream& after, const VmArgs& vm, const std::function<Result<bool>(plugin::Call&, QmpClient&)>& so);
  // What was being written when the agent ended is nobody's any more, and its end would stop a guest that was resumed.
  // DEADLINE_EXCEEDED: it still is after cancelled_ms.
  Status drop_stream(plugin::Call& call, const VmArgs& vm);
  Status thaw(plugin::Call& call, const StartArgs& args, const Thaw& from);
  Status check(const VmSpec& spec, const Verdict& verdict) const;
  static Error demands_kvm(const Verdict& verdict);  // where the node's config does and none runs a guest
  // The program, and what a trial said of KVM with it.
  struct Vmm {
    Vmm(plugin::Host& host, const Settings& settings, const std::string& state_dir, const plugin::Call* call);
    const std::string seen;  // program_fingerprint()
    Program program;         // changes under program_mutex_, where it hadn't answered
    Accelerator accelerator;
  };
  Program program() const;
  // Asked anew where the file has changed, as by an upgrade under a node that runs.
  std::shared_ptr<Vmm> look_for_vmm(const plugin::Call& call);
  // One that has said what its machines are: it is asked again where it hasn't. UNAVAILABLE, with the reason.
  Result<Program> known_program(plugin::Call& call);

  plugin::Host& host_;
  const Settings settings_;
  const int undo_ms_;
  const int poll_ms_;
  const int cancelled_ms_;
  const std::string state_dir_;
  mutable std::mutex program_mutex_;
  plugin::Watched<Vmm> vmm_;
  Monitors monitors_;
};

template <class Ask>
auto Qemu::with_monitor(plugin::Call& call, const VmArgs& args, Ask ask, int most_ms)
    -> decltype(ask(std::declval<QmpClient&>())) {
  auto qmp = monitors_.ask(call, args.run_dir, most_ms);
  if (!qmp) return why_not(call, args, std::move(qmp).error());
  auto said = ask(**qmp);
  if (!said) return why_not(call, args, std::move(said).error());
  return said;
}

}  // namespace qarax::qemu
