// The order in which files are loaded: one after the other, overtaking those that are slow.
#include <algorithm>
#include <chrono>
#include <functional>
#include <system_error>
#include <utility>

#include "plugin_list.hpp"
#include "qarax/core/options_check.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::core {
namespace {

using Clock = Loading::Clock;
// A file that takes longer than this is overtaken by those behind it.
constexpr std::chrono::milliseconds kPatience{250};

}  // namespace

std::vector<ErrorDetail> PluginHost::Impl::unchecked_of(const PluginRecord& record) const {
  auto unchecked = unchecked_rules(record.description.options_schema.text);
  for (const auto& rule : unchecked)
    log->warn(
        "plugin {}: its options_schema {}: {}; a VM's config isn't refused by it before the plugin is asked plugin={}",
        record.path, rule.pointer, rule.detail, record.name);
  return unchecked;
}

Listed& PluginHost::Impl::list(const PluginFileConfig& config) {
  auto listed = std::make_unique<Listed>();
  listed->config = config;
  PluginRecord& record = listed->record;
  record.path = config.path;
  record.required = config.required;
  record.state = PluginState::loading;
  record.reason = config.title() + " waits to be loaded, behind a file that is still being loaded";
  const std::lock_guard lock(mutex);
  return *plugins.emplace_back(std::move(listed));
}

Status PluginHost::Impl::claim(Listed& listed, const PluginRecord& record) {
  const std::lock_guard lock(mutex);
  for (const auto& other : plugins) {
    if (!other->claims || other.get() == &listed) continue;
    const PluginRecord its = now_of(*other);
    if (its.id != record.id && its.name != record.name) continue;
    return make_error(Code::already_exists,
                      (its.id == record.id ? "its id " + record.id : "its name " + record.name) + " is taken by " +
                          its.path + "; remove one of the two from the node's config",
                      "plugin-clash");
  }
  listed.claims = true;
  return Ok{};
}

std::shared_ptr<Loading> PluginHost::Impl::begin(Listed& listed) {
  const std::lock_guard lock(mutex);
  if (shut_down || !held_by.empty()) return nullptr;
  auto guard = guarded.lock();
  if (!guard) guarded = guard = std::make_shared<ProcessGuard>();
  try {
    listed.loading = Loading::begin(services, options, listed.config, std::move(guard),
                                    [weak = weak_from_this(), &listed](const PluginRecord& record) -> Status {
                                      if (const auto impl = weak.lock()) return impl->claim(listed, record);
                                      return make_error(Code::aborted, "the node ends");
                                    });
  } catch (const std::system_error& e) {
    listed.no_thread = e.what();
    return nullptr;
  }
  return listed.loading;
}

// The record of a file whose loading wasn't even begun, with the reason.
std::unique_ptr<Plugin> PluginHost::Impl::not_begun(const Listed& listed) {
  auto refused = std::make_unique<Plugin>();
  PluginRecord& record = refused->record;
  record = listed.record;
  record.step = LoadStep::open;
  const std::lock_guard lock(mutex);
  record.reason = listed.config.title();
  if (!listed.no_thread.empty())
    record.reason += ": no thread could be made to load it: " + listed.no_thread;
  else
    record.reason +=
        (held_by.empty() ? std::string(": the node ends")
                         : ": the system's loader is held by " + held_by +
                               ", which hangs while it is loaded; take that one out of the node's config and "
                               "restart qarax-node");
  return refused;
}

PluginRecord PluginHost::load(const PluginFileConfig& config) {
  Listed& listed = impl_->list(config);
  const auto loading = impl_->begin(listed);
  if (!loading) return impl_->settle(listed, impl_->not_begun(listed));
  while (!loading->wait(Clock::now() + std::chrono::hours(1))) continue;
  return impl_->settle(listed, Loading::take(loading));
}

void PluginHost::begin_loading(const std::vector<PluginFileConfig>& files, LoadListener told) {
  std::vector<Listed*> listed;
  listed.reserve(files.size());
  for (const auto& file : files) listed.push_back(&impl_->list(file));
  const std::lock_guard lock(impl_->mutex);
  impl_->threads.emplace_back([this, listed = std::move(listed), told = std::move(told)] {
    name_this_thread("plugins");
    impl_->load_in_turn(listed, told);
  });
}

