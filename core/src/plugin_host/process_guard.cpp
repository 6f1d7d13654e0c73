#include "qarax/core/plugin_host/process_guard.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

namespace qarax::core {
namespace {

// Reads /proc: umask() can only be queried by changing it, which other threads would see.
std::string current_umask() {
  const auto status = read_file("/proc/self/status", 1 << 16);
  if (!status) return {};
  const auto at = status->find("\nUmask:");
  if (at == std::string::npos) return {};
  const auto from = status->find_first_of("01234567", at);
  return status->substr(from, status->find('\n', from) - from);
}

std::vector<std::string> current_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) all.emplace_back(*entry);
  std::sort(all.begin(), all.end());
  return all;
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

bool same_action(const struct sigaction& a, const struct sigaction& b) {
  constexpr int kRestorer = 0x04000000;  // SA_RESTORER, which the C library adds to every action that it sets
  return a.sa_handler == b.sa_handler && (a.sa_flags & ~kRestorer) == (b.sa_flags & ~kRestorer);
}

}  // namespace

ProcessGuard::ProcessGuard()
    : folder_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)),
      umask_(current_umask()),
      locale_(std::setlocale(LC_ALL, nullptr)),
      environment_(current_environment()) {
  for (int signal = 1; signal < kSignals; ++signal)
    ::sigaction(signal, nullptr, &actions_[static_cast<std::size_t>(signal)]);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
}

std::vector<std::string> ProcessGuard::restore() {
  static std::mutex one_at_a_time;  // slow files may finish loading at the same time
  const std::lock_guard lock(one_at_a_time);
  std::vector<std::string> changes;
  for (int signal = 1; signal < kSignals; ++signal) {
    const auto& before = actions_[static_cast<std::size_t>(signal)];
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    if (same_action(before, now)) continue;
    changes.push_back((now.sa_handler == SIG_IGN ? "ignored " : "changed the handler of ") + signal_name(signal));
    ::sigaction(signal, &before, nullptr);
  }

  sigset_t mask{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < kSignals; ++signal) {
    if (::sigismember(&mask, signal) == ::sigismember(&mask_, signal)) continue;
    changes.emplace_back("changed the signal mask");
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    break;
  }

  struct stat before {
  }, now{};
  if (folder_ && ::fstat(folder_.get(), &before) == 0 &&
      (::stat(".", &now) != 0 || before.st_dev != now.st_dev || before.st_ino != now.st_ino)) {
    changes.emplace_back(::fchdir(folder_.get()) == 0 ? "changed the working folder"
                                                      : "changed the working folder, which can't be put back");
  }
  if (!umask_.empty() && current_umask() != umask_) {
    changes.emplace_back("changed the umask");
    ::umask(static_cast<mode_t>(std::strtoul(umask_.c_str(), nullptr, 8)));
  }
  if (locale_ != std::setlocale(LC_ALL, nullptr)) {
    changes.emplace_back("changed the locale");
    std::setlocale(LC_ALL, locale_.c_str());
  }

  const auto environment = current_environment();
  if (environment != environment_) {
    changes.emplace_back("changed the environment");
    for (const auto& entry : environment)
      if (!std::binary_search(environment_.begin(), environment_.end(), entry))
        ::unsetenv(entry.substr(0, entry.find('=')).c_str());
    for (const auto& entry : environment_) {
      const auto equals = entry.find('=');
      if (equals != std::string::npos) ::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
    }
  }
  return changes;
}

}  // namespace qarax::core
