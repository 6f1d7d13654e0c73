#include "qarax/core/plugin_host/plugin_host.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <mutex>

#include "config_check.hpp"
#include "ending.hpp"
#include "host_tables.hpp"
#include "interfaces.hpp"
#include "path_check.hpp"
#include "plugin_call.hpp"
#include "plugin_file.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/plugin_host/process_guard.hpp"
#include "qarax/plugin/call.hpp"
#include "table_hypervisor.hpp"

namespace qarax::core {
namespace {

using Clock = std::chrono::steady_clock;

struct Plugin {
  PluginRecord record;
  HostTables* host = nullptr;  // never destroyed
  std::unique_ptr<TableHypervisor> hypervisor;
};

CallContext context_for(std::int64_t timeout_ms) {
  CallContext context;
  context.deadline_ns = plugin::monotonic_ns() + timeout_ms * 1'000'000;
  return context;
}

}  // namespace

struct PluginHost::Impl {
  Impl(HostServices& the_services, PluginHostOptions the_options) : services(the_services), options(the_options) {}

  HostServices& services;
  const PluginHostOptions options;
  std::shared_ptr<const Logger> log = logger("plugins");
  mutable std::mutex mutex;                     // guards the list and the records; never held across a plugin call
  std::deque<std::unique_ptr<Plugin>> plugins;  // in order of loading; only load adds, nothing leaves before the end
  bool shut_down = false;

  const Plugin* find(std::string_view name) const {
    for (const auto& plugin : plugins)
      if (plugin->hypervisor && plugin->record.name == name) return plugin.get();
    return nullptr;
  }
  Status handshake(Plugin& plugin, const PluginFileConfig& config);
  Status check_clash(const PluginRecord& record) const;
  Result<void*> create(Plugin& plugin, const qarax_plugin_table& table, const PluginFileConfig& config);
};

Status PluginHost::Impl::check_clash(const PluginRecord& record) const {
  const std::lock_guard lock(mutex);
  for (const auto& other : plugins) {
    if (!other->hypervisor) continue;
    if (other->record.id == record.id || other->record.name == record.name)
      return make_error(Code::already_exists,
                        (other->record.id == record.id ? "its id " + record.id : "its name " + record.name) +
                            " is taken by " + other->record.path + "; remove one of the two from the node's config",
                        "plugin-clash");
  }
  return Ok{};
}

Result<void*> PluginHost::Impl::create(Plugin& plugin, const qarax_plugin_table& table,
                                       const PluginFileConfig& config) {
  CreateArgs args;
  args.config = config.config;
  args.state_dir = config.state_dir;
  if (!config.state_dir.empty()) QARAX_CHECK(make_folder(config.state_dir, 0700));
  const auto context = context_for(options.create_timeout_ms);
  PluginCall call(context, false);
  const std::string document = encode(args);
  void* instance = nullptr;
  QARAX_CHECK(call.run(
      "create", [&] { return table.create(plugin.host->raw(), call.raw(), plugin::text(document), &instance); }));
  if (instance == nullptr)
    return make_error(Code::internal, "create succeeded without an instance; it must set *instance", "plugin-bug");
  return instance;
}

Status PluginHost::Impl::handshake(Plugin& plugin, const PluginFileConfig& given) {
  PluginRecord& record = plugin.record;
  QARAX_TRY(const qarax_plugin_table* table, open_plugin_file(record));

  record.step = LoadStep::config;
  PluginFileConfig config = given;
  config.config = with_offers(plugin::view(table->config_schema), given.config, given.offers);
  QARAX_CHECK(check_plugin_config(plugin::view(table->config_schema), config.config.text));
  record.step = LoadStep::clash;
  QARAX_CHECK(check_clash(record));

  record.step = LoadStep::create;
  plugin.host = &HostTables::make(services, record.name);
  const auto grace = [] { return Clock::now() + std::chrono::seconds(5); };
  auto instance = create(plugin, *table, config);
  if (!instance) {
    plugin.host->close(grace());
    return std::move(instance).error();
  }

  record.step = LoadStep::interfaces;
  std::unique_ptr<TableHypervisor> hypervisor;
  const auto rest = [&]() -> Status {
    try {
      QARAX_TRY(const HypervisorTables interfaces, query_interfaces(*table, *instance));
      record.interfaces = interfaces.ids();
      hypervisor = std::make_unique<TableHypervisor>(*table, *instance, interfaces);
    } catch (const std::exception& e) {
      return make_error(Code::internal, std::string("query threw across the border: ") + e.what(), "plugin-exception");
    } catch (...) {
      return make_error(Code::internal, "query threw across the border", "plugin-exception");
    }
    record.step = LoadStep::describe;
    QARAX_TRY(record.description, hypervisor->describe(context_for(options.describe_timeout_ms)));
    return Ok{};
  };
  if (auto status = rest(); !status) {
    if (!hypervisor) hypervisor = std::make_unique<TableHypervisor>(*table, *instance, HypervisorTables{});
    if (Ending(*hypervisor, grace()).wait(grace()) == Ending::Phase::done)
      plugin.host->close(grace());
    else
      abandon(std::move(hypervisor));
    return status;
  }
  record.step = LoadStep::registered;
  record.state = PluginState::loaded;
  plugin.hypervisor = std::move(hypervisor);
  return Ok{};
}

PluginHost::PluginHost(HostServices& services, PluginHostOptions options)
    : impl_(std::make_unique<Impl>(services, options)) {}

PluginHost::~PluginHost() { static_cast<void>(shutdown(5000)); }

PluginRecord PluginHost::load(const PluginFileConfig& config) {
  auto plugin = std::make_unique<Plugin>();
  plugin->record.path = config.path;
  plugin->record.required = config.required;

  ProcessGuard guard;
  const auto status = impl_->handshake(*plugin, config);
  plugin->record.warnings = guard.restore();
  if (!status) plugin->record.reason = "plugin " + config.path + ": " + status.error().message;

  const auto& record = plugin->record;
  for (const auto& warning : record.warnings)
    impl_->log->warn("plugin {} {} while it was loaded; put back plugin={} path={}", config.path, warning, record.name,
                     log_value(config.path));
  if (status)
    impl_->log->info("plugin loaded plugin={} id={} version={} abi={} path={}", record.name, record.id,
                     log_value(record.version), record.abi, log_value(config.path));
  else
    impl_->log->error("plugin refused: {} plugin={} step={}", record.reason, record.name, to_string(record.step));

  const std::lock_guard lock(impl_->mutex);
  impl_->plugins.push_back(std::move(plugin));
  return impl_->plugins.back()->record;
}

std::vector<PluginRecord> PluginHost::load_all(const PluginFileConfig& config) {
  std::error_code ec;
  if (!std::filesystem::is_directory(config.path, ec)) return {load(config)};

  std::vector<std::string> files;
  auto status = check_plugin_path(config.path, true);
  if (status) {
    for (std::filesystem::directory_iterator it(config.path, ec), end; !ec && it != end; it.increment(ec))
      if (it->path().extension() == ".so") files.push_back(it->path().string());
    if (ec) status = make_error(Code::failed_precondition, ec.message());
  }
  if (!status) {
    auto plugin = std::make_unique<Plugin>();
    plugin->record.path = config.path;
    plugin->record.required = config.required;
    plugin->record.reason = "plugin folder " + config.path + ": " + status.error().message;
    impl_->log->error("plugin refused: {} step=path", plugin->record.reason);
    const std::lock_guard lock(impl_->mutex);
    impl_->plugins.push_back(std::move(plugin));
    return {impl_->plugins.back()->record};
  }
  std::sort(files.begin(), files.end());
  std::vector<PluginRecord> records;
  for (const auto& file : files) {
    PluginFileConfig one = config;
    one.path = file;
    if (!config.state_dir.empty()) one.state_dir = config.state_dir + "/" + std::filesystem::path(file).stem().string();
    records.push_back(load(one));
  }
  return records;
}

std::vector<PluginRecord> PluginHost::records() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<PluginRecord> all;
  for (const auto& plugin : impl_->plugins) all.push_back(plugin->record);
  return all;
}