bool PluginHost::Impl::run_beside(const std::function<void()>& work) {
  const std::lock_guard lock(mutex);
  try {
    threads.emplace_back([work] {
      name_this_thread("plugin-wait");
      work();
    });
    return true;
  } catch (const std::system_error& e) {
    log->error("no thread could be made to wait for a plugin reason={}", log_value(e.what()));
    return false;
  }
}

// Loads overlap only if one is slow. Otherwise a change in the process is certainly of the file that is being loaded,
// and the order is that of the config.
void PluginHost::Impl::load_in_turn(const std::vector<Listed*>& files, const LoadListener& told) {
  const auto finish = [this, told](Listed& listed, const std::shared_ptr<Loading>& loading) {
    const PluginRecord record = settle(listed, loading ? Loading::take(loading) : not_begun(listed));
    if (told) told(record);
  };
  for (Listed* listed : files) {
    const auto loading = begin(*listed);
    if (!loading || loading->wait(Clock::now() + kPatience)) {
      finish(*listed, loading);
      continue;
    }
    log->warn("a plugin is slow to load, the node goes on meanwhile path={}", log_value(listed->config.path));
    loading->put_back();
    loading->wait_opened();  // until then the system's loader can't load another file
    // A file that was given up in that step is settled before the next one begins: held_by must be set by then, or the
    // next one would be blamed for the loader.
    if (loading->wait(Clock::now())) {
      finish(*listed, loading);
      continue;
    }
    const auto rest = [finish, listed, loading] {
      while (!loading->wait(Clock::now() + std::chrono::hours(1))) continue;
      finish(*listed, loading);
    };
    if (!run_beside(rest)) rest();  // without a thread the other files wait for this one
  }
}

void PluginHost::await_loading(std::int64_t timeout_ms) {
  const auto are_through = [this](bool only_required) {
    for (const auto& plugin : impl_->plugins) {
      const PluginRecord& record = plugin->record;
      if (record.required && record.state == PluginState::refused) return true;
    }
    return std::none_of(impl_->plugins.begin(), impl_->plugins.end(), [&](const auto& plugin) {
      return plugin->record.state == PluginState::loading && (plugin->record.required || !only_required);
    });
  };
  std::unique_lock lock(impl_->mutex);
  if (impl_->settled.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return are_through(false); })) return;
  impl_->settled.wait(lock, [&] { return are_through(true); });
}

PluginRecord PluginHost::add_refused(PluginRecord refused) {
  Listed& listed = impl_->list({.path = refused.path, .required = refused.required});
  auto plugin = std::make_unique<Plugin>();
  plugin->record = std::move(refused);
  return impl_->settle(listed, std::move(plugin));
}

PluginRecord PluginHost::Impl::settle(Listed& listed, std::unique_ptr<Plugin> plugin) {
  auto& record = plugin->record;
  record.unchecked = unchecked_of(record);
  for (const auto& warning : record.warnings)
    log->warn("plugin {} {} while it was loaded; put back plugin={} path={}", record.path, warning, record.name,
              log_value(record.path));
  if (record.state == PluginState::loaded)
    log->info("plugin loaded plugin={} id={} version={} abi={} path={}", record.name, record.id,
              log_value(record.version), record.abi, log_value(record.path));
  else
    log->error("plugin refused: {} plugin={} step={}", record.reason, record.name, to_string(record.step));
  const std::lock_guard lock(mutex);
  if (record.hangs && record.step == LoadStep::open && held_by.empty()) held_by = record.path;
  static_cast<Plugin&>(listed) = std::move(*plugin);
  listed.loading = nullptr;
  listed.claims = listed.hypervisor != nullptr;
  settled.notify_all();
  return listed.record;
}

// Gives up the files that are still being loaded and joins the threads. False: that was done before.
bool PluginHost::Impl::end_loading() {
  {
    const std::lock_guard lock(mutex);
    if (std::exchange(shut_down, true)) return false;
    for (const auto& plugin : plugins)
      if (plugin->loading) plugin->loading->give_up();
  }
  for (;;) {
    std::vector<std::thread> ending;
    {
      const std::lock_guard lock(mutex);
      ending.swap(threads);
    }
    if (ending.empty()) return true;
    for (auto& thread : ending) thread.join();
  }
}

}  // namespace qarax::core
