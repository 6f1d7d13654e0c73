// qarax-plugin-load-check: takes plugin files through the node's own handshake and prints the outcome. Offers log and
// notify, but starts no processes.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "qarax/core/config.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/plugin_host/plugin_host.hpp"
#include "qarax/core/plugin_host/trial_file.hpp"

namespace {

using namespace qarax;

class NoProcesses final : public core::HostServices {
 public:
  void log(std::string_view plugin, plugin::LogLevel, std::string_view message) override {
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(plugin.size()), plugin.data(),
                 static_cast<int>(message.size()), message.data());
  }
  void notify(std::string_view, std::string_view) override {}
  Result<Process> spawn(const core::CallView&, const SpawnArgs&) override { return none(); }
  Result<Process> find(const core::CallView&, const ProcessArgs&) override { return none(); }
  Status signal(const core::CallView&, const SignalArgs&) override { return none(); }
  Status kill(const core::CallView&, const ProcessArgs&) override { return none(); }
  Result<Process> wait(const core::CallView&, const ProcessArgs&) override { return none(); }
  Status claim(const core::CallView&, const ClaimArgs&) override { return none(); }
  Status release(const core::CallView&, const ClaimArgs&) override { return none(); }
  Result<RunResult> run(const core::CallView&, const RunArgs&) override { return none(); }

 private:
  static Error none() { return make_error(Code::unimplemented, "qarax-plugin-load-check starts no processes"); }
};

int usage(FILE* out, int code) {
  std::fputs(
      "usage: qarax-plugin-load-check [--config JSON] [--settings YAML] [--set MEMBER=VALUE]... [--state-dir DIR] "
      "FILE...\n"
      "Takes each plugin file through the handshake of a qarax node. Exit status 0: all were taken.\n"
      "--settings: what qarax-plugin-check is given by --config; its `config` is the plugin's. --set: a member of it.\n"
      "--state-dir: each gets the folder of its name in DIR, as it does of a node.\n",
      out);
  return code;
}

struct Config {
  std::string text = "null";         // JSON
  std::string settings{};            // path of a YAML file, whose `config` then counts
  std::vector<std::string> members;  // MEMBER=VALUE
};

Result<RawJson> read_config(const Config& given) {
  if (given.settings.empty() && given.members.empty()) return RawJson{given.text};
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& one : given.members) {
    QARAX_TRY(auto member, core::to_member(one));
    members.push_back(std::move(member));
  }
  core::TrialFile file;
  if (given.settings.empty()) {
    QARAX_TRY(file.config, json::parse(given.text));
  } else {
    core::ConfigReader reader(given.settings, core::kTrialVariables);
    core::read_trial_file(reader, file);
    QARAX_CHECK(reader.finish());
  }
  return core::with_members(file.config, members);
}

int check(const std::vector<std::string>& files, const RawJson& config, const std::string& state_dir) {
  NoProcesses services;
  core::PluginHost host(services);
  bool good = true;
  for (const auto& file : files) {
    char* real = ::realpath(file.c_str(), nullptr);
    if (real == nullptr) {
      std::printf("%s: %s\n", file.c_str(), std::generic_category().message(errno).c_str());
      good = false;
      continue;
    }
    core::PluginFileConfig one{.path = real, .config = config, .state_root = state_dir};
    std::free(real);
    const auto record = host.load(one);
    if (record.state == core::PluginState::loaded && record.warnings.empty()) {
      std::printf("%s: ok: %s (%s) %s, ABI %s\n", file.c_str(), record.name.c_str(), record.id.c_str(),
                  record.version.c_str(), record.abi.c_str());
      for (const auto& id : record.interfaces) std::printf("  %s\n", id.c_str());
      for (const auto& rule : record.unchecked)
        std::printf("  its options_schema %s: %s\n", rule.pointer.c_str(), rule.detail.c_str());
      if (!record.description.healthy) std::printf("  unhealthy here: %s\n", record.description.health_reason.c_str());
    } else {
      good = false;
      if (!record.reason.empty())
        std::printf("%s: refused at %s: %s\n", file.c_str(), std::string(to_string(record.step)).c_str(),
                    record.reason.c_str());
      for (const auto& warning : record.warnings)
        std::printf("%s: %s while it was loaded; that belongs to the process\n", file.c_str(), warning.c_str());
    }
  }
  if (const auto ended = host.shutdown(5000); !ended) {
    std::printf("%s\n", ended.error().message.c_str());
    good = false;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  Config config;
  std::string state_dir;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help") return usage(stdout, 0);
    const auto is = [&](const char* option) { return argument == option && i + 1 < argc; };
    if (is("--config"))
      config.text = argv[++i];
    else if (is("--settings"))
      config.settings = argv[++i];
    else if (is("--set"))
      config.members.emplace_back(argv[++i]);
    else if (is("--state-dir"))
      state_dir = argv[++i];
    else if (argument.rfind("--", 0) == 0)
      return usage(stderr, 2);
    else
      files.push_back(argument);
  }
  if (files.empty()) return usage(stderr, 2);
  if (const auto logging = core::init_logging("error"); !logging) return 2;
  const auto given = read_config(config);
  if (!given) {
    std::fprintf(stderr, "qarax-plugin-load-check: %s\n", given.error().message.c_str());
    return 2;
  }
  const int code = check(files, *given, state_dir);
  std::fflush(stdout);
  core::flush_logs();
  ::_exit(code);  // a plugin's destructors and threads aren't waited for, as in the node
}
