// The shell of the test guest (e2e/guest), used through the host that reads its console; also what a guest must do
// itself when something is plugged in. A command without an answer fails the test.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "real_host.hpp"

namespace qarax::plugin::testing {

class GuestShell {
 public:
  GuestShell(RealHost& host, std::int64_t patience_ms) : host_(host), patience_ms_(patience_ms) {}

  // Stops the guest's periodic uptime lines.
  void quiet() { host_.type("echo 1 >/run/quiet"); }
  // Runs `command` in the guest's shell and returns its output. The console doesn't echo the command.
  static std::string ask(RealHost& where, const std::string& command, std::int64_t patience_ms) {
    const std::size_t from = where.console_size();
    where.type(command + "; echo an''swered");
    const std::string said = where.console("answered", patience_ms, from);
    EXPECT_NE(said, "") << command;
    return said;
  }
  std::string ask(const std::string& command) { return ask(host_, command, patience_ms_); }
  bool says(const std::string& command, const std::string& expected) {
    const std::string said = ask(command);
    EXPECT_NE(said.find(expected), std::string::npos) << command << ": " << said;
    return said.find(expected) != std::string::npos;
  }
  // Sets plugged vCPUs online, which udev does in a distribution.
  void online(int cpus) {
    for (int i = 1; i < cpus; ++i)
      ask("until echo 1 >/sys/devices/system/cpu/cpu" + std::to_string(i) + "/online; do sleep 0.1; done 2>/dev/null");
  }
  // Waits until `blocks` memory blocks of 128 MiB are online; the guest may still be adding or removing the last one.
  void wait_for_memory(int blocks) {
    ask("until [ $(grep -l online /sys/devices/system/memory/memory*/state | wc -l) = " + std::to_string(blocks) +
        " ]; do sleep 0.1; done");
  }
  void load_virtio() { ask("while read -r m; do insmod /lib/modules/$m; done </lib/modules/virtio 2>/dev/null"); }

 private:
  RealHost& host_;
  const std::int64_t patience_ms_;
};

}  // namespace qarax::plugin::testing
