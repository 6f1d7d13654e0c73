#include "api/schemas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "api/host.hpp"
#include "api/vm.hpp"

namespace qarax::api {
namespace {

std::set<std::string> required(const std::string& name) {
  std::set<std::string> out;
  for (const auto& one : all_schemas())
    if (one.name == name)
      for (const auto& item : *one.schema.find("required")->as_array()) out.insert(*item.as_string());
  return out;
}

std::set<std::string> members(const std::string& document) {
  std::set<std::string> out;
  const auto parsed = json::parse(document);
  EXPECT_TRUE(parsed);
  for (const auto& member : *parsed->as_object()) out.insert(member.first);
  return out;
}

TEST(Schemas, WhatIsRequiredIsWhatAnEmptyDocumentHas) {
  EXPECT_EQ(required("Vm"), members(encode(Vm{}, Defaults::write)));
  EXPECT_EQ(required("Host"), members(encode(Host{}, Defaults::write)));
}

TEST(Schemas, AVmHasAllThatAClientOfTheFirstApiReads) {
  const auto vm = json::parse(encode(Vm{}, Defaults::write));
  ASSERT_TRUE(vm);
  for (const char* name : {"id", "name", "status", "hypervisor", "boot_vcpus", "max_vcpus", "kvm_hyperv", "memory_size",
                           "memory_mergeable", "memory_shared", "memory_hugepages", "memory_prefault", "memory_thp"})
    EXPECT_TRUE(vm->find(name) != nullptr && !vm->find(name)->is_null()) << name;
  for (const char* name : {"config", "host_id", "boot_source_id", "description", "cpu_topology", "memory_hotplug_size",
                           "memory_hugepage_size"})
    EXPECT_TRUE(vm->find(name) != nullptr && vm->find(name)->is_null()) << name;
}

TEST(Schemas, ARequestRequiresOnlyWhatHasNoDefault) {
  EXPECT_EQ(required("NewVm"), std::set<std::string>{"name"});
  EXPECT_EQ(required("NewHost"), (std::set<std::string>{"address", "name", "port"}));
}

TEST(Schemas, EveryReferenceHasItsSchema) {
  std::set<std::string> names;
  for (const auto& one : all_schemas()) EXPECT_TRUE(names.insert(one.name).second) << one.name << " twice";
  for (const auto& one : all_schemas()) {
    const std::string text = json::to_text(one.schema);
    constexpr std::string_view kPrefix = "#/components/schemas/";
    for (std::size_t at = 0; (at = text.find(kPrefix, at)) != std::string::npos;) {
      at += kPrefix.size();
      EXPECT_TRUE(names.contains(text.substr(at, text.find('"', at) - at))) << one.name;
    }
  }
}

}  // namespace
}  // namespace qarax::api
