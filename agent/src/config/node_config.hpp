// The node's configuration: config/node.yaml, each value overridable by QARAX_NODE_….
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "qarax/core/default_hypervisor.hpp"
#include "qarax/plugin/fields.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct PluginEntry {
  std::string path;  // a file, or a folder: all its *.so files that no other entry names
  RawJson config;    // for files only
  bool required = false;
  std::string at{};  // where the config has it: "/etc/qarax/node.yaml:12", or the name of a variable
  bool operator==(const PluginEntry&) const = default;
};

struct NodeConfig {
  std::string listen_address = "127.0.0.1";
  std::int64_t listen_port = 50051;
  std::string unix_socket;        // empty: <data_dir>/node.sock; "none": not offered
  std::string unix_socket_group;  // the group that may connect to it, too; empty: the agent's own user only
  std::string tls_cert;
  std::string tls_key;
  std::string token_sha256;  // hex SHA-256 of the bearer token that every call must carry; empty: no token
  bool insecure = false;     // listen beyond loopback without TLS and token

  std::string data_dir;
  std::string supervisor;  // empty: qarax-supervisor beside the agent's own program or in ../libexec/qarax

  std::string boot_kernel;
  std::string boot_initramfs;
  std::string boot_cmdline = "console=ttyS0 reboot=k panic=1";

  std::vector<PluginEntry> plugins;
  // The hypervisor of VMs that name none. `default_hypervisor` is taken whatever its health; if it's empty, the first
  // of `default_hypervisors` that is loaded and healthy, else what choose_default_hypervisor() finds.
  std::string default_hypervisor;
  std::vector<std::string> default_hypervisors{std::string(core::kDefaultHypervisor)};

  // Hypervisor that a VM asks for → hypervisor that runs it where the former can't; without an entry it is refused.
  std::map<std::string, std::string> fallback;

  std::int64_t cold_boots = 0;  // VMs that boot at the same time; 0: as many as the host has CPUs
  std::int64_t shutdown_grace_ms = 5000;
  std::string log_level = "info";
  bool operator==(const NodeConfig&) const = default;
};

// Reports every problem with file and line. Empty `path`: defaults and environment only. `keys`, if given, gets the
// names of all keys. `look_at_files`: a file or plugin that the config names and that this process can't read, or run,
// is a problem, too; so are a group that the host doesn't have and a folder without which there is no unix socket.
Result<NodeConfig> read_node_config(const std::string& path, std::vector<std::string>* keys = nullptr,
                                    bool look_at_files = false);

}  // namespace qarax::agent
