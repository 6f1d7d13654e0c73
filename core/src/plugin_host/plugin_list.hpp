// PluginHost's implementation: the list of all plugin files, and the threads that load them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loading.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::core {

// A plugin file in that list.
struct Listed : Plugin {
  PluginFileConfig config;
  std::shared_ptr<Loading> loading;  // null: it waits for its turn, or is loaded or refused
  bool claims = false;               // it has reserved its id and name
  std::string no_thread{};           // why no thread could be made to load it; empty: none failed
};

// The record as of now.
inline PluginRecord now_of(const Listed& listed) { return listed.loading ? listed.loading->seen() : listed.record; }

struct PluginHost::Impl : std::enable_shared_from_this<Impl> {
  Impl(HostServices& the_services, PluginHostOptions the_options) : services(the_services), options(the_options) {}

  HostServices& services;
  const PluginHostOptions options;
  std::shared_ptr<const Logger> log = logger("plugins");
  mutable std::mutex mutex;                     // guards all below; never held across a plugin call
  std::condition_variable settled;              // another file is loaded or refused
  std::deque<std::unique_ptr<Listed>> plugins;  // in order of the config; nothing is ever removed
  bool shut_down = false;
  std::string held_by;                  // path of a file that hangs while it holds the system's loader; empty: none
  std::weak_ptr<ProcessGuard> guarded;  // shared by the files that are being loaded at the same time
  std::vector<std::thread> threads;     // load files in the background

  Listed& list(const PluginFileConfig& config);
  std::shared_ptr<Loading> begin(Listed& listed);  // null: not_begun() says why
  std::unique_ptr<Plugin> not_begun(const Listed& listed);
  PluginRecord settle(Listed& listed, std::unique_ptr<Plugin> plugin);
  bool end_loading();
  void load_in_turn(const std::vector<Listed*>& files, const LoadListener& told);
  bool run_beside(const std::function<void()>& work);  // false: no thread could be made
  Status claim(Listed& listed, const PluginRecord& record);
  std::vector<ErrorDetail> unchecked_of(const PluginRecord& record) const;  // also logs them
  const Listed* find(std::string_view name) const {
    for (const auto& plugin : plugins)
      if (plugin->hypervisor && plugin->record.name == name) return plugin.get();
    return nullptr;
  }
};

}  // namespace qarax::core
