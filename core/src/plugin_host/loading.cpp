#include "loading.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "config_check.hpp"
#include "ending.hpp"
#include "interfaces.hpp"
#include "keep.hpp"
#include "plugin_call.hpp"
#include "plugin_file.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::core {
namespace {

using Clock = Loading::Clock;

Clock::time_point grace() { return Clock::now() + std::chrono::seconds(5); }

std::string doing(LoadStep step) {
  if (step == LoadStep::open) return "loading it, which runs its static initialisers,";
  if (step == LoadStep::interfaces) return "query";
  if (step == LoadStep::create || step == LoadStep::describe) return std::string(to_string(step));
  return "the step \"" + std::string(to_string(step)) + "\"";
}

}  // namespace

Loading::Loading(HostServices& services, const PluginHostOptions& options, PluginFileConfig config,
                 std::shared_ptr<ProcessGuard> guard, Claim claim)
    : services_(services),
      options_(options),
      config_(std::move(config)),
      guard_(std::move(guard)),
      claim_(std::move(claim)),
      plugin_(std::make_unique<Plugin>()),
      since_(Clock::now()) {
  plugin_->record.path = config_.path;
  plugin_->record.required = config_.required;
  seen_ = plugin_->record;
}

std::shared_ptr<Loading> Loading::begin(HostServices& services, const PluginHostOptions& options,
                                        const PluginFileConfig& config, std::shared_ptr<ProcessGuard> guard,
                                        Claim claim) {
  std::shared_ptr<Loading> loading(new Loading(services, options, config, std::move(guard), std::move(claim)));
  loading->thread_ = std::thread([loading] { loading->work(); });
  return loading;
}

std::unique_ptr<Plugin> Loading::take(const std::shared_ptr<Loading>& loading) {
  std::unique_lock lock(loading->mutex_);
  if (loading->done_) {
    lock.unlock();
    loading->thread_.join();
    return std::move(loading->plugin_);
  }
  auto refused = std::make_unique<Plugin>();
  refused->record = loading->seen_;
  refused->record.reason = loading->why_given_up();
  refused->record.hangs = true;
  // Refuse further calls of the abandoned plugin to the host's services.
  if (loading->host_ != nullptr) loading->host_->close(Clock::now());
  refused->record.warnings = loading->put_back_;
  lock.unlock();
  for (auto& change : loading->guard_->restore()) refused->record.warnings.push_back(std::move(change));
  keep_for_ever(std::move(loading->thread_));
  keep_for_ever(loading);
  return refused;
}

std::string Loading::why_given_up() const {
  const std::string what = config_.title() + ": " + doing(seen_.step) + " hasn't returned ";
  if (node_ends_) return what + "by the end of the node";
  return what + "within " + std::to_string(limit_of(seen_.step).count()) +
         " ms; the node goes on without it. Mend what it waits for, or take it out of the node's config, and restart "
         "qarax-node";
}

PluginRecord Loading::seen() const {
  const std::lock_guard lock(mutex_);
  PluginRecord record = seen_;
  record.state = PluginState::loading;
  record.reason = config_.title() + " is still being loaded: " + doing(record.step) +
                  " hasn't returned yet; VMs that need it wait for it";
  return record;
}

void Loading::put_back() {
  auto changes = guard_->restore();
  const std::lock_guard lock(mutex_);
  put_back_.insert(put_back_.end(), changes.begin(), changes.end());
}

void Loading::give_up() {
  const std::lock_guard lock(mutex_);
  if (!done_) given_up_ = node_ends_ = true;
  changed_.notify_all();
}

std::chrono::milliseconds Loading::limit_of(LoadStep step) const {
  const std::int64_t limit = step == LoadStep::create       ? options_.create_timeout_ms
                             : step == LoadStep::interfaces ? options_.describe_timeout_ms
                             : step == LoadStep::describe   ? options_.describe_timeout_ms
                                                            : options_.open_timeout_ms;
  return std::chrono::milliseconds(limit + options_.grace_ms);
}

bool Loading::decided() {
  if (!done_ && bounded_ && Clock::now() >= since_ + limit_of(seen_.step)) given_up_ = true;
  return done_ || given_up_;
}

bool Loading::wait(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  while (!decided()) {
    if (Clock::now() >= until) return false;
    changed_.wait_until(lock, bounded_ ? std::min(until, since_ + limit_of(seen_.step)) : until);
  }
  return true;
}

void Loading::wait_opened() {
  std::unique_lock lock(mutex_);
  while (!decided() && seen_.step == LoadStep::open) changed_.wait_until(lock, since_ + limit_of(seen_.step));
}

