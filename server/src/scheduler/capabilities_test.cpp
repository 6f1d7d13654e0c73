#include "capabilities.hpp"

#include <gtest/gtest.h>

#include "action_facts.hpp"

namespace qarax::server {
namespace {

core::NodeInfo node_with(std::vector<std::string> interfaces, std::vector<std::string> features) {
  core::PluginInfo plugin;
  plugin.name = "foo";
  plugin.version = "0.3.0";
  plugin.state = core::PluginState::loaded;
  plugin.interfaces = std::move(interfaces);
  plugin.description.emplace();
  plugin.description->vmm_version = "9.1";
  plugin.description->features = std::move(features);
  core::NodeInfo node;
  node.plugins.push_back(std::move(plugin));
  return node;
}

const std::vector<std::string> kSome = {"qarax.hypervisor/1", "qarax.hypervisor.pause/1",
                                        "qarax.hypervisor.snapshot/1"};

TEST(Capabilities, AreInterfacesThatTheVmmHas) {
  EXPECT_EQ(capabilities_of(node_with(kSome, {"kvm", "pause"}).plugins[0]), std::vector<std::string>{"pause"});
  EXPECT_EQ(capabilities_of(node_with(kSome, {"kvm"}).plugins[0]), (std::vector<std::string>{"pause", "snapshot"}))
      << "features that name no capability say nothing about them";
}

TEST(Capabilities, AConsoleThatTheHostServesIsAFeatureWithoutAnInterface) {
  EXPECT_EQ(capabilities_of(node_with(kSome, {"pause", "console"}).plugins[0]),
            (std::vector<std::string>{"pause", "console"}));
  EXPECT_EQ(capabilities_of(node_with(kSome, {"pause"}).plugins[0]), std::vector<std::string>{"pause"});
}

TEST(Capabilities, ARefusalNamesPluginHostAndCapability) {
  const auto no_code = check_capability(node_with(kSome, {"pause"}), "h1", "foo", "resize");
  ASSERT_FALSE(no_code);
  EXPECT_EQ(no_code.error().reason, "unsupported-by-hypervisor");
  EXPECT_EQ(no_code.error().message,
            "hypervisor foo 0.3.0 on host h1 lacks the capability resize: it doesn't offer "
            "qarax.hypervisor.resize/1");
  EXPECT_EQ(no_code.error().hint, "it has: pause");
  const auto old_vmm = check_capability(node_with(kSome, {"pause"}), "h1", "foo", "snapshot");
  ASSERT_FALSE(old_vmm);
  EXPECT_NE(old_vmm.error().message.find("its VMM there, version 9.1, can't"), std::string::npos);
  EXPECT_TRUE(check_capability(node_with(kSome, {"pause"}), "h1", "foo", "pause"));
}

TEST(Capabilities, WhatTheNodeDoesNotTellOfIsTheNodesToSay) {
  EXPECT_TRUE(check_capability(node_with(kSome, {}), "h1", "bar", "resize"));
}

TEST(Capabilities, EveryActionHasItsOwn) {
  EXPECT_EQ(facts_of(core::Action::resume).capability, "pause");
  EXPECT_EQ(facts_of(core::Action::restore).capability, "snapshot");
  EXPECT_EQ(facts_of(core::Action::stop).capability, "");
}

}  // namespace
}  // namespace qarax::server
