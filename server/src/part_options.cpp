#include "part_options.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "qarax/core/files.hpp"

namespace qarax::server {

namespace {

constexpr std::size_t kThreadStack = 262'144;

}  // namespace

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

OrchestratorOptions orchestrator_options(const ServerConfig& config) {
  OrchestratorOptions out;
  out.stop_timeout_ms = config.stop_timeout_ms;
  out.retention.events = config.events_keep;
  out.retention.events_s = config.events_keep_ms / 1000;
  out.retention.jobs = config.jobs_keep;
  out.retention.jobs_s = config.jobs_keep_ms / 1000;
  out.restarts = {config.restart_backoff_ms, config.restart_backoff_max_ms, config.restart_calm_ms};
  return out;
}

}  // namespace qarax::server
