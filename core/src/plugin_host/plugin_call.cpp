#include "plugin_call.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>

#include "qarax/core/cut.hpp"
#include "qarax/plugin/json.hpp"

namespace qarax::core {
namespace {

// Reasons by which server and agent decide what happens next, such as that a job goes on: they are true only where one
// of these two says them. abi.h lists them for plugin authors.
constexpr std::string_view kHostsReasons[] = {"still-running", "recovering",     "node-unreachable", "plugin-loading",
                                              "stale-session", "stale-revision", "stale-term",       "other-cluster",
                                              "vm-not-found",  "no-console"};

bool is_hosts(std::string_view reason) {
  return std::find(std::begin(kHostsReasons), std::end(kHostsReasons), reason) != std::end(kHostsReasons);
}

bool sane(qarax_text text) { return text.len == 0 || text.ptr != nullptr; }

// Runs the body of put, keep etc. and lets no exception out, since the plugin may not be able to unwind.
template <class F>
std::int32_t fenced(F&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return QARAX_RESOURCE_EXHAUSTED;
  } catch (...) {
    return QARAX_INTERNAL;
  }
}

// The beginning of a document, on one line, for a message.
std::string begin_of(std::string_view document) {
  constexpr std::size_t kShown = 200;
  std::string out = json::repair_utf8(document.substr(0, kShown));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return document.size() > kShown ? out + "…" : out;
}

// Decodes an error document; `why` is set if that fails.
Error read_error(std::string_view document, std::string& why) {
  Error out;
  const auto parsed = json::parse(document);
  if (!parsed) {
    why = parsed.error().message;
    return out;
  }
  qarax::detail::Decoder decoder(Unknown::ignore);
  decoder.read(*parsed, out, "");
  if (decoder.problems.empty()) return out;
  why = decoder.problems.front().pointer + ": " + decoder.problems.front().detail;
  return {};
}

std::string too_large(std::size_t size) {
  return "has " + std::to_string(size) + " bytes; at most " + std::to_string(kMaxDocument) + " are taken";
}

PluginCall* self(const qarax_call* call) { return static_cast<PluginCall*>(call->context); }

}  // namespace

std::string repaired(qarax_text text) {
  if (text.ptr == nullptr) return {};
  return json::repair_utf8({text.ptr, text.len});
}

PluginCall::PluginCall(const CallContext& context, bool takes_fds, std::string vm)
    : context_(context), takes_fds_(takes_fds), vm_(std::move(vm)) {
  raw_.size = sizeof raw_;
  raw_.deadline_ns = context.deadline_ns;
  raw_.cancel_fd = context.cancel_fd;
  raw_.request_id = {context.request_id.data(), context.request_id.size()};
  raw_.fds = context.fds.data();
  raw_.fd_count = context.fds.size();
  raw_.context = this;
  raw_.put = &put;
  raw_.put_fd = &put_fd;
  raw_.keep = &keep;
  raw_.progress = &progress;
  raw_.error = &put_error;
}

Result<std::string> PluginCall::finish(const std::string& what, std::int32_t code, const std::string& thrown) {
  const std::lock_guard lock(mutex_);
  if (!thrown.empty()) return make_error(Code::internal, what + " " + thrown, "plugin-exception");
  if (code == QARAX_OK && !has_document_ && !put_problem_.empty())
    return make_error(Code::internal, what + " succeeded, but " + put_problem_, "plugin-bug");
  if (code == QARAX_OK) return std::move(document_);

  Error error;
  if (!error_.empty() && error_problem_.empty()) error = read_error(error_, error_problem_);
  error.code = code_from_int(code);
  if (is_hosts(error.reason)) error.reason.clear();
  if (!error_problem_.empty()) error.message = "its error document can't be read: " + error_problem_;
  if (!error_problem_.empty() && !error_.empty()) error.message += ": " + begin_of(error_);
  if (error.message.empty()) {
    error.message = "failed without saying why";
    if (code < 0 || code > QARAX_UNAUTHENTICATED) error.message += " (code " + std::to_string(code) + ")";
  }
  if (!put_problem_.empty()) error.message += ": " + put_problem_;
  if (!keep_problem_.empty()) error.message += ": " + keep_problem_;
  cut(error);
  return std::move(error).context(what);
}

std::int32_t PluginCall::put(const qarax_call* call, qarax_text document) noexcept {
  return fenced([&]() -> std::int32_t {
    auto& me = *self(call);
    const auto refuse = [&me](std::int32_t code, std::string why) {
      const std::lock_guard lock(me.mutex_);
      me.put_problem_ = std::move(why);
      return code;
    };
    const auto refuse_size = [&](std::size_t size) {
      return refuse(QARAX_RESOURCE_EXHAUSTED, "its answer " + too_large(size));
    };
    if (!sane(document)) return refuse(QARAX_INVALID_ARGUMENT, "its answer has a length but no bytes");
    if (document.len > kMaxDocument) return refuse_size(document.len);
    std::string text = repaired(document);
    if (text.size() > kMaxDocument) return refuse_size(text.size());  // repairing invalid UTF-8 makes a text longer
    const std::lock_guard lock(me.mutex_);
    me.document_ = std::move(text);
    me.has_document_ = true;
    me.put_problem_.clear();
    return QARAX_OK;
  });
}

