#include "config/server_config.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "api/rules.hpp"
#include "http/origin_guard.hpp"
#include "qarax/core/addresses.hpp"
#include "qarax/core/config.hpp"
#include "qarax/core/data_dir.hpp"
#include "qarax/core/files.hpp"

namespace qarax::server {

namespace {

// Less, and no request or job would come to its end, or nothing of it would be kept until somebody reads it.
constexpr std::int64_t kASecond = 1000;
// A guest that crashes at its start would be started again without a pause, as 0 doubled is 0.
constexpr std::int64_t kLeastBackoff = 10;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

void add_node(core::ConfigReader& reader, const std::string& at, NodeEntry node, std::vector<NodeEntry>& out) {
  api::Problems problems;
  api::check_name(problems, "name", node.name);
  api::check_address(problems, "address", node.address);
  for (const auto& one : problems) reader.problem_at(at, one.pointer + " " + one.detail);
  if (node.port < 1 || node.port > 65535) reader.problem_at(at, "port must be from 1 to 65535");
  node.address = core::bare_address(std::move(node.address));
  out.push_back(std::move(node));
}

void read_nodes(core::ConfigReader& reader, std::vector<NodeEntry>& out) {
  std::vector<core::ConfigReader::Entry> entries;
  reader.objects("nodes", entries);
  for (const auto& entry : entries) {
    NodeEntry node;
    for (const auto& [key, value] : *entry.value.as_object()) {
      if (key == "name" && value.as_string() != nullptr)
        node.name = *value.as_string();
      else if (key == "address" && value.as_string() != nullptr)
        node.address = *value.as_string();
      else if (key == "port" && value.as_int() != nullptr)
        node.port = static_cast<std::int32_t>(std::clamp<std::int64_t>(*value.as_int(), 0, 65536));
      else
        reader.problem_at(entry.at, "nodes: \"" + std::string(key) +
                                        "\" is unknown or of the wrong type; a node has name and address (text) and "
                                        "port (a number)");
    }
    if (node.name.empty()) node.name = node.address;
    add_node(reader, entry.at + ": nodes", std::move(node), out);
  }
}

// QARAX_NODE_HOST and QARAX_NODE_PORT name one more node.
void read_node_from_environment(core::ConfigReader& reader, std::vector<NodeEntry>& out) {
  const std::string host = environment("QARAX_NODE_HOST");
  const std::string port = environment("QARAX_NODE_PORT");
  if (host.empty() && port.empty()) return;
  NodeEntry node;
  node.address = host.empty() ? "127.0.0.1" : host;
  node.name = node.address;
  // An IPv6 address is no name: 2001:db8::1 → 2001-db8--1.
  std::erase_if(node.name, [](char c) { return c == '[' || c == ']'; });
  std::replace(node.name.begin(), node.name.end(), ':', '-');
  if (node.name.front() == '-') node.name.insert(0, "node");
  if (!port.empty()) {
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), node.port);
    if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size()) node.port = 0;
  }
  add_node(reader, "QARAX_NODE_HOST and QARAX_NODE_PORT", std::move(node), out);
}

// A host that POST /hosts brings is looked at when it is connected to (nodes/node_channel.hpp).
void check_token_in_clear(core::ConfigReader& reader, const ServerConfig& config) {
  const bool token = !config.node_token.empty() || !config.node_token_file.empty();
  if (!token || !config.node_ca.empty() || config.node_insecure) return;
  for (const NodeEntry& node : config.nodes)
    if (!core::is_loopback(node.address))
      reader.problem(
          config.node_token.empty() ? "node.token_file" : "node.token",
          "without node.ca it would be sent to node " + node.name + " (" + node.address +
              ") in plain text: set node.ca, or say node.insecure: true where the way there is safe by itself");
}

// A request for a stop waits for the stop's end, which for a guest that ignores the power button is the kill. Whoever
// only lets requests wait less than the default stop_timeout wants their 504, with the job's id.
void check_stop_timeout(core::ConfigReader& reader, const ServerConfig& config) {
  if (config.stop_timeout_ms < config.action_wait_ms) return;
  if (config.stop_timeout_ms == ServerConfig{}.stop_timeout_ms) return;
  reader.problem("vm.stop_timeout",
                 "vm.stop_timeout (" + std::to_string(config.stop_timeout_ms) +
                     "ms) must be below limits.action_wait (" + std::to_string(config.action_wait_ms) +
                     "ms), otherwise a stop of a guest that ignores the power button is answered 504 before its end; "
                     "lower the one or raise the other");
}

