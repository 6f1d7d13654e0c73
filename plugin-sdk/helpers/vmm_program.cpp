#include "vmm_program.hpp"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "text.hpp"

namespace qarax::plugin {

std::string why_not_runnable(const std::string& path) {
  // Another one depends on who started the node, and where.
  if (!path.starts_with('/')) return "it has to be an absolute path";
  struct stat info {};
  if (::access(path.c_str(), X_OK) != 0 || ::stat(path.c_str(), &info) != 0)
    return std::generic_category().message(errno);
  return S_ISREG(info.st_mode) ? "" : "it is no file";
}

bool ended_well(const Result<RunResult>& result) {
  return result && !result->timed_out && result->exit.kind == ExitKind::exited && result->exit.code == 0;
}

std::string why_unanswered(const Result<RunResult>& result, std::int64_t limit_ms) {
  if (!result) return result.error().message;
  if (result->timed_out) return "it took more than " + std::to_string(limit_ms / 1000) + " s";
  const std::string words = last_line(result->output);
  return "it failed" + (words.empty() ? "" : ": " + words);
}

Reminder::Reminder(Host& host, int after_ms)
    : thread_([this, &host, after_ms] {
        ::prctl(PR_SET_NAME, "vmm-reminder");
        std::unique_lock lock(mutex_);
        if (ends_.wait_for(lock, std::chrono::milliseconds(after_ms), [this] { return is_ending_; })) return;
        lock.unlock();
        host.notify("");
      }) {}

Reminder::~Reminder() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

}  // namespace qarax::plugin
