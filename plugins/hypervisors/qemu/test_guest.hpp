// A real guest under TCG for the tests. QARAX_GUEST_DIR names the folder that e2e/guest/build.sh made; without it the
// tests report that there is no guest to boot.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "qemu.hpp"
#include "temp_folder.hpp"
#include "test_host.hpp"

namespace qarax::qemu::testing {

constexpr std::int64_t kBootMs = 60'000;

class GuestTest : public ::testing::Test {
 protected:
  GuestTest() {
    std::filesystem::create_directories(folder_ / "run");
    std::filesystem::create_directories(folder_ / "state");
  }

  void SetUp() override {
    const char* folder = std::getenv("QARAX_GUEST_DIR");
    if (folder == nullptr) GTEST_SKIP() << "QARAX_GUEST_DIR isn't set: make a guest with e2e/guest/build.sh DIR";
    create_.config.text = R"({"accelerator":"tcg"})";
    create_.state_dir = folder_ / "state";
    plugin_.emplace(host, create_);
    const auto description = plugin_->describe(call.get());
    ASSERT_TRUE(description);
    if (description->vmm_path.empty()) GTEST_SKIP() << description->health_reason;
    args.vm = "123e4567-e89b-42d3-a456-426614174000";
    args.name = "plugin test";
    args.incarnation = 1;
    args.spec.memory_size = 128 << 20;
    args.spec.boot_vcpus = args.spec.max_vcpus = 2;
    args.run_dir = folder_ / "run";
    args.boot.cmdline = "console=ttyS0 reboot=k panic=1";
    args.boot.kernel = std::string(folder) + "/vmlinuz";
    for (const auto& file : std::filesystem::directory_iterator(folder))
      if (file.path().filename().string().starts_with("initramfs.cpio")) args.boot.initramfs = file.path();
    ASSERT_TRUE(std::filesystem::exists(args.boot.kernel) && !args.boot.initramfs.empty()) << folder;
    resolve();
  }
  void resolve() {
    auto resolved = plugin_->resolve(call.get(), {args.spec});
    ASSERT_TRUE(resolved) << resolved.error().message;
    args.spec = *resolved;
  }

  VmArgs vm() const { return {args.vm, 1, args.run_dir, {call.kept}}; }
  VmState inspect() {
    const auto status = plugin_->inspect(call.get(), vm());
    EXPECT_TRUE(status) << status.error().message;
    return status ? status->state : VmState::unknown;
  }
  const std::string& dir() const { return folder_.path(); }

  TempFolder folder_;
  RealHost host;
  TestCall call;
  StartArgs args;
  CreateArgs create_;
  std::optional<Qemu> plugin_;
};

}  // namespace qarax::qemu::testing