LoadedHypervisor* PluginHost::hypervisor(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  const Plugin* plugin = impl_->find(name);
  return plugin != nullptr ? plugin->hypervisor.get() : nullptr;
}

std::string PluginHost::explain_missing(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  std::string loaded;
  std::string refused;
  for (const auto& plugin : impl_->plugins) {
    const auto& record = plugin->record;
    if (plugin->hypervisor) {
      loaded.append(loaded.empty() ? "" : ", ").append(record.name);
    } else if (record.name == name || std::filesystem::path(record.path).stem().string() == name) {
      refused.append("; ").append(record.reason);
    }
  }
  return std::string("no hypervisor \"")
      .append(name)
      .append("\" on this node; loaded: ")
      .append(loaded.empty() ? "none" : loaded)
      .append(refused);
}

Status PluginHost::refresh_description(std::string_view name) {
  LoadedHypervisor* loaded = hypervisor(name);
  if (loaded == nullptr) return make_error(Code::not_found, explain_missing(name));
  QARAX_TRY(const auto description, loaded->describe(context_for(impl_->options.describe_timeout_ms)));
  const std::lock_guard lock(impl_->mutex);
  for (auto& plugin : impl_->plugins)
    if (plugin->hypervisor.get() == loaded) plugin->record.description = description;
  return Ok{};
}

Status PluginHost::shutdown(std::int64_t timeout_ms) {
  std::vector<Plugin*> live;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->shut_down) return Ok{};
    impl_->shut_down = true;
    for (const auto& plugin : impl_->plugins)
      if (plugin->hypervisor) live.push_back(plugin.get());
  }
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (auto* plugin : live) plugin->hypervisor->close(Clock::now());  // every door before the first destroy
  std::vector<Ending> endings;
  endings.reserve(live.size());
  for (auto* plugin : live) endings.emplace_back(*plugin->hypervisor, until);
  std::string late;
  for (std::size_t i = 0; i < live.size(); ++i) {
    const auto phase = endings[i].wait(until);
    const bool done = phase == Ending::Phase::done;
    if (done && live[i]->host->close(until)) continue;
    // Its code still runs in our memory: what it uses stays, and the caller leaves by _exit.
    late.append(late.empty() ? "" : ", ").append(live[i]->record.name);
    late.append(done                                 ? " (it calls the host)"
                : phase == Ending::Phase::destroying ? " (destroy hasn't returned)"
                                                     : " (a call hasn't returned)");
    const std::lock_guard lock(impl_->mutex);
    abandon(std::move(live[i]->hypervisor));
  }
  if (late.empty()) return Ok{};
  return make_error(Code::deadline_exceeded, "plugins that didn't end in time: " + late, "plugin-hangs");
}

}  // namespace qarax::core
