// qarax-server: reads its config, wires the parts, serves until SIGTERM or SIGINT.
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "build_revision.hpp"
#include "config/server_config.hpp"
#include "handlers/event_handlers.hpp"
#include "handlers/host_handlers.hpp"
#include "handlers/idempotency.hpp"
#include "handlers/job_handlers.hpp"
#include "handlers/metrics.hpp"
#include "handlers/query_guard.hpp"
#include "handlers/system_handlers.hpp"
#include "handlers/vm_change_handlers.hpp"
#include "handlers/vm_handlers.hpp"
#include "http/server.hpp"
#include "nodes.hpp"
#include "part_options.hpp"
#include "port_file.hpp"
#include "qarax/core/addresses.hpp"
#include "qarax/core/data_dir.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "signals.hpp"
#include "standby.hpp"
#include "token_hash.hpp"
#include "wiring/config_nodes.hpp"
#include "wiring/rest_dry_runs.hpp"
#include "wiring/rest_host_truth.hpp"
#include "wiring/rest_operations.hpp"

namespace qarax::server {
namespace {

constexpr const char* kDefaultConfig = "/etc/qarax/server.yaml";
// Exit status for a wrong command line or configuration, which a restart doesn't cure: systemd doesn't restart the
// server (RestartPreventExitStatus=).
constexpr int kExitConfig = 2;

struct CommandLine {
  std::string config;
  std::string port_file;
  std::optional<std::int64_t> port;
  bool check_config = false;
  bool hash_token = false;
};

int fail(const Error& error) {
  std::cerr << "qarax-server: " << error.message << '\n';
  return EXIT_FAILURE;
}

std::string url_of(const ServerConfig& config, std::uint16_t port) {
  return (config.tls_cert.empty() ? "http://" : "https://") + core::host_port(config.listen_address, port);
}

int print_token_hash() {
  const auto hash = token_hash(std::cin);
  if (!hash) return fail(hash.error());
  std::cout << *hash << '\n';
  return EXIT_SUCCESS;
}

int serve(const ServerConfig& config, const CommandLine& line) {
  const Signals signals;
  core::raise_descriptor_limit();
  auto log = core::logger("server");
  const auto http_log = core::logger("http")->backend();
  if (const Status ready = core::prepare_data_dir(config.data_dir); !ready) return fail(ready.error());
  auto store = wait_for_store(config.database_url, signals);
  if (!store) return fail(store.error());
  if (*store == nullptr) return EXIT_SUCCESS;
  auto credentials = node_credentials(config);
  if (!credentials) return fail(credentials.error());

  Nodes nodes(**store, std::move(*credentials));
  Orchestrator orchestrator(**store, nodes, orchestrator_options(config));
  const NodeQueries queries(**store, nodes);
  Adopter adopter(**store, nodes);
  HostJobs host_jobs(**store, adopter, orchestrator);
  Editor editor(**store, nodes, config.known_hypervisors);
  RestDryRuns dry_runs(**store, nodes, editor);
  RestOperations operations(
      **store, orchestrator, queries, host_jobs, editor, dry_runs,
      {.action_wait_ms = config.action_wait_ms, .max_attachments = config.max_console_attachments});
  VmRenderer renderer(**store, config.known_hypervisors);
  const ProgramVersion version{QARAX_VERSION, std::string(build_revision())};
  Metrics metrics(**store, version);
  http::Router router;
  add_vm_routes(router, **store, operations, renderer);
  add_vm_change_routes(router, **store, operations, renderer);
  add_host_routes(router, **store, operations);
  RestHostTruth truth(adopter, host_jobs);
  add_host_truth_routes(router, truth, renderer);
  add_event_routes(router, **store);
  add_job_routes(router, **store, operations);
  add_system_routes(router, **store, operations, metrics, version);
  guard_changes(router, **store);  // after the routes were added: it wraps all of them
  guard_queries(router);
  std::optional<http::TokenAuthenticator> authenticator;
  if (!config.token_sha256.empty()) authenticator.emplace(std::vector<std::string>{config.token_sha256});
  http::HttpServer server(http_config(config), router, authenticator ? &*authenticator : nullptr, &metrics, *http_log);
  if (const Status started = server.start(); !started) return fail(started.error());
  const auto wakes_readers = (*store)->events().on_commit([&server] { server.wake_live(); });
  orchestrator.start();
  host_jobs.start();
  register_nodes(config.nodes, **store, operations);
  if (!line.port_file.empty()) {
    const Status written = write_port_file(std::filesystem::absolute(line.port_file), server.port());
    if (!written) return fail(written.error());
  }
  log->info("qarax-server listening on {} version={} database={}", url_of(config, server.port()),
            version_with(QARAX_VERSION, build_revision()), core::log_value(config.database_url.shown()));

  const int number = signals.wait();
  log->info("ending: VMs run on signal={}", number);
  // Keep a tenth of the grace period for the work after the deadline.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(config.shutdown_grace_ms * 9 / 10);
  server.begin_drain();
  // Callers that wait for a job learn of its end or, when this time is up, where to look for it. The remaining time is
  // for sending their replies.
  orchestrator.shutdown(config.shutdown_grace_ms * 3 / 5);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  bool quiet = server.stop(std::max(left, std::chrono::milliseconds(0)));
  // Where the server isn't quiet the process ends below by _Exit, whatever the host jobs do.
  if (quiet) quiet = host_jobs.stop();
  (*store)->flush();
  log->info("ended");
  core::flush_logs();
  // A handler that still runs must not keep the process alive: everything acknowledged is on disk.
  if (!quiet) std::_Exit(EXIT_SUCCESS);
  return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
  CommandLine line;
  CLI::App app{"qarax-server: the REST API and control plane of qarax"};
  app.set_version_flag("--version", "qarax-server " + version_with(QARAX_VERSION, build_revision()));
  app.add_option("--config", line.config, std::string("Configuration file; ") + kDefaultConfig + " where there is one");
  app.add_option("--port", line.port, "Instead of listen.port; 0: the kernel chooses")->check(CLI::Range(0, 65535));
  app.add_option("--port-file", line.port_file, "Write the port to this file once requests are answered");
  app.add_flag("--check-config", line.check_config,
               "Check the configuration, and that the files which it names can be read, and end");
  app.add_flag("--hash-token", line.hash_token,
               "Read a token from standard input, print what listen.token_sha256 takes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? EXIT_SUCCESS : kExitConfig;
  }
  if (line.hash_token) return print_token_hash();
  if (line.config.empty() && ::access(kDefaultConfig, F_OK) == 0) line.config = kDefaultConfig;
  auto config = read_server_config(line.config, nullptr, line.check_config);
  if (!config) {
    std::cerr << config.error().message << '\n';
    return kExitConfig;
  }
  if (line.check_config) {
    std::cout << (line.config.empty() ? "the defaults and the environment" : line.config) << ": valid\n";
    return EXIT_SUCCESS;
  }
  if (line.port) config->listen_port = *line.port;
  if (const Status logging = core::init_logging(config->log_level); !logging) return fail(logging.error());
  return serve(*config, line);
}

}  // namespace
}  // namespace qarax::server

int main(int argc, char** argv) {
  // Only the server's user may read what it creates, above all its database, whatever folder that is in. Set here while
  // there are no other threads.
  ::umask(077);
  // Two malloc arenas instead of eight per core: the threads mostly wait, and each arena keeps its pages. The
  // thresholds keep memory that a change needs for a moment from being returned to the system each time, which took
  // half of a create's time. Larger blocks are still returned.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 2 * 1024 * 1024);
  try {
    return qarax::server::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "qarax-server: " << e.what() << '\n';
    return EXIT_FAILURE;
  }
}
