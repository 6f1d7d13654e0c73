#include "accelerator.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

#include "text.hpp"

namespace qarax::plugin {

namespace {

constexpr int kApiVersion = 12;  // KVM_API_VERSION of linux/kvm.h: the only stable one there has ever been
constexpr std::int64_t kLongestPauseMs = std::int64_t{4} * 3600 * 1000;

// The name of the entry that `look_up`, getpwuid_r or the like, finds for the id; the number if there is none. Other
// plugins and the host look up users at the same time, so the functions that keep the entry themselves won't do.
template <class Entry, class Id>
std::string name_of(Id id, int (*look_up)(Id, Entry*, char*, std::size_t, Entry**), char* Entry::*name) {
  constexpr std::size_t kMost = 1 << 20;  // a group's entry has all its members
  std::vector<char> room(1024);
  Entry entry{};
  Entry* found = nullptr;
  while (look_up(id, &entry, room.data(), room.size(), &found) == ERANGE && room.size() < kMost)
    room.resize(room.size() * 4);
  return found != nullptr ? found->*name : std::to_string(id);
}

std::string own_name() { return name_of(::geteuid(), &::getpwuid_r, &passwd::pw_name); }

// The group that may open the device, for `usermod -aG`; "kvm" if it is unknown or root.
std::string group_of(const char* device) {
  struct stat info {};
  if (::stat(device, &info) != 0 || info.st_gid == 0) return "kvm";
  return name_of(info.st_gid, &::getgrgid_r, &group::gr_name);
}

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

bool cpu_has_virtualisation() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (!line.starts_with("flags")) continue;
    line += ' ';
    return line.find(" vmx ") != std::string::npos || line.find(" svm ") != std::string::npos;
  }
  return false;
}

}  // namespace

KvmFacts look_at_kvm(const char* device) {
  const int fd = ::open(device, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    const std::string name = device;
    if (errno == ENOENT)
      return {
          "there is no " + name + ": the host has no KVM, or its module isn't loaded (modprobe kvm_intel or kvm_amd)",
          "", true};
    if (errno == EACCES || errno == EPERM)
      return {"no right to open " + name + ": run `sudo usermod -aG " + group_of(device) + " " + own_name() +
                  "`, log in again and restart the node",
              "", true};
    return {name + " doesn't open (errno " + std::to_string(errno) + ")", ""};
  }
  const int version = ::ioctl(fd, KVM_GET_API_VERSION, 0);
  const int vm = version == kApiVersion ? ::ioctl(fd, KVM_CREATE_VM, 0) : -1;
  const int vm_errno = errno;
  if (vm >= 0) ::close(vm);
  ::close(fd);
  if (version != kApiVersion)
    return {
        std::string(device) + " has API version " + std::to_string(version) + ", not " + std::to_string(kApiVersion),
        ""};
  if (vm < 0) return {std::string(device) + " opens, but can't make a VM (errno " + std::to_string(vm_errno) + ")", ""};
  std::string seen = std::string(device) + " opens, API " + std::to_string(version) + ", a VM can be made";
  seen += cpu_has_virtualisation() ? ", the CPU has vmx or svm" : ", but the CPU shows neither vmx nor svm";
  return {"", seen};
}

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
    why_not = "KVM doesn't run a guest here: the trial " +
              (trial->timed_out ? "printed nothing within " + std::to_string(trial->limit_ms) + " ms"
                                : std::string("ended without a word of its kernel")) +
              (trial->last_words.empty() ? "" : " (last: " + trial->last_words + ")") + "; " + facts.seen;
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

bool Accelerator::is_ending_before_next(std::int64_t ms, const std::string& tried) {
  for (; ms > 0 && fingerprints(plan_.boots) == tried; ms -= plan_.look_again_ms)
    if (is_ending_within(std::min(ms, plan_.look_again_ms))) return true;
  return false;
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
  for (std::int64_t pause_ms = plan_.retry_ms;; pause_ms = std::min(pause_ms * 2, kLongestPauseMs)) {
    const std::string tried = fingerprints(plan_.boots);
    if (try_once(facts) != Outcome::undecided) return;
    if (is_ending_before_next(pause_ms, tried)) return;
  }
}

Accelerator::Outcome Accelerator::try_once(const KvmFacts& facts) {
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
  const bool decided = result && is_certain(*result) && trial.unbootable.empty();
  if (decided) keep(verdict);
  tell(std::move(verdict));
  return decided ? Outcome::decided : Outcome::undecided;
}

void Accelerator::tell(Verdict verdict) {
  if (const Verdict before = now(); verdict.accelerator == before.accelerator && verdict.evidence == before.evidence)
    return;
  host_.log(LogLevel::info,
            "accelerator decided accelerator=" + (verdict.accelerator.empty() ? "none" : verdict.accelerator) +
                " evidence=\"" + verdict.evidence + "\"");
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
    if (call.expired()) return make_error(Code::deadline_exceeded, "the trial under KVM isn't finished yet");
    if (call.cancelled()) return make_error(Code::cancelled, "the call was cancelled during the trial under KVM");
  }
  return verdict_;
}

}  // namespace qarax::plugin
