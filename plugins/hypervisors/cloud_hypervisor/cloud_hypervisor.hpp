// Cloud Hypervisor as a qarax hypervisor: one VMM process per VM under the host's supervisor, driven over HTTP on a
// unix socket that was open before it ran, serial console on another.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "accelerator.hpp"
#include "api_client.hpp"
#include "program.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"
#include "status.hpp"
#include "vmm_program.hpp"

namespace qarax::cloud_hypervisor {

struct Machine;  // snapshot_files.hpp

constexpr int kApiMs = 10'000;    // it answers in milliseconds; under heavy load it may starve
constexpr int kAskSoonMs = 3000;  // before a program that hasn't said its version is asked again; doubled each time

class CloudHypervisor final : public plugin::Hypervisor,
                              public plugin::CanPause,
                              public plugin::CanReboot,
                              public plugin::CanResize,
                              public plugin::CanSnapshot,
                              public plugin::CanDisks,
                              public plugin::CanNics,
                              public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = cloud_hypervisor::kConfigSchema;
  // `api_ms`: for what its VMM answers at once.
  CloudHypervisor(plugin::Host& host, const CreateArgs& args, int api_ms = kApiMs, int ask_soon_ms = kAskSoonMs);

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resize(plugin::Call& call, const ResizeArgs& args) override;
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;
  // starting.cpp
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  // ending.cpp
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
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
  // The program, and what a trial said of KVM with it.
  struct Vmm {
    // `unanswered_before`: how often in a row the program hasn't answered until now.
    Vmm(plugin::Host& host, const Settings& settings, const std::string& state_dir, const plugin::Call* call,
        int unanswered_before, int ask_soon_ms);
    // Whether the program hasn't answered yet, and is asked again so soon that VMs can wait for it.
    bool is_undecided() const;
    const std::string seen;  // program_fingerprint()
    const Program program;
    const int unanswered;  // 0: it has answered
    plugin::Accelerator accelerator;
    std::optional<plugin::Reminder> reminder{};  // of a program that hasn't answered
  };
  ApiClient api(const std::string& run_dir) const { return {run_dir, api_ms_}; }
  // For what takes as long as a guest's memory does: a boot that faults it in, a reboot, more memory, a snapshot, a
  // restore.
  static ApiClient patient_api(const std::string& run_dir) { return {run_dir, kNoLimitMs}; }
  static Error no_program(const Program& program);
  // Asked anew where the file has changed, as by an upgrade under a node that runs, or where it hasn't answered.
  std::shared_ptr<Vmm> look_for_vmm(const plugin::Call& call);

  // `frozen`: the snapshot whose view is in the run folder, to go on from; none: it boots.
  Result<VmStatus> start_or_restore(plugin::Call& call, const StartArgs& args, const Machine* frozen);
  // `from`: the folder to go on from; empty: it boots.
  Result<VmStatus> launch(plugin::Call& call, const StartArgs& args, const Program& program, const Handle& handle,
                          const std::string& from);
  // `is_created`: its VMM has the VM's config already.
  Result<VmStatus> finish_start(plugin::Call& call, const StartArgs& args, const Handle& handle,
                                const std::string& from, bool is_created);
  static Status check(const VmSpec& spec, const Version& version);
  // A pause or its end; what its VMM refuses because it is so already counts as done.
  Result<VmStatus> act(plugin::Call& call, const VmArgs& args, Status (ApiClient::*what)(const plugin::Call&) const,
                       VmState wanted);
  // Of a guest that was paused for its snapshot: it goes on, whatever became of that, and however late it is.
  static Status resume_after_all(const VmArgs& vm);
  Result<VmStatus> look(plugin::Call& call, const VmArgs& args, const Handle& handle);
  // Of one that holds no guest any more, and why: its VMM would stay for ever, so it is ended here.
  Result<VmStatus> end_empty_vmm(plugin::Call& call, const VmArgs& args, const Handle& handle, const std::string& why);
  VmStatus end_of(const VmArgs& args, const Process& process, const Handle& handle);
  void name_why_empty(const VmArgs& args, VmStatus& ended);  // as its reason, where it was ended for that
  void forget_why_empty(const std::string& vm);
  // FAILED_PRECONDITION with its end where the VM has ended meanwhile; else `error`.
  Error why_not(plugin::Call& call, const VmArgs& args, const Handle& handle, Error error);
  static Error why_not(const VmArgs& args, const Result<VmStatus>& now, Error error);
  // UNIMPLEMENTED where that version, or the node's settings, leave it out.
  Status needs(const std::string& feature, const Version& version) const;
  // Of the VMM that runs the VM: the program may be a newer one by now.
  Version version_running(const Handle& handle) const { return version_of(handle.version, known_version()); }
  template <class Device, class Add>
  Result<VmStatus> attach(plugin::Call& call, const VmArgs& vm, std::vector<Device> Handle::*devices,
                          const Device& device, const Add& add);
  template <class Device>
  Result<VmStatus> detach(plugin::Call& call, const DetachArgs& args, std::vector<Device> Handle::*devices,
                          const char* what);

  // Without a program nothing is known of its version, and a VM isn't refused for what an old one lacks.
  Version known_version() const;

  plugin::Host& host_;
  const Settings settings_;
  const std::string state_dir_;
  const int api_ms_;
  const int ask_soon_ms_;
  plugin::Watched<Vmm> vmm_;
  std::mutex emptied_mutex_;
  struct Emptied {
    std::int64_t incarnation = 0;
    std::string why{};
  };
  std::map<std::string, Emptied> emptied_;  // by VM: the one that end_empty_vmm() ended
};

}  // namespace qarax::cloud_hypervisor
