// qarax-node: reads its config, runs a Node until SIGTERM or SIGINT, and ends by _exit, because plugins' threads may
// still run.
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "build_revision.hpp"
#include "commands.hpp"
#include "node.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/plugin_host/crash_word.hpp"

namespace {

constexpr const char* kDefaultConfig = "/etc/qarax/node.yaml";
// The command line or the configuration is wrong, and a restart would not help: systemd doesn't restart on this code
// (RestartPreventExitStatus=).
constexpr int kExitConfig = 2;

// A plugin's library is never unloaded, and a thread of it may outlive everything else. No static destructor may run
// while it does.
[[noreturn]] void leave(int code) {
  qarax::core::flush_logs();
  std::fflush(nullptr);
  _exit(code);
}

int print(const qarax::Result<std::string>& said) {
  (said ? std::cout : std::cerr) << (said ? *said : said.error().message) << '\n';
  return said ? 0 : 1;
}

int run(int argc, char** argv) {
  CLI::App app("qarax-node: the agent of one VM host");
  std::string config_path;
  bool check = false;
  app.add_option("--config", config_path, std::string("Configuration file; ") + kDefaultConfig + " where there is one");
  app.add_flag("--check-config", check,
               "Check the configuration, and that the files which it names can be read, and end");
  app.set_version_flag("--version", "qarax-node " + qarax::version_with(QARAX_VERSION, qarax::build_revision()));
  app.fallthrough();  // --config may stand behind the command
  bool moved = false;
  CLI::App& rehome = *app.add_subcommand(
      "rehome", "Make a copied data folder a node of its own; what it knew of the original's VMs is set aside");
  rehome.add_flag("--moved", moved,
                  "The folder was moved here and the original is gone: node and VMs stay what they are");
  double timeout = 30;
  CLI::App& stop_guests = *app.add_subcommand("stop-guests",
                                              "The host is going down: press every guest's power button, kill a guest "
                                              "that doesn't power off in time, then return");
  stop_guests.add_option("--timeout", timeout, "Seconds that the guests get, all at once")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kExitConfig;
  }

  if (config_path.empty() && ::access(kDefaultConfig, F_OK) == 0) config_path = kDefaultConfig;
  const auto config = qarax::agent::read_node_config(config_path, nullptr, check);
  if (!config) {
    std::cerr << config.error().message << '\n';
    return kExitConfig;
  }
  if (check) {
    std::cout << (config_path.empty() ? "the defaults and the environment" : config_path) << ": valid\n";
    return 0;
  }
  if (stop_guests.parsed()) return print(qarax::agent::stop_guests(*config, static_cast<std::int64_t>(timeout * 1000)));
  if (rehome.parsed()) return print(qarax::agent::rehome_node(*config, moved));
  if (const auto logging = qarax::core::init_logging(config->log_level); !logging) {
    std::cerr << logging.error().message << '\n';
    return kExitConfig;
  }

  // Blocked before any thread exists, so that they all inherit it and the signals wait for sigwait below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // Set before plugins are loaded: handlers that a plugin changes are put back.
  std::signal(SIGALRM, [](int) { _exit(0); });
  qarax::core::tell_of_crashes();
  qarax::core::raise_descriptor_limit();

  std::error_code ignored;
  const std::string folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
  const auto log = qarax::core::logger("node");
  auto node = qarax::agent::Node::start(*config, folder);
  if (!node) {
    std::cerr << "qarax-node can't start: " << node.error().message << '\n';
    leave(1);
  }
  log->info("qarax-node {} listening on {}:{}", qarax::version_with(QARAX_VERSION, qarax::build_revision()),
            config->listen_address, (*node)->port());
  int signal = 0;
  sigwait(&ends, &signal);
  log->info("ending, VMs run on signal={}", signal);
  // The process ends even if something hangs: VMs run on, and everything acknowledged is on disk.
  ::alarm(static_cast<unsigned>(config->shutdown_grace_ms / 1000 + 3));
  const auto stopped = (*node)->stop();
  if (!stopped) log->warn("a plugin did not end in time reason={}", qarax::core::log_value(stopped.error().message));
  leave(0);
}

}  // namespace

int main(int argc, char** argv) {
  // Two arenas instead of eight for each core: threads wait most of the time here, and each arena keeps its pages. The
  // threshold is fixed, so that the one large buffer for unpacking a kernel returns to the system and doesn't raise it.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  // Files and sockets that the agent makes are accessible to its user only. Set here, while there are no other threads.
  ::umask(077);
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "qarax-node: " << e.what() << '\n';
    return 1;
  }
}
