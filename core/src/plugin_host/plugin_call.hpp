// One call into a plugin: the qarax_call with its sinks, the exception fence, and what came back.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/plugin_host/crash_word.hpp"
#include "qarax/core/plugin_host/loaded_hypervisor.hpp"
#include "qarax/plugin/abi.h"

namespace qarax::core {

inline constexpr std::size_t kMaxHandle = 1u << 20;  // bytes of a handle that a plugin keeps
// Bytes of a document that a plugin puts. The largest answers, a description with an options schema and the counters of
// a VM with many devices, have tens of KiB. A parsed document takes some forty times its bytes of memory.
inline constexpr std::size_t kMaxDocument = 1u << 20;
// Levels of an answer. Host and server put it into documents of their own, which may have json::kMaxDepth: a report of
// a journal's record, the node's description of itself.
inline constexpr int kMaxAnswerDepth = 56;

// `text` as valid UTF-8; empty where the plugin gave a null pointer with a length.
std::string repaired(qarax_text text);

class PluginCall {
 public:
  // `takes_fds`: the call accepts descriptors that the plugin puts; otherwise they are closed and refused.
  // `vm`: the VM that the call is about, for CrashWord; empty: none.
  PluginCall(const CallContext& context, bool takes_fds, std::string vm = {});
  PluginCall(const PluginCall&) = delete;
  PluginCall& operator=(const PluginCall&) = delete;

  const qarax_call* raw() const { return &raw_; }

  // Runs `body`, which returns a qarax_code. OK gives the document, repaired; empty if none was put. Another code gives
  // the plugin's error, or one that says that there was none, with `what` ("plugin foo: start") as context. An
  // exception becomes INTERNAL.
  template <class F>
  Result<std::string> run(const std::string& what, F&& body) {
    std::int32_t code = QARAX_INTERNAL;
    std::string thrown;
    const CrashWord word(what, vm_);
    try {
      code = body();
    } catch (const std::exception& e) {
      thrown = std::string("threw across the border: ") + e.what();
    } catch (...) {
      thrown = "threw across the border";
    }
    return finish(what, code, thrown);
  }

  bool has_document() const { return has_document_; }
  std::vector<Fd> take_fds() { return std::move(put_fds_); }

 private:
  Result<std::string> finish(const std::string& what, std::int32_t code, const std::string& thrown);

  // Whether the descriptor is one that was put before, or one of the host's that the call lends. With mutex_ held.
  bool is_known_fd(int number) const;

  static std::int32_t put(const qarax_call* call, qarax_text document) noexcept;
  static std::int32_t put_fd(const qarax_call* call, std::intptr_t fd, std::size_t* index) noexcept;
  static std::int32_t keep(const qarax_call* call, qarax_text handle) noexcept;
  static std::int32_t progress(const qarax_call* call, qarax_text step, std::uint64_t done,
                               std::uint64_t total) noexcept;
  static std::int32_t put_error(const qarax_call* call, qarax_text document) noexcept;

  const CallContext& context_;
  const bool takes_fds_;
  const std::string vm_;
  qarax_call raw_{};
  std::mutex mutex_;  // put, keep etc. may be called by threads that the plugin joins before it returns
  std::string document_;
  bool has_document_ = false;
  std::string error_;
  std::string error_problem_;  // why error_ can't be read
  std::string put_problem_;    // why the last answer was refused
  std::string keep_problem_;
  std::vector<Fd> put_fds_;
};

}  // namespace qarax::core
