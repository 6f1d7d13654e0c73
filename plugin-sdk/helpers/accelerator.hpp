// Which accelerator new VMs get, by evidence: KVM only where a trial guest really ran. A /dev/kvm that merely opens
// isn't evidence: on para-virtual nested KVM every ioctl succeeds and no kernel boots.
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

namespace qarax::plugin {

enum class AcceleratorChoice { automatic, kvm, tcg };

struct Verdict {
  std::string accelerator;  // kvm, tcg, probing; empty: none usable
  std::string evidence;
};

// What can be seen without running anything. `reason`: why KVM is out already; empty: a trial must decide.
struct KvmFacts {
  std::string reason;
  std::string seen;       // for the evidence: what did work
  bool may_come = false;  // what is missing can come while the node runs: the module is loaded, the right is given
};
KvmFacts look_at_kvm(const char* device = "/dev/kvm");

// Pure: from the facts and the trial (absent: there was none, and why; `waived`: its owner's word stands for it) to the
// verdict.
struct Trial {
  bool ran = false;  // the guest's kernel printed
  bool timed_out = false;
  std::string last_words;  // of QEMU or the guest
  std::int64_t limit_ms = 0;
};
Verdict decide(AcceleratorChoice choice, const KvmFacts& facts, const Trial* trial, const std::string& no_trial_reason,
               bool waived = false);

// Of a plugin that `needs` KVM, as in "QEMU needs KVM", whether it can be used. While the trial runs it is healthy and
// gives a reason all the same: for that the scheduler lets VMs wait which would else be bound to it for good.
void say_health(Description& out, const Verdict& verdict, const std::string& needs);

// How to run a guest that proves KVM.
struct TrialPlan {
  RunArgs run{};  // until its kernel's first line; no argv: there can be no trial, and `why_not` says why
  std::string why_not{};
  bool waived = false;     // there is none because the config says so: then a KVM that opens is believed
  std::string no_guest{};  // tests only: why no VMM of this plugin runs a guest. Nothing is looked at; KVM, as it says
  std::int64_t limit_ms = 5000;
  std::int64_t retry_ms =
      std::int64_t{5} * 60'000;         // until a trial that showed nothing is run again; then twice as long each time
  std::int64_t look_again_ms = 10'000;  // at a KVM that may come
  std::vector<std::string> files{};     // VMM, kernel, …: the result holds for as long as they are the same
};

class Accelerator {
 public:
  // The trial runs on a thread of its own; its result is kept in state_dir for as long as the host's boot and the
  // plan's files are the same. One that timed out counts until it is run again, and isn't kept: the host may have been
  // busy just then. A KVM that may come is looked for again, and its trial run as soon as it is there.
  Accelerator(
      Host& host, AcceleratorChoice choice, TrialPlan plan, const std::string& state_dir,
      std::function<KvmFacts()> look = [] { return look_at_kvm(); });
  ~Accelerator();  // ends a trial and joins
  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;

  Verdict now() const;                        // "probing" while the trial runs
  Result<Verdict> settled(const Call& call);  // waits for it within the call's limits

 private:
  void begin();
  void work(KvmFacts facts);
  // What is so without a trial; nothing: a trial decides.
  std::optional<Verdict> known(const KvmFacts& facts) const;
  void probe(const KvmFacts& facts);
  enum class Outcome { decided, undecided, broken_off };
  Outcome try_once(const KvmFacts& facts);
  void keep(const Verdict& verdict) const;
  bool is_cancelled_within(std::int64_t ms) const;
  void settle(Verdict verdict);
  void tell(Verdict verdict);  // settles it, and tells the host where VMs get another accelerator by it
  std::string cache_key() const;

  Host& host_;
  const AcceleratorChoice choice_;
  const TrialPlan plan_;
  const std::string cache_;
  const std::function<KvmFacts()> look_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Verdict verdict_{"probing", "a trial guest is being run under KVM"};
  int cancel_fd_ = -1;
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
