#include "accelerator.hpp"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "text.hpp"

namespace qarax::plugin {

namespace {

constexpr std::int64_t kLongestPauseMs = std::int64_t{4} * 3600 * 1000;

constexpr int kCannotExec = 126;  // a shell's and setpriv's exit codes for a program that they could not execute
constexpr int kNotFound = 127;

// Whether the trial says something of KVM. The kernel may kill a VMM for lack of memory or for a system call that its
// filter forbids, and a program that wasn't executed has tried nothing.
bool is_certain(const RunResult& result) {
  if (result.matched) return true;
  if (result.timed_out) return false;
  const ExitInfo& exit = result.exit;
  if (exit.kind == ExitKind::signaled) return exit.signal != SIGKILL && exit.signal != SIGSYS;
  return exit.kind == ExitKind::exited && exit.code != kCannotExec && exit.code != kNotFound;
}

// How it ended that didn't run, after "the trial".
std::string end_of(const Trial& trial) {
  return (trial.timed_out ? "printed nothing within " + std::to_string(trial.limit_ms) + " ms"
                          : std::string("ended without a word of its kernel")) +
         (trial.last_words.empty() ? "" : " (last: " + trial.last_words + ")");
}

}  // namespace

Verdict decide(AcceleratorChoice choice, const KvmFacts& facts, const Trial* trial, const std::string& no_trial_reason,
               bool waived) {
  if (choice == AcceleratorChoice::tcg) return {"tcg", "the node's config says accelerator: tcg"};
  const std::string unproven = "nothing proves that KVM runs a guest here: ";
  std::string why_not;
  if (!facts.reason.empty()) {
    why_not = facts.reason;
  } else if (trial == nullptr) {
    if (waived) return {"kvm", facts.seen + "; no trial: " + no_trial_reason};
    why_not = unproven + no_trial_reason;
  } else if (trial->ran) {
    return {"kvm", "a trial guest ran under KVM (" + facts.seen + ")"};
  } else if (!trial->unbootable.empty()) {
    why_not = unproven + trial->unbootable;
  } else {
    why_not = "KVM doesn't run a guest here: the trial " + end_of(*trial) + "; " + facts.seen;
  }
  if (choice == AcceleratorChoice::kvm) return {"", why_not};
  return {"tcg", why_not};
}

void say_health(Description& out, const Verdict& verdict, const std::string& needs) {
  out.healthy = !verdict.accelerator.empty();
  if (!out.healthy || verdict.accelerator == "probing") out.health_reason = needs + ": " + verdict.evidence;
}

Accelerator::Accelerator(Host& host, AcceleratorChoice choice, TrialPlan plan, const std::string& state_dir,
                         std::function<KvmFacts()> look)
    : host_(host),
      choice_(choice),
      plan_(std::move(plan)),
      cache_(state_dir.empty() ? "" : state_dir + "/kvm-trial"),
      look_(std::move(look)) {
  begin();
}

void Accelerator::begin() {
  if (!plan_.no_guest.empty()) return settle({"kvm", plan_.no_guest});
  if (choice_ == AcceleratorChoice::tcg) return settle(decide(choice_, {}, nullptr, ""));
  KvmFacts facts = look_();
  auto verdict = known(facts);
  if (verdict) settle(std::move(*verdict));
  if (verdict && !facts.may_come) return;
  cancel_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread([this, facts = std::move(facts)] { work(facts); });
}

std::optional<Verdict> Accelerator::known(const KvmFacts& facts) const {
  if (!facts.reason.empty()) return decide(choice_, facts, nullptr, "");
  if (plan_.run.argv.empty()) return decide(choice_, facts, nullptr, plan_.why_not, plan_.waived);
  if (cache_.empty()) return std::nullopt;
  std::ifstream kept(cache_);
  std::string key;
  Verdict verdict;
  if (std::getline(kept, key) && key == cache_key() && std::getline(kept, verdict.accelerator) &&
      std::getline(kept, verdict.evidence))
    return verdict;
  return std::nullopt;
}

void Accelerator::work(KvmFacts facts) {
  ::prctl(PR_SET_NAME, "kvm-probe");
  const bool came = facts.may_come;
  while (facts.may_come) {
    if (is_ending_within(plan_.look_again_ms)) return;
    facts = look_();
  }
  if (came)
    if (auto verdict = known(facts)) return tell(std::move(*verdict));
  probe(facts);
}

bool Accelerator::is_ending_within(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  return ends_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return is_ending_; });
}

Accelerator::~Accelerator() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ends_.notify_all();
  if (cancel_fd_ >= 0) ::eventfd_write(cancel_fd_, 1);
  if (thread_.joinable()) thread_.join();
  if (cancel_fd_ >= 0) ::close(cancel_fd_);
}

