#include "default_hypervisor.hpp"

#include <gtest/gtest.h>

namespace qarax::agent {
namespace {

using core::PluginState;
using Records = std::vector<core::PluginRecord>;

core::PluginRecord plugin(const std::string& name, PluginState state, bool healthy = true) {
  core::PluginRecord out;
  out.name = name;
  out.state = state;
  out.description.healthy = healthy;
  return out;
}
core::PluginRecord healthy(const std::string& name) { return plugin(name, PluginState::loaded); }
core::PluginRecord ill(const std::string& name) { return plugin(name, PluginState::loaded, false); }
core::PluginRecord loading(const std::string& name) { return plugin(name, PluginState::loading); }
core::PluginRecord refused(const std::string& name) { return plugin(name, PluginState::refused); }
core::PluginRecord simulator() {
  core::PluginRecord out = healthy("simulator");
  out.description.accelerator = "simulated";
  return out;
}

TEST(DefaultHypervisor, ThePreferredOneWhereItIsHealthyWhateverItsPlace) {
  EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), healthy("cloud_hv")}, {"cloud_hv"}), "cloud_hv");
  EXPECT_EQ(choose_default_hypervisor({healthy("cloud_hv"), healthy("other")}, {"other", "cloud_hv"}), "other");
  EXPECT_EQ(choose_default_hypervisor({healthy("cloud_hv"), ill("other")}, {"other", "cloud_hv"}), "cloud_hv");
  EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), refused("cloud_hv")}, {"cloud_hv"}), "qemu");
  EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), simulator()}, {"simulator"}), "simulator");
}

TEST(DefaultHypervisor, ElseTheFirstHealthyOneThatIsNoSimulatorElseTheFirstLoadedOne) {
  EXPECT_EQ(choose_default_hypervisor({simulator(), ill("cloud_hv"), healthy("b"), healthy("a")}, {"cloud_hv"}), "b");
  EXPECT_EQ(choose_default_hypervisor({healthy("b"), healthy("a")}, {}), "b");
  EXPECT_EQ(choose_default_hypervisor({refused("a"), ill("b"), ill("c")}, {"c"}), "b");
  EXPECT_EQ(choose_default_hypervisor({simulator()}, {}), "simulator");
  EXPECT_EQ(choose_default_hypervisor({refused("a")}, {"a"}), "");
  EXPECT_EQ(choose_default_hypervisor({}, {"cloud_hv"}), "");
}

TEST(DefaultHypervisor, NeverASimulatorBesideWhatCouldRunGuests) {
  EXPECT_EQ(choose_default_hypervisor({simulator(), refused("qemu")}, {"cloud_hv"}), "");
  EXPECT_EQ(choose_default_hypervisor({simulator(), loading("qemu")}, {"cloud_hv"}), "");
  EXPECT_EQ(choose_default_hypervisor({simulator(), loading("")}, {}), "");
  EXPECT_EQ(choose_default_hypervisor({simulator(), ill("qemu")}, {"cloud_hv"}), "qemu") << "which says what is wrong";
  EXPECT_EQ(choose_default_hypervisor({simulator(), refused("qemu")}, {"qemu", "simulator"}), "simulator");
}

TEST(DefaultHypervisor, AnIllOneIsTakenOnlyWhereNoOtherMayCome) {
  EXPECT_EQ(choose_default_hypervisor({ill("a"), loading("b")}, {}), "");
  EXPECT_EQ(choose_default_hypervisor({ill("a"), refused("b")}, {}), "a");
}

TEST(DefaultHypervisor, NoneWhileAPreferredOneMayStillBeLoading) {
  for (const char* name : {"cloud_hv", ""})
    EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), loading(name)}, {"cloud_hv"}), "") << name;
  EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), loading("other")}, {"cloud_hv"}), "qemu");
  EXPECT_EQ(choose_default_hypervisor({healthy("qemu"), loading("")}, {}), "qemu");
  EXPECT_EQ(choose_default_hypervisor({healthy("first"), loading("second")}, {"first", "second"}), "first");
  EXPECT_EQ(choose_default_hypervisor({healthy("third"), loading("second")}, {"first", "second"}), "");
}

}  // namespace
}  // namespace qarax::agent