std::int32_t PluginCall::put_error(const qarax_call* call, qarax_text document) noexcept {
  return fenced([&]() -> std::int32_t {
    auto& me = *self(call);
    // A refused document is still mentioned in the error: otherwise nobody would know that the plugin gave one.
    const auto take = [&me](std::string text, std::string problem, std::int32_t code) {
      const std::lock_guard lock(me.mutex_);
      me.error_ = std::move(text);
      me.error_problem_ = std::move(problem);
      return code;
    };
    if (!sane(document)) return take({}, "it has a length but no bytes", QARAX_INVALID_ARGUMENT);
    const auto refuse = [&](std::size_t size) {
      return take(repaired({document.ptr, std::min<std::size_t>(document.len, 1024)}), "it " + too_large(size),
                  QARAX_RESOURCE_EXHAUSTED);
    };
    if (document.len > kMaxDocument) return refuse(document.len);
    std::string text = repaired(document);
    if (text.size() > kMaxDocument) return refuse(text.size());
    return take(std::move(text), {}, QARAX_OK);
  });
}

// To own such a number once more would close it twice, and the second time it may be another's already.
bool PluginCall::is_known_fd(int number) const {
  const auto& lent = context_.fds;
  return number == context_.cancel_fd || std::find(lent.begin(), lent.end(), number) != lent.end() ||
         std::any_of(put_fds_.begin(), put_fds_.end(), [&](const Fd& put) { return put.get() == number; });
}

std::int32_t PluginCall::put_fd(const qarax_call* call, std::intptr_t fd, std::size_t* index) noexcept {
  return fenced([&]() -> std::int32_t {
    const int number = static_cast<int>(fd);
    if (fd < 0 || fd != number || ::fcntl(number, F_GETFD) < 0) return QARAX_INVALID_ARGUMENT;
    auto& me = *self(call);
    const std::lock_guard lock(me.mutex_);
    if (me.is_known_fd(number)) return QARAX_INVALID_ARGUMENT;
    Fd owned(number);  // the host owns it from here on, even if it is refused
    if (!me.takes_fds_) return QARAX_FAILED_PRECONDITION;
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
    me.put_fds_.push_back(std::move(owned));
    if (index != nullptr) *index = me.put_fds_.size() - 1;
    return QARAX_OK;
  });
}

std::int32_t PluginCall::keep(const qarax_call* call, qarax_text handle) noexcept {
  return fenced([&]() -> std::int32_t {
    auto& me = *self(call);
    const auto refuse = [&me](Code code, std::string why) {
      const std::lock_guard lock(me.mutex_);
      me.keep_problem_ = std::move(why);
      return static_cast<std::int32_t>(code);
    };
    if (!sane(handle)) return refuse(Code::invalid_argument, "the handle has a length but no bytes");
    if (handle.len > kMaxHandle)
      return refuse(Code::resource_exhausted, "the handle has " + std::to_string(handle.len) + " bytes; at most " +
                                                  std::to_string(kMaxHandle) + " are kept");
    const std::string_view bytes(handle.ptr, handle.len);
    // The handle comes back as a member of a document, so it must be valid JSON.
    if (const auto parsed = json::parse(bytes); !parsed)
      return refuse(Code::invalid_argument, "the handle is " + parsed.error().message);
    if (!json::parse(std::string("{\"handle\":").append(bytes).append("}")))
      return refuse(Code::invalid_argument,
                    "the handle nests too deep: it comes back one level down in its call's "
                    "arguments, which may have " +
                        std::to_string(json::kMaxDepth));
    if (!me.context_.keep) return refuse(Code::failed_precondition, "this call doesn't keep a handle");
    try {
      auto kept = me.context_.keep(bytes);
      if (!kept) return refuse(kept.error().code, kept.error().message);
    } catch (const std::exception& e) {
      return refuse(Code::internal, std::string("the handle wasn't kept: ") + e.what());
    }
    return QARAX_OK;
  });
}

std::int32_t PluginCall::progress(const qarax_call* call, qarax_text step, std::uint64_t done,
                                  std::uint64_t total) noexcept {
  return fenced([&]() -> std::int32_t {
    const auto& me = *self(call);
    if (!me.context_.progress) return QARAX_OK;
    std::string text = repaired(step);
    if (text.size() > 256) text.resize(256);
    me.context_.progress(json::repair_utf8(text), done, total);
    return QARAX_OK;
  });
}

}  // namespace qarax::core
