// Which accelerator new VMs get, by evidence: KVM only where a trial guest really ran. A /dev/kvm that merely opens
// isn't evidence: on para-virtual nested KVM every ioctl succeeds and no kernel boots.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"

namespace qarax::qemu {

struct Verdict {
  std::string accelerator;  // kvm, tcg, probing; empty: none usable
  std::string evidence;
};

// What can be seen without running anything. `reason`: why KVM is out already; empty: a trial must decide.
struct KvmFacts {
  std::string reason;
  std::string seen;  // for the evidence: what did work
};
KvmFacts look_at_kvm(const char* device = "/dev/kvm");

// Pure: from the facts and the trial (absent: there could be none) to the verdict.
struct Trial {
  bool ran = false;  // the guest's kernel printed
  bool timed_out = false;
  std::string last_words;  // of QEMU or the guest
  std::int64_t limit_ms = 0;
};
Verdict decide(AcceleratorChoice choice, const KvmFacts& facts, const Trial* trial, const std::string& no_trial_reason);

class Accelerator {
 public:
  // `binary` empty: there is no QEMU, nothing is tried. The trial runs on a thread of its own; its result is kept in
  // state_dir for as long as host, QEMU and kernel are the same.
  Accelerator(plugin::Host& host, Settings settings, std::string binary, const std::string& state_dir);
  ~Accelerator();  // ends a trial and joins
  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;

  Verdict now() const;                                // "probing" while the trial runs
  Result<Verdict> settled(const plugin::Call& call);  // waits for it within the call's limits

 private:
  void begin();
  void probe(const KvmFacts& facts);
  void settle(Verdict verdict);
  std::string cache_key() const;

  plugin::Host& host_;
  const Settings settings_;
  const std::string binary_;
  const std::string cache_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Verdict verdict_{"probing", "a trial guest is being run under KVM"};
  int cancel_fd_ = -1;
  std::thread thread_;
};

}  // namespace qarax::qemu
