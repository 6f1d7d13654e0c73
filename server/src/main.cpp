// qarax-server: reads its config, wires the parts, serves until SIGTERM or SIGINT.
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

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
#include "qarax/core/addresses.hpp"
#include "qarax/core/data_dir.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/sha256.hpp"
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
constexpr std::size_t kShortestToken = 16;
constexpr std::size_t kThreadStack = 262'144;

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

int hash_token() {
  std::string token;
  std::getline(std::cin, token);
  if (token.empty())
    return fail(
        make_error(Code::invalid_argument,
                   "--hash-token found no token on standard input; for example: qarax-server --hash-token <token"));
  if (token.size() < kShortestToken)
    return fail(make_error(Code::invalid_argument,
                           "the token has " + std::to_string(token.size()) + " characters and needs at least " +
                               std::to_string(kShortestToken) +
                               ", since a short one can be guessed. Make one with: openssl rand -hex 32"));
  const auto hash = core::sha256_hex(token);
  if (!hash) return fail(hash.error());
  std::cout << *hash << '\n';
  return EXIT_SUCCESS;
}

http::ServerConfig http_config(const ServerConfig& config) {
  http::ServerConfig out;
  out.host = config.listen_address;
  out.port = static_cast<std::uint16_t>(config.listen_port);
  out.tls_certificate = config.tls_cert;
  out.tls_key = config.tls_key;
  out.allowed_hosts = config.allowed_hosts;
  out.max_body = static_cast<std::size_t>(config.max_body);
  out.max_connections = static_cast<std::size_t>(config.max_connections);
  out.max_live_streams = static_cast<std::size_t>(config.max_event_readers);
  out.read_timeout = std::chrono::milliseconds(config.request_timeout_ms);
  out.thread_stack = kThreadStack;
  return out;
}

Result<NodeCredentials> node_credentials(const ServerConfig& config) {
  NodeCredentials out;
  QARAX_TRY(out.token, read_node_token(config));
  out.insecure = config.node_insecure;
  if (config.node_ca.empty()) return out;
  auto ca = core::read_file(config.node_ca);
  if (!ca) return std::move(ca).error().context("node.ca");
  if (ca->find("-----BEGIN CERTIFICATE-----") == std::string::npos)
    return make_error(Code::invalid_argument, "node.ca: " + config.node_ca + " has no certificate in PEM");
  out.ca_cert = std::move(*ca);
  return out;
}

std::string url_of(const ServerConfig& config, std::uint16_t port) {
  return (config.tls_cert.empty() ? "http://" : "https://") + core::host_port(config.listen_address, port);
}

// The file is readable by everybody, whatever the umask, from the moment it appears under its name.
Status write_port_file(const std::string& path, std::uint16_t port) {
  const std::string unready = path + ".unready";
  core::Fd file;
  QARAX_CHECK(core::write_file_durably(unready, std::to_string(port) + "\n", 0600, &file));
  if (::fchmod(file.get(), 0644) == 0 && ::rename(unready.c_str(), path.c_str()) == 0) return Ok{};
  const int error = errno;
  ::unlink(unready.c_str());
  return core::errno_error("can't write " + path, error);
}

// Blocks SIGTERM and SIGINT. Made before any thread, so that only wait() and wait_for() receive them.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGTERM);
    ::sigaddset(&set_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
  }
  int wait() const {
    int number = 0;
    while (::sigwait(&set_, &number) != 0) {
    }
    return number;
  }
  // The signal, or 0 if none came within `time`.
  int wait_for(std::chrono::milliseconds time) const {
    const timespec limit{time.count() / 1000, (time.count() % 1000) * 1'000'000};
    return std::max(0, ::sigtimedwait(&set_, nullptr, &limit));
  }

 private:
  sigset_t set_{};
};

// Opens the store. Only one server uses a database: a second one stands by until the first has ended. Also waits for a
// database that is down. Returns null if a signal came first.
Result<std::unique_ptr<Store>> wait_for_store(const DatabaseUrl& url, const Signals& signals) {
  // Each attempt costs a process on the PostgreSQL server, but only a file lock with SQLite.
  const std::chrono::milliseconds every(url.is_postgres() ? 500 : 100);
  std::string said;
  for (;;) {
    auto store = open_store(url);
    if (store) return store;
    const std::string& reason = store.error().reason;
    const std::string& message = store.error().message;
    if (reason != "store-locked" && reason != "store-down") return store;
    if (said != message) core::logger("server")->warn("standing by: {}", message);
    said = message;
    if (signals.wait_for(every) != 0) return std::unique_ptr<Store>();
  }
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
  OrchestratorOptions options;
  options.stop_timeout_ms = config.stop_timeout_ms;
  options.retention.events = config.events_keep;
  options.retention.events_s = config.events_keep_ms / 1000;
  options.retention.jobs = config.jobs_keep;
  options.retention.jobs_s = config.jobs_keep_ms / 1000;
  options.restarts = {config.restart_backoff_ms, config.restart_backoff_max_ms, config.restart_calm_ms};
  Orchestrator orchestrator(**store, nodes, options);
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
  if (line.hash_token) return hash_token();
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