std::string Accelerator::cache_key() const {
  std::string boot_id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot_id;
  std::string key = "4 " + boot_id;
  for (const std::string& file : plan_.files) key += " " + fingerprint(file);
  key += fingerprints(plan_.boots);
  return key + " " + std::string(EnumNames<AcceleratorChoice>::kNames[static_cast<std::size_t>(choice_)]) + " " +
         std::to_string(plan_.limit_ms) + " " + encode(plan_.run);
}

void Accelerator::probe(const KvmFacts& facts) {
  std::int64_t pause_ms = plan_.quick_ms;
  for (int quick = plan_.quick_repeats;; --quick) {
    if (try_files(facts, quick > 0) != Outcome::undecided) return;
    if (quick == 0) pause_ms = plan_.retry_ms;
    if (is_ending_within(pause_ms)) return;
    pause_ms = std::min(pause_ms * 2, kLongestPauseMs);
  }
}

Accelerator::Outcome Accelerator::try_files(const KvmFacts& facts, bool is_repeated_soon) {
  for (;;) {
    const std::string tried = fingerprints(plan_.boots);
    const Outcome outcome = try_once(facts, is_repeated_soon);
    if (outcome != Outcome::unbootable) return outcome;
    // A right to read them that is given, or what they lie on, doesn't show in the files.
    for (std::int64_t left = plan_.retry_ms; left > 0 && fingerprints(plan_.boots) == tried;
         left -= plan_.look_again_ms)
      if (is_ending_within(std::min(left, plan_.look_again_ms))) return Outcome::broken_off;
  }
}

Accelerator::Outcome Accelerator::try_once(const KvmFacts& facts, bool is_repeated_soon) {
  // The destructor cancels this call, so that a node that ends doesn't wait for the trial.
  qarax_call raw{};
  raw.size = sizeof raw;
  raw.cancel_fd = cancel_fd_;
  const Call call(&raw);
  const auto result = host_.run(&call, plan_.run, plan_.limit_ms);
  const Verdict before = now();
  if (!result && result.error().code == Code::cancelled) {
    if (before.accelerator == "probing") settle({"tcg", "the trial under KVM was broken off"});
    return Outcome::broken_off;
  }
  Trial trial;
  trial.limit_ms = plan_.limit_ms;
  if (result) {
    trial.ran = result->matched;
    trial.timed_out = result->timed_out;
    trial.last_words = last_line(result->output);
    // A VMM that crashed hasn't looked at its files, or may have had them loaded already.
    if (!result->matched && (result->timed_out || result->exit.kind == ExitKind::exited))
      trial.unbootable = why_unbootable(plan_.boots, result->output, trial.last_words);
  } else {
    trial.last_words = last_line(result.error().message);
  }
  Verdict verdict = decide(choice_, facts, &trial, "");
  if (!trial.unbootable.empty()) {
    tell(std::move(verdict));
    return Outcome::unbootable;
  }
  if (result && is_certain(*result)) {
    keep(verdict);
    tell(std::move(verdict));
    return Outcome::decided;
  }
  if (is_repeated_soon)
    verdict = {"probing", "the trial was inconclusive and is repeated: it " + end_of(trial) + "; " + facts.seen};
  else
    verdict.evidence += "; inconclusive, as on a host that is too busy: it is repeated later";
  tell(std::move(verdict));
  return Outcome::undecided;
}

void Accelerator::tell(Verdict verdict) {
  const Verdict before = now();
  const bool is_probing = verdict.accelerator == "probing";
  if (verdict.accelerator == before.accelerator && verdict.evidence == before.evidence) return;
  const std::string what =
      is_probing ? "undecided" : "decided accelerator=" + (verdict.accelerator.empty() ? "none" : verdict.accelerator);
  host_.log(LogLevel::info, "accelerator " + what + " evidence=\"" + verdict.evidence + "\"");
  settle(std::move(verdict));
  host_.notify("");
}

void Accelerator::keep(const Verdict& verdict) const {
  if (cache_.empty()) return;
  const std::string temp = cache_ + ".tmp";
  {
    std::ofstream file(temp, std::ios::trunc);
    file << cache_key() << '\n' << verdict.accelerator << '\n' << verdict.evidence << '\n';
  }
  std::rename(temp.c_str(), cache_.c_str());
}

void Accelerator::settle(Verdict verdict) {
  {
    const std::lock_guard lock(mutex_);
    verdict_ = std::move(verdict);
  }
  changed_.notify_all();
}

Verdict Accelerator::now() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

Result<Verdict> Accelerator::settled(const Call& call) {
  std::unique_lock lock(mutex_);
  while (verdict_.accelerator == "probing") {
    changed_.wait_for(lock, std::chrono::milliseconds(call.remaining_ms(50)));
    if (verdict_.accelerator != "probing") break;
    if (call.expired())
      return make_error(Code::deadline_exceeded, "it isn't known yet whether KVM can be used: " + verdict_.evidence);
    if (call.cancelled()) return make_error(Code::cancelled, "the call was cancelled during the trial under KVM");
  }
  return verdict_;
}

}  // namespace qarax::plugin
