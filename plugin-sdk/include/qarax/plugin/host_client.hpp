// The Host that a plugin's C++ code gets. For every service call it builds a qarax_call that collects the answer and
// passes on the parent call's deadline, cancel fd and request id. Any thread. Never throws because of what the host
// does.
#pragma once

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/hypervisor.hpp"
#include "qarax/plugin/table.hpp"

namespace qarax::plugin {

namespace detail {

// One call into the host: the qarax_call, and the buffers that its answers are copied to.
class HostCall {
 public:
  HostCall(const Call* parent, const std::vector<int>* fds, std::int64_t timeout_ms) {
    raw_.size = sizeof raw_;
    raw_.cancel_fd = -1;
    if (parent != nullptr) {
      raw_.deadline_ns = parent->deadline_ns();
      raw_.cancel_fd = parent->raw()->cancel_fd;
      raw_.request_id = parent->raw()->request_id;
    }
    if (timeout_ms >= 0) {
      constexpr std::int64_t kMaxMs = 1'000'000'000'000;  // keeps the sum below within 64 bits
      const std::int64_t until = monotonic_ns() + std::min(timeout_ms, kMaxMs) * 1'000'000;
      raw_.deadline_ns = raw_.deadline_ns == 0 ? until : std::min(until, raw_.deadline_ns);
    }
    if (fds != nullptr) {
      raw_.fds = fds->data();
      raw_.fd_count = fds->size();
    }
    raw_.context = this;
    raw_.put = &put;
    raw_.error = &put_error;
  }
  HostCall(const HostCall&) = delete;
  HostCall& operator=(const HostCall&) = delete;

  // Calls the slot with encoded arguments and returns the host's document.
  Result<std::string> invoke(qarax_slot slot, void* self, std::string_view service, const std::string& args) {
    if (slot == nullptr)
      return make_error(Code::unimplemented,
                        std::string("this host doesn't offer ").append(service) + "; a newer qarax-node does",
                        "host-too-old");
    const auto code = slot(self, &raw_, text(args));
    if (code == QARAX_OK) return std::move(document_);
    if (auto error = decode_error(error_)) {
      error->code = code_from_int(code);
      return std::move(*error);
    }
    return make_error(code_from_int(code), std::string("the host refused ").append(service));
  }

 private:
  static std::int32_t copy(std::string& to, qarax_text from) noexcept {
    try {
      to.assign(view(from));
      return QARAX_OK;
    } catch (const std::bad_alloc&) {
      return QARAX_RESOURCE_EXHAUSTED;
    }
  }
  static std::int32_t put(const qarax_call* call, qarax_text document) noexcept {
    return copy(static_cast<HostCall*>(call->context)->document_, document);
  }
  static std::int32_t put_error(const qarax_call* call, qarax_text document) noexcept {
    return copy(static_cast<HostCall*>(call->context)->error_, document);
  }

  qarax_call raw_{};
  std::string document_;
  std::string error_;
};

}  // namespace detail

class HostClient final : public Host {
 public:
  // `host` outlives this. A host that lacks a service, or has an older table, is fine: its calls return UNIMPLEMENTED.
  explicit HostClient(const qarax_host* host) : self_(host->self) {
    const auto query = slot_of(host, &qarax_host::query);
    if (query == nullptr) return;
    log_ = static_cast<const qarax_host_log_1*>(query(self_, text(QARAX_HOST_LOG_1)));
    notify_ = static_cast<const qarax_host_notify_1*>(query(self_, text(QARAX_HOST_NOTIFY_1)));
    process_ = static_cast<const qarax_host_process_1*>(query(self_, text(QARAX_HOST_PROCESS_1)));
  }

  void log(LogLevel level, std::string_view message) override {
    if (const auto f = slot_of(log_, &qarax_host_log_1::log))
      f(self_, static_cast<std::intptr_t>(level), text(message));
  }
  void notify(std::string_view vm) override {
    if (const auto f = slot_of(notify_, &qarax_host_notify_1::notify)) f(self_, text(vm));
  }
  Result<Process> spawn(const Call* parent, const SpawnArgs& args, const std::vector<int>& fds) override {
    return typed<Process>(&qarax_host_process_1::spawn, "spawn", parent, args, &fds);
  }
  Result<Process> find(const Call* parent, const ProcessArgs& args) override {
    return typed<Process>(&qarax_host_process_1::find, "find", parent, args);
  }
  Status signal(const Call* parent, const SignalArgs& args) override {
    return plain(&qarax_host_process_1::signal, "signal", parent, args);
  }
  Status kill(const Call* parent, const ProcessArgs& args) override {
    return plain(&qarax_host_process_1::kill, "kill", parent, args);
  }
  Result<Process> wait(const Call* parent, const ProcessArgs& args, std::int64_t timeout_ms) override {
    return typed<Process>(&qarax_host_process_1::wait, "wait", parent, args, nullptr,
                          std::max<std::int64_t>(timeout_ms, 0));
  }
  Status claim(const Call* parent, const ClaimArgs& args) override {
    return plain(&qarax_host_process_1::claim, "claim", parent, args);
  }
  Status release(const Call* parent, const ClaimArgs& args) override {
    return plain(&qarax_host_process_1::release, "release", parent, args);
  }
  Result<RunResult> run(const Call* parent, const RunArgs& args, std::int64_t timeout_ms) override {
    return typed<RunResult>(&qarax_host_process_1::run, "run", parent, args, nullptr,
                            std::max<std::int64_t>(timeout_ms, 0));
  }

 private:
  using Slot = qarax_slot qarax_host_process_1::*;

  template <class Args>
  Result<std::string> invoke(Slot slot, std::string_view name, const Call* parent, const Args& args,
                             const std::vector<int>* fds, std::int64_t timeout_ms) {
    detail::HostCall call(parent, fds, timeout_ms);
    const std::string service = std::string(QARAX_HOST_PROCESS_1).append(" ").append(name);
    return call.invoke(slot_of(process_, slot), self_, service, encode(args));
  }
  template <class Args>
  Status plain(Slot slot, std::string_view name, const Call* parent, const Args& args) {
    QARAX_CHECK(invoke(slot, name, parent, args, nullptr, -1));
    return Ok{};
  }
  template <class T, class Args>
  Result<T> typed(Slot slot, std::string_view name, const Call* parent, const Args& args,
                  const std::vector<int>* fds = nullptr, std::int64_t timeout_ms = -1) {
    QARAX_TRY(const std::string document, invoke(slot, name, parent, args, fds, timeout_ms));
    return decode<T>(document, Unknown::ignore);
  }

  void* self_;
  const qarax_host_log_1* log_ = nullptr;
  const qarax_host_notify_1* notify_ = nullptr;
  const qarax_host_process_1* process_ = nullptr;
};

}  // namespace qarax::plugin
