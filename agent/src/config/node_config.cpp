#include "node_config.hpp"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "qarax/core/addresses.hpp"
#include "qarax/core/config.hpp"
#include "qarax/core/data_dir.hpp"
#include "qarax/core/short_name.hpp"

namespace qarax::agent {

namespace {

void read_plugins(core::ConfigReader& reader, std::vector<PluginEntry>& out) {
  std::vector<core::ConfigReader::Entry> entries;
  reader.objects("plugins", entries);
  for (const auto& entry : entries) {
    PluginEntry plugin;
    plugin.at = entry.at;
    for (const auto& [key, value] : *entry.value.as_object()) {
      if (key == "path" && value.as_string() != nullptr)
        plugin.path = *value.as_string();
      else if (key == "required" && value.as_bool() != nullptr)
        plugin.required = *value.as_bool();
      else if (key == "config" && (value.as_object() != nullptr || value.is_null()))
        plugin.config.text = json::to_text(value);
      else
        reader.problem_at(entry.at, "plugins: \"" + std::string(key) +
                                        "\" is unknown or of the wrong type; a plugin has path (text), config (map), "
                                        "required (true or false)");
    }
    if (plugin.path.empty() || plugin.path.front() != '/')
      reader.problem_at(entry.at, "plugins: path must be absolute, got \"" + plugin.path + "\"");
    else
      out.push_back(std::move(plugin));
  }
}

// No plugin has another name, so that it would be passed over without a word.
void check_plugin_name(core::ConfigReader& reader, std::string_view key, const std::string& name) {
  if (!core::is_short_name(name))
    reader.problem(key, "\"" + name + "\" is no plugin's short name; cloud_hv or qemu are such");
}

// What a start would find missing, for --check-config only: some of it may come before the start.
void look_at_what_is_named(core::ConfigReader& reader, const NodeConfig& config) {
  for (const PluginEntry& plugin : config.plugins) {
    if (::access(plugin.path.c_str(), R_OK) == 0) continue;
    const std::string why = std::generic_category().message(errno);
    reader.problem_at(plugin.at, "plugins: " + plugin.path + ": " + why +
                                     "; name a plugin's file, or a folder of plugins, that this user can read");
  }
  if (const std::string& group = config.unix_socket_group; !group.empty() && ::getgrnam(group.c_str()) == nullptr)
    reader.problem("listen.unix_socket_group", "this host has no group " + group +
                                                   "; make it (systemd-sysusers, or groupadd --system " + group +
                                                   "), or leave the key out");
  // Folders below /run are made by the unit that starts the agent, and the data folder by the agent.
  const std::string& socket = config.unix_socket;
  if (!socket.starts_with('/') || socket.starts_with("/run/") || socket.starts_with("/var/run/")) return;
  const std::string folder = std::filesystem::path(socket).parent_path().string();
  if (std::error_code ignored; folder != config.data_dir && !std::filesystem::is_directory(folder, ignored))
    reader.problem("listen.unix_socket", "there is no folder " + folder + "; make it for this user");
}

}  // namespace

Result<NodeConfig> read_node_config(const std::string& path, std::vector<std::string>* keys, bool look_at_files) {
  NodeConfig config;
  config.data_dir = core::default_data_dir("qarax");
  core::ConfigReader reader(path, "QARAX_NODE");
  // These tell a server about this node. They may be set in an environment that both programs share.
  reader.foreign_variable("QARAX_NODE_HOST");
  reader.foreign_variable("QARAX_NODE_PORT");
  reader.text("listen.address", config.listen_address);
  config.listen_address = core::bare_address(std::move(config.listen_address));
  reader.integer("listen.port", config.listen_port, 0, 65535);
  reader.text("listen.unix_socket", config.unix_socket);
  reader.text("listen.unix_socket_group", config.unix_socket_group);
  reader.text("listen.tls.cert", config.tls_cert);
  reader.text("listen.tls.key", config.tls_key);
  reader.text("listen.token_sha256", config.token_sha256);
  reader.boolean("insecure", config.insecure);
  reader.text("data_dir", config.data_dir);
  // The processes of VMs are found by their paths below it.
  while (config.data_dir.size() > 1 && config.data_dir.back() == '/') config.data_dir.pop_back();
  reader.text("supervisor", config.supervisor);
  reader.text("boot.kernel", config.boot_kernel);
  reader.text("boot.initramfs", config.boot_initramfs);
  reader.text("boot.cmdline", config.boot_cmdline);
  reader.text("default_hypervisor", config.default_hypervisor);
  reader.texts("default_hypervisors", config.default_hypervisors);
  reader.text_map("fallback", config.fallback);
  std::erase_if(config.fallback, [](const auto& entry) { return entry.second.empty(); });
  reader.integer("cold_boots", config.cold_boots, 0, 10000);
  reader.duration_ms("shutdown.grace", config.shutdown_grace_ms);
  reader.choice("log.level", config.log_level, {"debug", "info", "warn", "error"});
  read_plugins(reader, config.plugins);
  if (keys != nullptr) *keys = reader.keys();

  for (const std::string& name : config.default_hypervisors) check_plugin_name(reader, "default_hypervisors", name);
  if (!config.default_hypervisor.empty()) check_plugin_name(reader, "default_hypervisor", config.default_hypervisor);
  reader.check_data_dir(config.data_dir);
  reader.check_program("supervisor", config.supervisor, look_at_files);
  reader.check_file("listen.tls.cert", config.tls_cert, look_at_files);
  reader.check_file("listen.tls.key", config.tls_key, look_at_files);
  reader.check_file("boot.kernel", config.boot_kernel, look_at_files);
  reader.check_file("boot.initramfs", config.boot_initramfs, look_at_files);
  if (config.unix_socket == "none" && !config.unix_socket_group.empty())
    reader.problem("listen.unix_socket_group", "is of no use with listen.unix_socket: none");
  if (config.unix_socket != "none") reader.check_absolute("listen.unix_socket", config.unix_socket);
  if (look_at_files) look_at_what_is_named(reader, config);
  if (config.unix_socket.empty()) config.unix_socket = config.data_dir + "/node.sock";
  reader.check_listener({.address = config.listen_address,
                         .tls_cert = config.tls_cert,
                         .tls_key = config.tls_key,
                         .token_sha256 = config.token_sha256,
                         .insecure = config.insecure,
                         .make_token = "printf %s TOKEN | sha256sum"});
  QARAX_CHECK(reader.finish());
  return config;
}

}  // namespace qarax::agent
