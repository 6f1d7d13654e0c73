#include "wiring/vm_waits.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "handlers/reply.hpp"

namespace qarax::server {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{500};  // how soon a wait notices that the server ends
constexpr std::size_t kKept = 4096;              // bytes of a console kept for the error of a failed wait

// The last output of a console: enough to find a text that is split across pieces.
class Heard {
 public:
  // Appends `piece`; true if `text` now occurs in the output.
  bool add(std::string_view piece, std::string_view text) {
    const std::size_t from = kept_.size() < text.size() ? 0 : kept_.size() - text.size() + 1;
    kept_.append(piece);
    const bool found = kept_.find(text, from) != std::string::npos;
    const std::size_t most = std::max(kKept, text.size());
    if (kept_.size() > 2 * most) kept_.erase(0, kept_.size() - most);
    return found;
  }
  const std::string& kept() const { return kept_; }

 private:
  std::string kept_;
};

std::string seconds(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s" : std::to_string(time.count()) + " ms";
}

}  // namespace

// One wait, on the caller's thread.
class VmWaits::Watch {
 public:
  Watch(VmWaits& waits, const WaitCall& call)
      : store_(waits.store_), sources_(waits.sources_), call_(call), until_(Clock::now() + call.timeout) {}

  Result<VmPtr> run() {
    for (;;) {
      const std::uint64_t seen = store_.changes();
      const VmPtr vm = store_.vm(call_.vm_id);
      if (!vm) return no_such_vm(call_.vm_id);
      const VmState state = vm->observed.status.state;
      if (first_ == 0)
        first_ = call_.incarnation != 0 ? call_.incarnation
                 : core::has_vmm(state) ? vm->incarnation
                                        : vm->incarnation + 1;
      const bool ended = state == VmState::shutdown && vm->incarnation >= first_ && vm->job_id.empty();
      if (call_.text.empty() && state == VmState::running) return vm;
      if (!call_.text.empty() && (core::has_vmm(state) || ended) && listened_to_ != vm->incarnation) {
        const auto found = listen(*vm);
        if (found && *found) return now_or(vm);
        if (found) continue;
        // The agent may be restarting while the guest runs on, so its log is read again from the beginning.
        if (found.error().code != Code::unavailable) return found.error();
        unheard_.emplace(vm->incarnation, found.error());
      } else if (ended) {
        return in_vain(*vm, true);
      }
      if (Clock::now() >= until_) return in_vain(*vm, ended);
      if (sources_.ending())
        return make_error(Code::unavailable, "the server is ending; ask again in a moment", "shutting-down");
      store_.wait_for_change(seen, std::min(until_, Clock::now() + kLook));
    }
  }

 private:
  // True: the console has shown the text. False: the log or the time has ended, or the server ends.
  Result<bool> listen(const VmRecord& vm) {
    QARAX_TRY(const std::unique_ptr<ConsoleReader> console, sources_.follow(vm));
    bool has_spoken = false;
    while (Clock::now() < until_ && !sources_.ending()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now());
      QARAX_TRY(const std::optional<std::string> piece, console->next(std::min(left, kLook)));
      // An empty piece says nothing: the reader may not have reached the node yet.
      if (!piece || !piece->empty()) heard_of_ = vm.incarnation;
      if (!piece) {
        listened_to_ = vm.incarnation;
        return false;
      }
      // What an earlier reader got is kept until this one gets something.
      if (!piece->empty() && !std::exchange(has_spoken, true)) heard_ = Heard();
      if (heard_.add(*piece, call_.text)) return true;
    }
    listened_to_ = vm.incarnation;
    return false;
  }

  Result<VmPtr> now_or(const VmPtr& before) const {
    const VmPtr now = store_.vm(before->id);
    return now ? now : before;
  }

  Error in_vain(const VmRecord& vm, bool ended) const {
    // Nobody knows what a console has shown that was never reached.
    if (unheard_ && unheard_->first == vm.incarnation && heard_of_ != vm.incarnation) return unheard_->second;
    const std::string state(to_string(vm.observed.status.state));
    const std::string& reason = vm.observed.status.status_reason;
    const std::string wanted = call_.text.empty() ? "ran" : "its console showed \"" + call_.text + "\"";
    Error error =
        ended
            ? make_error(Code::failed_precondition,
                         "VM " + vm.name + " ended before " + (call_.text.empty() ? "it " : "") + wanted, "wait-ended")
            : make_error(Code::deadline_exceeded,
                         "VM " + vm.name + " is " + state + (reason.empty() ? "" : " (" + reason + ")") + ": " +
                             seconds(call_.timeout) + " passed before " + (call_.text.empty() ? "it " : "") + wanted,
                         "wait-timeout");
    if (ended && !reason.empty()) error.message += ": " + reason;
    const std::string& kept = heard_.kept();
    std::string tail = kept.substr(kept.size() - std::min(kept.size(), kKept));
    // A wait for a state hears nothing, and a short one for a text may not have got to it.
    if (tail.empty()) tail = sources_.tail(vm);
    if (!tail.empty()) error.details.push_back({"/console_tail", std::move(tail)});
    return error;
  }

  const StoreReads& store_;
  const Sources& sources_;
  const WaitCall& call_;
  const Clock::time_point until_;
  std::int64_t first_ = 0;         // the wait ends with the end of this incarnation or a later one
  std::int64_t listened_to_ = -1;  // the incarnation whose log has been read to its end
  std::int64_t heard_of_ = -1;     // the incarnation whose log was read last
  std::optional<std::pair<std::int64_t, Error>> unheard_;  // why the log of that incarnation couldn't be read last
  Heard heard_;
};

Result<VmPtr> VmWaits::wait(const WaitCall& call) {
  QARAX_TRY(const WaitLimit::Place place, limit_.take());
  return Watch(*this, call).run();
}

}  // namespace qarax::server
