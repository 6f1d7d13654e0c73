#include "host_tables.hpp"

#include <fcntl.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "plugin_call.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/table.hpp"

namespace qarax::core {
namespace {

constexpr std::size_t kMaxLogLine = 8192;
constexpr std::size_t kMaxFds = 64;

constexpr qarax_host_log_1 make_log(void (*log)(void*, std::intptr_t, qarax_text) noexcept) {
  return {sizeof(qarax_host_log_1), log};
}
constexpr qarax_host_notify_1 make_notify(void (*notify)(void*, qarax_text) noexcept) {
  return {sizeof(qarax_host_notify_1), notify};
}

std::string one_line(qarax_text text) {
  text.len = std::min(text.len, kMaxLogLine);
  std::string line = repaired(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return line;
}

// Reports an error through the plugin's qarax_call, if its size covers `error`.
std::int32_t fail(const qarax_call* call, const Error& error) {
  if (const auto sink = plugin::slot_of(call, &qarax_call::error)) sink(call, plugin::text(encode(error)));
  return error.code == Code::ok ? QARAX_INTERNAL : static_cast<std::int32_t>(error.code);
}

// Strict, but for nulls: languages with optional values write one for each member that is absent.
template <class Args>
Result<Args> read_args(std::string_view text) {
  auto parsed = json::parse(text);
  if (!parsed) return std::move(parsed).error().context(Fields<Args>::kName);
  if (auto* members = parsed->as_object())
    std::erase_if(*members, [](const json::Member& member) { return member.second.is_null(); });
  return decode<Args>(*parsed, Unknown::refuse, text);
}

template <class R>
std::int32_t answer(const qarax_call* call, const Result<R>& result) {
  if (!result) return fail(call, result.error());
  if constexpr (std::is_same_v<R, Ok>) {
    return QARAX_OK;
  } else {
    const auto put = plugin::slot_of(call, &qarax_call::put);
    if (put == nullptr)
      return fail(call, make_error(Code::invalid_argument, "the call has no `put` for the answer", "plugin-bug"));
    return put(call, plugin::text(encode(result.value())));
  }
}

Result<CallView> view_of(const qarax_call* call, std::string_view plugin) {
  CallView view{.plugin = plugin};
  view.deadline_ns = call->deadline_ns;
  view.cancel_fd = static_cast<int>(call->cancel_fd);
  if (call->request_id.ptr != nullptr) view.request_id = plugin::view(call->request_id);
  if (call->fd_count > kMaxFds || (call->fd_count > 0 && call->fds == nullptr))
    return make_error(Code::invalid_argument, "a call carries at most " + std::to_string(kMaxFds) + " descriptors",
                      "plugin-bug");
  for (std::size_t i = 0; i < call->fd_count; ++i) {
    if (::fcntl(call->fds[i], F_GETFD) < 0)
      return make_error(Code::invalid_argument, "descriptor " + std::to_string(i) + " of the call isn't open");
    view.fds.push_back(call->fds[i]);
  }
  return view;
}

}  // namespace

// The table ends with the slots that this host has: a newer plugin sees by `size` that later ones are missing.
const qarax_host_process_1 HostTables::kProcess = {
    sizeof(qarax_host_process_1),
    &HostTables::slot<SpawnArgs, Process, &HostServices::spawn>,
    &HostTables::slot<ProcessArgs, Process, &HostServices::find>,
    &HostTables::slot<SignalArgs, Ok, &HostServices::signal>,
    &HostTables::slot<ProcessArgs, Ok, &HostServices::kill>,
    &HostTables::slot<ProcessArgs, Process, &HostServices::wait>,
    &HostTables::slot<ClaimArgs, Ok, &HostServices::claim>,
    &HostTables::slot<ClaimArgs, Ok, &HostServices::release>,
    &HostTables::slot<RunArgs, RunResult, &HostServices::run>,
};

HostTables& HostTables::make(HostServices& services, std::string plugin) {
  // Never freed, since the plugin's threads may use it; kept reachable for the leak checker.
  static std::mutex mutex;
  static auto& all = *new std::vector<std::unique_ptr<HostTables>>;
  const std::lock_guard lock(mutex);
  all.push_back(std::unique_ptr<HostTables>(new HostTables(services, std::move(plugin))));
  return *all.back();
}

HostTables::HostTables(HostServices& services, std::string plugin)
    : services_(services), plugin_(std::move(plugin)), raw_{sizeof raw_, this, &query} {}

const void* HostTables::query(void*, qarax_text interface_id) noexcept {
  static constexpr qarax_host_log_1 kLog = make_log(&HostTables::log);
  static constexpr qarax_host_notify_1 kNotify = make_notify(&HostTables::notify);
  if (interface_id.ptr == nullptr) return nullptr;
  const auto id = plugin::view(interface_id);
  if (id == QARAX_HOST_LOG_1) return &kLog;
  if (id == QARAX_HOST_NOTIFY_1) return &kNotify;
  if (id == QARAX_HOST_PROCESS_1) return &kProcess;
  return nullptr;
}

void HostTables::log(void* self, std::intptr_t level, qarax_text message) noexcept {
  auto& me = *static_cast<HostTables*>(self);
  const CallGate::Pass pass(me.gate_);
  if (!pass) return;
  try {
    const auto clamped = std::clamp<std::intptr_t>(level, QARAX_LOG_DEBUG, QARAX_LOG_ERROR);
    me.services_.log(me.plugin_, static_cast<plugin::LogLevel>(clamped), one_line(message));
  } catch (...) {  // NOLINT(bugprone-empty-catch): a log line that can't be written must not end a plugin's thread
  }
}

void HostTables::notify(void* self, qarax_text object) noexcept {
  auto& me = *static_cast<HostTables*>(self);
  const CallGate::Pass pass(me.gate_);
  if (!pass) return;
  try {
    me.services_.notify(me.plugin_, one_line(object));
  } catch (...) {  // NOLINT(bugprone-empty-catch): as above; a lost hint is found by the next inspect
  }
}

template <class Args, class R, Result<R> (HostServices::*Method)(const CallView&, const Args&)>
std::int32_t HostTables::slot(void* self, const qarax_call* call, qarax_text args) noexcept {
  constexpr std::size_t kNeeded = offsetof(qarax_call, put);  // these fields are read without a further check of size
  if (call == nullptr || call->size < kNeeded || (args.len > 0 && args.ptr == nullptr)) return QARAX_INVALID_ARGUMENT;
  auto& me = *static_cast<HostTables*>(self);
  try {
    const CallGate::Pass pass(me.gate_);
    if (!pass)
      return fail(call, make_error(Code::unavailable, "plugin " + me.plugin_ + " calls the host after its destroy",
                                   "plugin-bug"));
    const auto view = view_of(call, me.plugin_);
    if (!view) return fail(call, view.error());
    const auto decoded = read_args<Args>(plugin::view(args));
    if (!decoded) return fail(call, decoded.error());
    return answer(call, (me.services_.*Method)(*view, *decoded));
  } catch (const std::exception& e) {
    try {
      return fail(call, make_error(Code::internal, std::string("the host failed: ") + e.what(), "plugin-exception"));
    } catch (...) {
      return QARAX_INTERNAL;
    }
  } catch (...) {
    return QARAX_INTERNAL;
  }
}

}  // namespace qarax::core