void Loading::work() {
  core::name_this_thread("plugin-load");
  Status status = Ok{};
  try {
    status = handshake();
  } catch (const std::exception& e) {
    status = make_error(Code::internal, std::string("the host failed: ") + e.what());
  } catch (...) {
    status = make_error(Code::internal, "the host failed: it threw what is no std::exception");
  }
  auto changes = guard_->restore();
  const std::lock_guard lock(mutex_);
  if (given_up_) return;  // the loading was abandoned: whatever it made is kept and not used
  plugin_->record.warnings = std::move(put_back_);
  plugin_->record.warnings.insert(plugin_->record.warnings.end(), changes.begin(), changes.end());
  if (!status) plugin_->record.reason = config_.title() + ": " + status.error().message;
  done_ = true;
  changed_.notify_all();
}

Status Loading::at(LoadStep step) {
  plugin_->record.step = step;
  const std::lock_guard lock(mutex_);
  if (given_up_) return make_error(Code::aborted, "it has taken too long");
  seen_ = plugin_->record;
  host_ = plugin_->host;
  since_ = Clock::now();
  changed_.notify_all();
  return Ok{};
}

Status Loading::handshake() {
  PluginRecord& record = plugin_->record;
  QARAX_TRY(const qarax_plugin_table* table, open_plugin_file(record, [this](LoadStep step) { return at(step); }));

  QARAX_CHECK(at(LoadStep::config));
  const RawJson config = with_offers(plugin::view(table->config_schema), config_.config, config_.offers);
  QARAX_CHECK(check_plugin_config(plugin::view(table->config_schema), config.text));
  QARAX_CHECK(at(LoadStep::clash));
  QARAX_CHECK(claim_(record));

  plugin_->host = &HostTables::make(services_, record.name);
  QARAX_CHECK(at(LoadStep::create));
  auto instance = create(*table, config);
  if (!instance) {
    plugin_->host->close(grace());
    return std::move(instance).error();
  }
  return finish_instance(*table, *instance);
}

Result<void*> Loading::create(const qarax_plugin_table& table, const RawJson& config) {
  CreateArgs args;
  args.config = config;
  if (!config_.state_root.empty()) {
    args.state_dir = config_.state_root + "/" + plugin_->record.name;
    QARAX_CHECK(make_folder(args.state_dir, 0700));
  }
  const auto context = context_for(options_.create_timeout_ms);
  PluginCall call(context, false);
  const std::string document = encode(args);
  void* instance = nullptr;
  QARAX_CHECK(call.run(
      "create", [&] { return table.create(plugin_->host->raw(), call.raw(), plugin::text(document), &instance); }));
  if (instance == nullptr)
    return make_error(Code::internal, "create succeeded without an instance; it must set *instance", "plugin-bug");
  return instance;
}

// Steps interfaces and describe. If one fails, the instance is destroyed; otherwise the plugin is registered.
Status Loading::finish_instance(const qarax_plugin_table& table, void* instance) {
  PluginRecord& record = plugin_->record;
  std::unique_ptr<TableHypervisor> hypervisor;
  const auto rest = [&]() -> Status {
    QARAX_CHECK(at(LoadStep::interfaces));
    try {
      QARAX_TRY(const HypervisorTables interfaces, query_interfaces(table, instance));
      record.interfaces = interfaces.ids();
      hypervisor = std::make_unique<TableHypervisor>(table, instance, interfaces);
    } catch (const std::exception& e) {
      return make_error(Code::internal, std::string("query threw across the border: ") + e.what(), "plugin-exception");
    } catch (...) {
      return make_error(Code::internal, "query threw across the border", "plugin-exception");
    }
    QARAX_CHECK(at(LoadStep::describe));
    QARAX_TRY(record.description, hypervisor->describe(context_for(options_.describe_timeout_ms)));
    return Ok{};
  };
  if (auto status = rest(); !status) {
    {
      const std::lock_guard lock(mutex_);
      bounded_ = false;
      changed_.notify_all();
    }
    if (!hypervisor) hypervisor = std::make_unique<TableHypervisor>(table, instance, HypervisorTables{});
    if (Ending(*hypervisor, grace()).wait(grace()) == Ending::Phase::done)
      plugin_->host->close(grace());
    else
      abandon(std::move(hypervisor));
    return status;
  }
  record.step = LoadStep::registered;
  record.state = PluginState::loaded;
  plugin_->hypervisor = std::move(hypervisor);
  return Ok{};
}

}  // namespace qarax::core
