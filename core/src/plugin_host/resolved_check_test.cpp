#include "resolved_check.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

std::string fault(const VmSpec& asked, const VmSpec& resolved) {
  const Status checked = check_resolved(asked, resolved);
  return checked ? "" : checked.error().reason + ": " + checked.error().message;
}

TEST(ResolvedSpec, WhatWasLeftOpenMayBeFilledIn) {
  const VmSpec asked{.boot_vcpus = 4, .memory_size = 1 << 30, .memory_shared = true, .config = {R"({"a":1})"}};
  EXPECT_EQ(fault(asked, asked), "");
  VmSpec resolved = asked;
  resolved.max_vcpus = 4;
  resolved.memory_hugepage_size = 2 << 20;
  resolved.memory_thp = true;
  resolved.config.text = R"({"a":1,"machine":"pc-q35-7.2"})";
  EXPECT_EQ(fault(asked, resolved), "");
}

TEST(ResolvedSpec, WhatWasAskedForStays) {
  const VmSpec asked{.boot_vcpus = 2, .max_vcpus = 4, .cpu_topology = CpuTopology{.packages = 4}, .kvm_hyperv = true};
  const auto changed = [&](auto change) {
    VmSpec resolved = asked;
    change(resolved);
    return fault(asked, resolved);
  };
  const std::string bug = "plugin-bug: resolve changed the VM that was asked for: ";
  EXPECT_EQ(changed([](VmSpec& s) { s.boot_vcpus = 1; }), bug + "/boot_vcpus 2 became 1");
  EXPECT_EQ(changed([](VmSpec& s) { s.max_vcpus = 8; }), bug + "/max_vcpus 4 became 8");
  EXPECT_EQ(changed([](VmSpec& s) { s.kvm_hyperv = false; }), bug + "/kvm_hyperv true became false");
  EXPECT_EQ(changed([](VmSpec& s) { s.cpu_topology.reset(); }), bug + "/cpu_topology {\"packages\":4} became null");
  EXPECT_EQ(fault({}, {.memory_size = 1 << 30}), bug + "/memory_size 536870912 became 1073741824")
      << "the default is a size, too";
  const Status all = check_resolved(asked, {});
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().details.size(), 4u);
}

}  // namespace
}  // namespace qarax::core
