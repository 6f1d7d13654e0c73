// Fixture: the plugin against a scripted QEMU.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "first_run.hpp"
#include "qemu.hpp"
#include "temp_folder.hpp"
#include "test_host.hpp"

namespace qarax::qemu::testing {

using Words = std::vector<std::string>;

class PluginTest : public ::testing::Test {
 protected:
  PluginTest() {
    std::filesystem::create_directories(run_dir());
    std::filesystem::create_directories(folder_ / "state");
  }

  // Longer than the limit of a socket's address.
  std::string run_dir() const { return folder_ / std::string(120, 'x'); }
  const std::string& dir() const { return folder_.path(); }
  CreateArgs create(const std::string& config = R"({"binary":"/bin/true","accelerator":"tcg"})") const {
    CreateArgs args;
    args.config.text = config;
    args.state_dir = folder_ / "state";
    return args;
  }
  Qemu& plugin(int undo_ms = kUndoMs, int poll_ms = kQmpMs, int cancelled_ms = kCancelledMs) {
    if (!plugin_) plugin_.emplace(host, create(), undo_ms, poll_ms, cancelled_ms);
    return *plugin_;
  }
  // A new plugin object that knows nothing, as after a restart of the agent.
  Qemu& restarted(int poll_ms = kQmpMs, int cancelled_ms = kCancelledMs) {
    return plugin_.emplace(host, create(), kUndoMs, poll_ms, cancelled_ms);
  }
  StartArgs start_args() const {
    StartArgs args;
    args.vm = "123e4567-e89b-42d3-a456-426614174000";
    args.incarnation = 1;
    args.spec.memory_size = 128 << 20;
    args.boot.kernel = "/images/bz";
    args.run_dir = run_dir();
    return args;
  }
  VmArgs vm() const { return {start_args().vm, 1, run_dir(), {call.kept}}; }
  StopArgs stop_args(std::int64_t timeout_ms) const { return {vm(), StopMode::graceful, timeout_ms}; }
  void start() { start(start_args()); }
  void start(const StartArgs& args) {
    const auto status = plugin().start(call.get(), args);
    ASSERT_TRUE(status) << status.error().message;
  }
  // QEMU is as a start leaves it that was broken off before the guest ran.
  void never_ran() {
    forget_first_run(run_dir());
    host.set_status("prelaunch");
  }
  bool sockets_gone() const {
    for (const auto& entry : std::filesystem::directory_iterator(run_dir()))
      if (entry.is_socket()) return false;
    return true;
  }
  // The commands sent to QEMU after the first `from` ones.
  Words said_since(std::size_t from) const {
    const Words all = host.commands();
    return {all.begin() + static_cast<std::ptrdiff_t>(from), all.end()};
  }

  TempFolder folder_;
  ScriptedHost host;
  TestCall call;

 private:
  std::optional<Qemu> plugin_;
};

}  // namespace qarax::qemu::testing
