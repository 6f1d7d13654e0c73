#include "api/patch.hpp"

#include <gtest/gtest.h>

namespace qarax::api {
namespace {

json::Value value(std::string_view text) {
  auto parsed = json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : json::Value();
}

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

// The examples of RFC 7396, appendix A.
TEST(MergePatch, IsTheStandards) {
  const char* cases[][3] = {{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
                            {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
                            {R"({"a":"b"})", R"({"a":null})", R"({})"},
                            {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
                            {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
                            {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
                            {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
                            {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
                            {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
                            {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
                            {R"({"a":"foo"})", "null", "null"},
                            {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
                            {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
                            {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto& [target, patch, result] : cases)
    EXPECT_EQ(json::to_text(merge_patch(value(target), value(patch))), result) << target << " + " << patch;
}

TEST(Difference, LeadsFromOneToTheOther) {
  const char* cases[][2] = {{R"({"a":1,"b":{"c":2,"d":3}})", R"({"a":1,"b":{"c":4}})"},
                            {R"({"a":1})", R"({})"},
                            {R"({"a":{"b":1}})", R"({"a":[1]})"},
                            {R"({})", R"({"a":{"b":{}}})"}};
  for (const auto& [before, after] : cases)
    EXPECT_EQ(json::to_text(merge_patch(value(before), difference(value(before), value(after)))), after);
  EXPECT_EQ(json::to_text(difference(value(R"({"a":1,"b":{"c":2,"d":3}})"), value(R"({"a":1,"b":{"c":4,"d":3}})"))),
            R"({"b":{"c":4}})");
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
