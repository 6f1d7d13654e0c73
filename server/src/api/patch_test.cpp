#include "api/patch.hpp"

#include <gtest/gtest.h>

#include "api/rules.hpp"

namespace qarax::api {
namespace {

NewVm vm(std::string_view body) {
  auto decoded = decode_new_vm(body);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

VmSpec spec(std::string_view text) {
  auto decoded = decode<VmSpec>(text);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

TEST(Patched, ChangesWhatItNamesAndNothingElse) {
  const NewVm before =
      vm(R"({"name":"web","memory_size":134217728,"tags":["a"],"description":"old","config":{"x":1}})");
  const auto after = patched(before, R"({"memory_size":268435456,"description":null,"config":{"y":[2]}})");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(changed_members(before, *after), (std::vector<std::string>{"memory_size", "config", "description"}));
  EXPECT_EQ(after->spec.memory_size, 268435456);
  EXPECT_EQ(after->spec.config.text, R"({"x":1,"y":[2]})");
  EXPECT_FALSE(after->description);
  EXPECT_EQ(after->tags, std::vector<std::string>{"a"});
  EXPECT_TRUE(changed_members(before, *patched(before, "{}")).empty());
}

// Escapes, an exponent, a trailing zero and a number beyond 64 bits: what a parser spells anew.
TEST(Patched, AConfigThatItDoesNotNameStaysAsItIsSpelled) {
  const std::string config = R"({"note":"\u00fc\/","rate":1e3,"share":0.10,"seed":12345678901234567890})";
  const NewVm before = vm(R"({"name":"web","config":)" + config + "}");
  const auto after = patched(before, R"({"description":"x"})");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->spec.config.text, config);
  EXPECT_EQ(changed_members(before, *after), std::vector<std::string>{"description"});
}

TEST(Patched, AConfigChangesOnlyWhereItsValuesDo) {
  const std::string config = R"({"note":"\u00fc","seed":12345678901234567890,"list":[0.10]})";
  const NewVm before = vm(R"({"name":"web","config":)" + config + "}");
  // As a client sends it that has parsed what it read.
  const auto same = patched(before, R"({"config":{"note":"ü","seed":1.2345678901234567e+19,"list":[0.1]}})");
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->spec.config.text, config);
  const auto other = patched(before, R"({"config":{"note":"\u00e4","new":1e3}})");
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(other->spec.config.text, R"({"note":"\u00e4","seed":12345678901234567890,"list":[0.10],"new":1e3})");
  EXPECT_EQ(patched(before, R"({"config":{"seed":12345678901234567891}})")->spec.config.text,
            R"({"note":"\u00fc","seed":12345678901234567891,"list":[0.10]})");
}

TEST(Patched, AConfigOfBeforeTheLimitOfItsDepthMayStay) {
  std::string deep = "1";
  for (int level = 0; level <= kMaxConfigDepth; ++level) deep = R"({"a":)" + deep + "}";
  NewVm before = vm(R"({"name":"web"})");
  before.spec.config.text = deep;
  const auto after = patched(before, R"({"description":"x"})");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->spec.config.text, deep);
  const auto refused = patched(before, R"({"config":{"b":1}})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at(0).pointer, "/config");
}

TEST(Patched, NullIsTheDefault) {
  const NewVm before = vm(R"({"name":"web","memory_shared":true,"tags":["a"],"hypervisor":"qemu"})");
  const auto after = patched(before, R"({"memory_shared":null,"tags":null,"hypervisor":null})");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_FALSE(after->spec.memory_shared);
  EXPECT_TRUE(after->tags.empty());
  EXPECT_FALSE(after->hypervisor);
}

TEST(Patched, MaxVcpusFollowsWhoNeverToldTheTwoApart) {
  EXPECT_EQ(patched(vm(R"({"name":"a","boot_vcpus":2})"), R"({"boot_vcpus":4})")->spec.max_vcpus, 4);
  EXPECT_EQ(patched(vm(R"({"name":"a","boot_vcpus":2,"max_vcpus":8})"), R"({"boot_vcpus":4})")->spec.max_vcpus, 8);
  EXPECT_EQ(patched(vm(R"({"name":"a","boot_vcpus":2})"), R"({"boot_vcpus":1,"max_vcpus":2})")->spec.max_vcpus, 2);
  EXPECT_FALSE(patched(vm(R"({"name":"a","boot_vcpus":2,"max_vcpus":8})"), R"({"boot_vcpus":9})"));
}

TEST(Patched, RefusesWithThePointer) {
  const NewVm before = vm(R"({"name":"web"})");
  const char* cases[][2] = {{R"({"status":"running"})", "/status"},
                            {R"({"id":"x"})", "/id"},
                            {R"({"colour":"red"})", "/colour"},
                            {R"({"name":null})", "/name"},
                            {R"({"name":"../x"})", "/name"},
                            {R"({"boot_vcpus":"2"})", "/boot_vcpus"},
                            {R"({"config":{"a":"/etc"}})", "/config/a"},
                            {R"({"tags":["a","a"]})", "/tags/1"},
                            {R"({"tags":["a,b"]})", "/tags/0"},
                            {R"({"tags":"a"})", "/tags"},
                            {"[]", ""}};
  for (const auto& [patch, pointer] : cases) {
    const auto after = patched(before, patch);
    ASSERT_FALSE(after) << patch;
    EXPECT_EQ(after.error().reason, "validation");
    ASSERT_FALSE(after.error().details.empty()) << patch;
    EXPECT_EQ(after.error().details.front().pointer, pointer) << patch;
    EXPECT_TRUE(after.error().message.starts_with("VmPatch ")) << after.error().message;
  }
  EXPECT_EQ(patched(before, "{").error().reason, "bad-json");
}

TEST(Patched, AHostToo) {
  const NewHost before{"h1", "127.0.0.1", 1, std::nullopt, std::nullopt};
  const auto after = patched(before, R"({"address":"192.0.2.7","port":50051})");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->name, "h1");
  EXPECT_EQ(after->address, "192.0.2.7");
  EXPECT_FALSE(patched(before, R"({"address":"a b"})"));
  EXPECT_FALSE(patched(before, R"({"node_id":"x"})"));
}

TEST(Follow, KeepsWhatIsFrozen) {
  const VmSpec asked = spec(R"({"memory_size":134217728,"config":{"machine":"q35"}})");
  const VmSpec frozen = spec(R"({"memory_size":134217728,"config":{"machine":"pc-q35-7.2","cpu":"v3"}})");
  VmSpec larger = asked;
  larger.memory_size = 268435456;
  EXPECT_EQ(encode(*follow(frozen, asked, larger)),
            R"({"memory_size":268435456,"config":{"machine":"pc-q35-7.2","cpu":"v3"}})");
  // A member that the change names replaces the frozen one.
  EXPECT_EQ(follow(frozen, asked, spec(R"({"memory_size":134217728,"config":{"machine":"pc"}})"))->config.text,
            R"({"machine":"pc","cpu":"v3"})");
  EXPECT_EQ(follow(frozen, asked, spec(R"({"memory_size":134217728,"config":{}})"))->config.text, R"({"cpu":"v3"})");
  EXPECT_EQ(follow(frozen, asked, spec(R"({"memory_size":134217728})"))->config.text, R"({"cpu":"v3"})");
  EXPECT_EQ(follow(frozen, spec("{}"), spec(R"({"config":{"rng":true}})"))->config.text,
            R"({"machine":"pc-q35-7.2","cpu":"v3","rng":true})");
}

TEST(Follow, KeepsTheSpellingOfWhatIsFrozen) {
  const VmSpec asked = spec(R"({"memory_size":134217728,"config":{"seed":12345678901234567890}})");
  const VmSpec frozen = spec(R"({"memory_size":134217728,"config":{"seed":12345678901234567890,"id":1e3}})");
  VmSpec larger = asked;
  larger.memory_size = 268435456;
  EXPECT_EQ(follow(frozen, asked, larger)->config.text, frozen.config.text);
  EXPECT_EQ(
      follow(frozen, asked, spec(R"({"memory_size":134217728,"config":{"seed":12345678901234567891}})"))->config.text,
      R"({"seed":12345678901234567891,"id":1e3})");
}

TEST(Tags, OverTheLimitAreRefused) {
  std::string body = R"({"name":"a","tags":[)";
  for (int i = 0; i < 33; ++i) body += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\"";
  const auto refused = decode_new_vm(body + "]}");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.front().pointer, "/tags");
  EXPECT_FALSE(decode_new_vm(R"({"name":"a","tags":[")" + std::string(64, 'x') + R"("]})"));
  EXPECT_EQ(decode_new_vm(R"({"name":"a","tags":["tier=web","a:b/c"]})")->tags.size(), 2u);
  EXPECT_TRUE(decode_new_vm(R"({"name":"a","tags":null})")->tags.empty());
}

}  // namespace
}  // namespace qarax::api
