// Decides by evidence which accelerator new VMs get: KVM only if a trial guest really ran. That /dev/kvm opens isn't
// evidence: on para-virtual nested KVM every ioctl succeeds and no kernel boots.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "trial_files.hpp"

namespace qarax::plugin {

enum class AcceleratorChoice { automatic, kvm, tcg };

struct Verdict {
  std::string accelerator;  // kvm, tcg, probing; empty: none usable
  std::string evidence;
};

// What can be found out about KVM without running a guest.
struct KvmFacts {
  std::string reason;  // why KVM can't be used; empty: a trial must decide
  std::string seen;    // for the evidence: the checks that succeeded
  // It can come while the node runs: the module is loaded, the right is granted, another hypervisor ends its VMs.
  bool may_come = false;
};
KvmFacts look_at_kvm(const char* device = "/dev/kvm");
// Pure: of a device that opened and whose KVM_CREATE_VM failed with that errno.
KvmFacts kvm_without_vm(const std::string& device, int vm_errno);

struct Trial {
  bool ran = false;  // the guest's kernel printed its first line
  bool timed_out = false;
  std::string last_words;  // last line that QEMU or the guest printed
  std::int64_t limit_ms = 0;
  std::string unbootable{};  // what it was to boot can't be booted, which says nothing of KVM: why
};
// Pure. `trial` is null if none was run, for `no_trial_reason`; `waived`: the config says that KVM works without one.
Verdict decide(AcceleratorChoice choice, const KvmFacts& facts, const Trial* trial, const std::string& no_trial_reason,
               bool waived = false);

// Sets the health of a plugin that `needs` KVM ("QEMU needs KVM"). While the verdict is "probing" the plugin is healthy
// and still gives a reason; the scheduler then lets VMs wait that would otherwise be bound to the plugin, or to the one
// that takes its place, for good.
void say_health(Description& out, const Verdict& verdict, const std::string& needs);

// How to run a guest that proves KVM.
struct TrialPlan {
  RunArgs run{};  // runs until the kernel's first line; empty argv: no trial is possible, and `why_not` says why
  std::string why_not{};
  bool waived = false;     // the config waives the trial: /dev/kvm that opens is taken as proof
  std::string no_guest{};  // tests only, where the VMM runs no guest: verdict KVM without any check, this as evidence
  std::int64_t limit_ms = 5000;
  int quick_repeats = 2;         // of an inconclusive trial, until which the verdict stays "probing"
  std::int64_t quick_ms = 3000;  // pause before the first of these; doubled each time
  std::int64_t retry_ms = std::int64_t{5} * 60'000;  // pause before the next repeat; doubled each time, up to 4 h
  std::int64_t look_again_ms = 10'000;               // pause between two looks at a KVM, or at files, that may change
  std::vector<std::string> files{};  // VMM, …: the result is valid as long as these and those of `boots` don't change
  std::vector<TrialFile> boots{};    // kernel, initramfs
};

class Accelerator {
 public:
  // The trial runs on a thread of its own. Its result is stored in state_dir and valid until the host reboots, one of
  // the plan's files changes or the trial would be run in another way. A trial that timed out, was killed (SIGKILL,
  // SIGSYS) or couldn't be executed is inconclusive, as the host may have been busy or without memory just then. It is
  // repeated soon; if all the quick repeats are inconclusive, that counts until the next trial and isn't stored. One
  // whose kernel or initramfs can't be booted says nothing of KVM; it counts, isn't stored either, and is repeated as
  // soon as one of these files changes, or after retry_ms. A KVM that may come is looked for again; its trial runs as
  // soon as it is there.
  Accelerator(
      Host& host, AcceleratorChoice choice, TrialPlan plan, const std::string& state_dir,
      std::function<KvmFacts()> look = [] { return look_at_kvm(); });
  ~Accelerator();  // cancels a running trial and joins its thread
  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;

  Verdict now() const;  // "probing" while the trial runs or is repeated soon
  // Waits while the verdict is "probing", within the call's deadline and cancel.
  Result<Verdict> settled(const Call& call);

 private:
  void begin();
  void work(KvmFacts facts);
  // What is so without a trial; nothing: a trial decides.
  std::optional<Verdict> known(const KvmFacts& facts) const;
  void probe(const KvmFacts& facts);
  enum class Outcome { decided, undecided, unbootable, broken_off };
  Outcome try_files(const KvmFacts& facts, bool is_repeated_soon);  // until they can be booted
  Outcome try_once(const KvmFacts& facts, bool is_repeated_soon);
  void keep(const Verdict& verdict) const;
  bool is_ending_within(std::int64_t ms);  // waits for the destructor
  void settle(Verdict verdict);
  void tell(Verdict verdict);  // settles it, and tells the host if it is another one
  std::string cache_key() const;

  Host& host_;
  const AcceleratorChoice choice_;
  const TrialPlan plan_;
  const std::string cache_;
  const std::function<KvmFacts()> look_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Verdict verdict_{"probing", "a trial guest is being run under KVM"};
  std::condition_variable ends_;
  bool is_ending_ = false;
  int cancel_fd_ = -1;  // cancels the host's run of a trial; -1: there was no descriptor, and the trial has its limit
  std::thread thread_;
};

}  // namespace qarax::plugin

namespace qarax {
template <>
struct EnumNames<plugin::AcceleratorChoice> {
  static constexpr std::string_view kNames[] = {"auto", "kvm", "tcg"};
  static constexpr plugin::AcceleratorChoice kUnknown = plugin::AcceleratorChoice::automatic;
};
}  // namespace qarax