void resolve_database(core::ConfigReader& reader, ServerConfig& config) {
  std::string source = "database";
  if (std::string url = environment("DATABASE_URL"); !url.empty()) {
    config.database = std::move(url);
    source = "DATABASE_URL";
  }
  if (config.database.empty()) {
    config.database_url = sqlite_file(config.data_dir + "/qarax.db");
  } else if (auto url = parse_database_url(config.database); url) {
    config.database_url = std::move(*url);
  } else {
    reader.problem(source, url.error().message);
  }
}

}  // namespace

Result<ServerConfig> read_server_config(const std::string& path, std::vector<std::string>* keys, bool look_at_files) {
  ServerConfig config;
  config.data_dir = core::default_data_dir("qarax-server");
  core::ConfigReader reader(path, "QARAX_SERVER");
  reader.text("listen.address", config.listen_address);
  config.listen_address = core::bare_address(std::move(config.listen_address));
  reader.integer("listen.port", config.listen_port, 0, 65535);
  reader.text("listen.tls.cert", config.tls_cert);
  reader.text("listen.tls.key", config.tls_key);
  reader.text("listen.token_sha256", config.token_sha256);
  reader.texts("listen.allowed_hosts", config.allowed_hosts);
  reader.boolean("insecure", config.insecure);
  reader.text("data_dir", config.data_dir);
  reader.text("database", config.database);
  reader.text("node.token", config.node_token);
  reader.text("node.token_file", config.node_token_file);
  reader.text("node.ca", config.node_ca);
  reader.boolean("node.insecure", config.node_insecure);
  reader.integer("limits.body", config.max_body, 1024, 1LL << 30);
  reader.integer("limits.connections", config.max_connections, 1, 1'000'000);
  reader.integer("limits.event_readers", config.max_event_readers, 1, 100'000);
  reader.integer("limits.console_attachments", config.max_console_attachments, 1, 10'000);
  reader.duration_ms("limits.request_timeout", config.request_timeout_ms, kASecond);
  reader.duration_ms("limits.action_wait", config.action_wait_ms, kASecond);
  reader.duration_ms("vm.stop_timeout", config.stop_timeout_ms);
  reader.duration_ms("vm.restart.backoff", config.restart_backoff_ms, kLeastBackoff);
  reader.duration_ms("vm.restart.backoff_max", config.restart_backoff_max_ms, kLeastBackoff);
  reader.duration_ms("vm.restart.calm", config.restart_calm_ms);
  reader.duration_ms("shutdown.grace", config.shutdown_grace_ms);
  reader.integer("events.keep", config.events_keep, 1, 1'000'000'000);
  reader.duration_ms("events.keep_for", config.events_keep_ms, kASecond);
  reader.integer("jobs.keep", config.jobs_keep, 1, 1'000'000'000);
  reader.duration_ms("jobs.keep_for", config.jobs_keep_ms, kASecond);
  reader.texts("compat.hypervisor_names", config.known_hypervisors);
  reader.choice("log.level", config.log_level, {"debug", "info", "warn", "error"});
  read_nodes(reader, config.nodes);
  read_node_from_environment(reader, config.nodes);
  if (keys != nullptr) *keys = reader.keys();

  reader.check_data_dir(config.data_dir);
  reader.check_file("listen.tls.cert", config.tls_cert, look_at_files);
  reader.check_file("listen.tls.key", config.tls_key, look_at_files);
  reader.check_file("node.token_file", config.node_token_file, look_at_files);
  reader.check_file("node.ca", config.node_ca, look_at_files);
  check_stop_timeout(reader, config);
  if (!config.node_token.empty() && !config.node_token_file.empty())
    reader.problem("node.token", "node.token and node.token_file are both set; choose one");
  check_token_in_clear(reader, config);
  for (const std::string& host : config.allowed_hosts)
    if (!http::OriginGuard::is_host(host))
      reader.problem("listen.allowed_hosts",
                     "expected name or name:port, such as app.example or localhost:3000, got \"" + host + "\"");
  for (const std::string& name : config.known_hypervisors)
    if (!api::is_safe_name(name))
      reader.problem("compat.hypervisor_names", "\"" + name + "\" is no plugin's short name");
  resolve_database(reader, config);
  reader.check_listener({.address = config.listen_address,
                         .tls_cert = config.tls_cert,
                         .tls_key = config.tls_key,
                         .token_sha256 = config.token_sha256,
                         .insecure = config.insecure,
                         .make_token = "qarax-server --hash-token"});
  QARAX_CHECK(reader.finish());
  return config;
}

Result<std::string> read_node_token(const ServerConfig& config) {
  if (config.node_token_file.empty()) return config.node_token;
  auto text = core::read_file(config.node_token_file, 4096);
  if (!text) return std::move(text).error().context("node.token_file");
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty())
    return make_error(Code::invalid_argument, "node.token_file: " + config.node_token_file + " is empty");
  return text;
}

}  // namespace qarax::server
