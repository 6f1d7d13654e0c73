// The server's configuration: config/server.yaml, each value overridable by QARAX_SERVER_…, the database by
// DATABASE_URL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "database_url.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

// A node that the server registers by itself at start, where no host of that address and port exists.
struct NodeEntry {
  std::string name;
  std::string address;
  std::int32_t port = 50051;
  bool operator==(const NodeEntry&) const = default;
};

struct ServerConfig {
  std::string listen_address = "127.0.0.1";
  std::int64_t listen_port = 8000;  // 0: the kernel chooses
  std::string tls_cert;
  std::string tls_key;
  std::string token_sha256;  // hex SHA-256 of the bearer token that every request must carry; empty: no token
  bool insecure = false;     // listen beyond loopback without TLS and token
  std::vector<std::string> allowed_hosts;

  std::string data_dir;
  std::string database;      // as given, maybe with a password; empty: <data_dir>/qarax.db
  DatabaseUrl database_url;  // what that means

  std::vector<NodeEntry> nodes;
  std::string node_token;       // bearer token that the server sends to its nodes
  std::string node_token_file;  // or the file that holds it
  std::string node_ca;          // PEM; set: nodes are reached over TLS and must show a certificate of it
  bool node_insecure = false;   // without node_ca: the token is sent in plain text also beyond loopback

  std::int64_t max_body = 1'048'576;
  std::int64_t max_connections = 4096;
  std::int64_t max_event_readers = 1000;
  std::int64_t max_console_attachments = 64;
  std::int64_t request_timeout_ms = 10'000;  // from a request's first byte to its last
  std::int64_t action_wait_ms = 60'000;      // then 504 with the job's id, and the job goes on
  std::int64_t stop_timeout_ms = 20'000;     // power button, then kill
  std::int64_t restart_backoff_ms = 1'000;
  std::int64_t restart_backoff_max_ms = 60'000;
  std::int64_t restart_calm_ms = 600'000;
  std::int64_t shutdown_grace_ms = 5'000;
  std::int64_t events_keep = 100'000;
  std::int64_t events_keep_ms = 168 * 3'600'000LL;
  std::int64_t jobs_keep = 10'000;
  std::int64_t jobs_keep_ms = 168 * 3'600'000LL;
  std::vector<std::string> known_hypervisors;  // compat.hypervisor_names; empty: names are shown as they are
  std::string log_level = "info";
  bool operator==(const ServerConfig&) const = default;
};

// Every problem is reported, with file and line. `path` empty: defaults and environment. `keys`: where asked for, all
// that there are. `look_at_files`: a file that the config names and that this process can't read is a problem, too.
Result<ServerConfig> read_server_config(const std::string& path, std::vector<std::string>* keys = nullptr,
                                        bool look_at_files = false);

// The token of node_token or node_token_file, empty where neither is set.
Result<std::string> read_node_token(const ServerConfig& config);

}  // namespace qarax::server
