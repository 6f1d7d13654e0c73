#include <gtest/gtest.h>

#include <algorithm>

#include "api/host.hpp"
#include "api/new_vm.hpp"
#include "api/rules.hpp"

namespace qarax::api {
namespace {

std::string pointers(const Error& error) {
  std::string out;
  for (const auto& one : error.details) out += one.pointer + " ";
  return out;
}

// Expects that the document is refused; returns the pointers of its problems.
std::string refused(const std::string& body) {
  const auto vm = decode_new_vm(body);
  EXPECT_FALSE(vm) << body;
  return vm ? "accepted" : pointers(vm.error());
}

TEST(NewVm, TheSmallestBodyGetsTheDefaults) {
  const auto vm = decode_new_vm(R"({"name":"web"})");
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ(vm->name, "web");
  EXPECT_EQ(vm->spec.boot_vcpus, 1);
  EXPECT_EQ(vm->spec.config.text, "null");
  EXPECT_FALSE(vm->hypervisor);
}

TEST(NewVm, MaxVcpusFollowsBootVcpusWhenAbsent) {
  EXPECT_EQ(decode_new_vm(R"({"name":"a","boot_vcpus":4})")->spec.max_vcpus, 4);
  EXPECT_EQ(decode_new_vm(R"({"name":"a","boot_vcpus":4,"max_vcpus":null})")->spec.max_vcpus, 4);
  EXPECT_EQ(decode_new_vm(R"({"name":"a","boot_vcpus":4,"max_vcpus":8})")->spec.max_vcpus, 8);
  EXPECT_EQ(refused(R"({"name":"a","boot_vcpus":4,"max_vcpus":2})"), "/max_vcpus ");
}

TEST(NewVm, TheWholeBodyOfAClientOfTheFirstApi) {
  const auto vm = decode_new_vm(R"({"name":"web-1","hypervisor":"cloud_hv","boot_vcpus":2,"max_vcpus":4,
    "memory_size":1073741824,"cpu_topology":{"threads_per_core":2,"cores_per_die":2,"dies_per_package":1,"packages":1},
    "kvm_hyperv":false,"memory_mergeable":null,"memory_shared":true,"memory_hugepages":true,"memory_prefault":false,
    "memory_thp":null,"memory_hotplug_size":null,"memory_hugepage_size":2097152,
    "boot_source_id":"6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55","description":"the \u00e4 one","config":{"a":[1,"x/y"]}})");
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_TRUE(vm->spec.memory_shared);
  EXPECT_FALSE(vm->spec.memory_thp);
  EXPECT_EQ(vm->spec.config.text, R"({"a":[1,"x/y"]})");
  EXPECT_EQ(*vm->hypervisor, "cloud_hv");
}

TEST(NewVm, EveryProblemIsNamedAtOnce) {
  EXPECT_EQ(refused(R"({"name":"a b","boot_vcpus":0,"nonsense":1,"config":{"kernel":"/etc/shadow"}})"),
            "/boot_vcpus /nonsense /name /config/kernel ");
  EXPECT_EQ(refused("{}"), "/name ");
  EXPECT_EQ(refused(R"({"name":7})"), "/name ");
  EXPECT_EQ(refused(R"({"name":"a","memory_size":null})"), "/memory_size ");
  EXPECT_EQ(refused(R"({"name":"a","boot_vcpus":null})"), "/boot_vcpus ");
  EXPECT_EQ(refused(R"({"name":"a","memory_size":1048575})"), "/memory_size ");
  EXPECT_EQ(refused(R"({"name":"a","hypervisor":"../x"})"), "/hypervisor ");
  EXPECT_EQ(refused(R"({"name":"a","boot_source_id":"x"})"), "/boot_source_id ");
}

TEST(NewVm, BrokenJsonIsAnotherProblemThanAWrongDocument) {
  EXPECT_EQ(decode_new_vm("{").error().reason, "bad-json");
  EXPECT_EQ(decode_new_vm("[]").error().reason, "validation");
}

TEST(NewVm, NamesAreSafeInPathsAndShells) {
  for (const char* good : {"a", "A1", "web-1.example_x", "0", "a..b"}) EXPECT_TRUE(is_safe_name(good)) << good;
  for (const char* bad : {"", ".", "..", "-rf", ".ssh", "a/b", "../x", "a b", "a;b", "$(reboot)", "`x`", "a\nb", "ä",
                          "a%2fb", "a\\b", "a'b", "a\"b", "a*"})
    EXPECT_FALSE(is_safe_name(bad)) << bad;
  EXPECT_FALSE(is_safe_name(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_safe_name(std::string(253, 'x')));
  EXPECT_FALSE(is_safe_name(std::string(254, 'x')));
}

TEST(NewVm, TheTopologyIsThatOfMaxVcpus) {
  const std::string head = R"({"name":"a","boot_vcpus":2,"max_vcpus":4,"cpu_topology":)";
  EXPECT_TRUE(decode_new_vm(head + R"({"cores_per_die":4}})"));
  EXPECT_TRUE(decode_new_vm(head + "null}"));
  EXPECT_EQ(refused(head + R"({"cores_per_die":2}})"), "/cpu_topology ");
  EXPECT_EQ(refused(head + R"({"packages":0,"cores_per_die":4}})"), "/cpu_topology/packages ");
  EXPECT_EQ(refused(head + R"({"cores":4}})"), "/cpu_topology/cores ");
}

TEST(NewVm, HugePagesMustBePossible) {
  const std::string head = R"({"name":"a","memory_size":134217728,"memory_hugepages":true,"memory_hugepage_size":)";
  EXPECT_TRUE(decode_new_vm(head + "2097152}"));
  EXPECT_EQ(refused(head + "2097153}"), "/memory_hugepage_size ");
  EXPECT_EQ(refused(head + "1073741824}"), "/memory_size ");
  EXPECT_EQ(refused(R"({"name":"a","memory_size":134217728,"memory_hugepage_size":2097152})"),
            "/memory_hugepage_size ");
  EXPECT_EQ(refused(R"({"name":"a","memory_hotplug_size":9223372036854775807})"), "/memory_hotplug_size ");
}

TEST(NewVm, ConfigLeavesRoomForTheDocumentsAroundIt) {
  const auto nested = [](std::size_t levels) {
    return R"({"name":"a","config":)" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_TRUE(decode_new_vm(nested(kMaxConfigDepth)));
  EXPECT_EQ(refused(nested(kMaxConfigDepth + 1)), "/config ");
}

TEST(NewVm, ConfigNamesNoFileOfTheHost) {
  const auto config = [](const std::string& text) { return R"({"name":"a","config":)" + text + "}"; };
  for (const char* good : {R"({"delay":"10ms"})", R"({"url":"https://host/x"})", R"("a/b")", R"({"a":["1..2"]})", "[]",
                           "null", R"({"machine":"q35"})", R"({"list":"a,b"})"})
    EXPECT_TRUE(decode_new_vm(config(good))) << good;
  EXPECT_EQ(refused(config(R"("/dev/sda")")), "/config ");
  EXPECT_EQ(refused(config(R"({"a":{"b":["x","/etc/passwd"]}})")), "/config/a/b/1 ");
  EXPECT_EQ(refused(config(R"({"u":"FILE:///etc"})")), "/config/u ");
  EXPECT_EQ(refused(config(R"({"u":"~/x"})")), "/config/u ");
  EXPECT_EQ(refused(config(R"({"u":"../x"})")), "/config/u ");
  EXPECT_EQ(refused(config(R"({"u":"x/../../y"})")), "/config/u ");
  EXPECT_EQ(refused(config(R"({"u":"path=/x"})")), "/config/u ");
  EXPECT_EQ(refused(config(R"({"/x":1})")), "/config/~1x ");
}

TEST(NewHost, TakesNamesAndAddresses) {
  const auto host =
      decode_new_host(R"({"name":"n1","address":"127.0.0.1","port":50051,"host_user":"root","password":"x"})");
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_EQ(host->port, 50051);
  for (const char* good : {"::1", "[fe80::1]", "node.example.org", "10.0.0.1"}) {
    Problems problems;
    check_address(problems, "/address", good);
    EXPECT_TRUE(problems.empty()) << good;
  }
  for (const char* bad : {"host:1", "unix:/x", "a b", "[::1", "x..y", "http://x", "[a]"}) {
    Problems problems;
    check_address(problems, "/address", bad);
    EXPECT_EQ(problems.size(), 1u) << bad;
  }
}

TEST(NewHost, RefusesWhatItCantUse) {
  EXPECT_EQ(pointers(decode_new_host(R"({"name":"n","address":"a","port":0})").error()), "/port ");
  EXPECT_EQ(pointers(decode_new_host(R"({"name":"n"})").error()), "/address /port ");
  EXPECT_EQ(pointers(decode_new_host(R"({"name":"n","address":"a","port":1,"host_user":"a\u0007"})").error()),
            "/host_user ");
  EXPECT_EQ(pointers(decode_new_host(R"({"name":"n/","address":"a b","port":1})").error()), "/name /address ");
}

}  // namespace
}  // namespace qarax::api
