#include "api/merge.hpp"

#include <gtest/gtest.h>

namespace qarax::api {
namespace {

struct Doc {
  explicit Doc(std::string_view from) : text(from) {
    auto parsed = json::parse(text);
    EXPECT_TRUE(parsed) << text;
    if (parsed) value = std::move(*parsed);
  }
  Spelled spelled() const { return {value, text}; }
  std::string text;
  json::Value value;
};

std::string patched(std::string_view target, std::string_view patch) {
  return merge_patch(Doc(target).spelled(), Doc(patch).spelled());
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
    EXPECT_EQ(patched(target, patch), result) << target << " + " << patch;
}

TEST(MergePatch, SpellsAnewOnlyWhatChanges) {
  EXPECT_EQ(patched(R"({"\u0061":{"b":1e3,"c":"\/"},"d":0.10})", R"({"a":{"b":1000.0}})"),
            R"({"\u0061":{"b":1e3,"c":"\/"},"d":0.10})")
      << "nothing";
  EXPECT_EQ(patched(R"({"\u0061":{"b":1e3,"c":"\/"},"d":0.10})", R"({"a":{"b":2e3}})"),
            R"({"a":{"b":2e3,"c":"\/"},"d":0.10})");
  EXPECT_EQ(patched(R"({"a":[1e3]})", R"({"a":[1000.0]})"), R"({"a":[1e3]})");
  EXPECT_EQ(patched(R"({"a":1000})", R"({"a":1e3})"), R"({"a":1e3})") << "which no integer is read from";
  EXPECT_EQ(patched(R"({"a":{"b":1}})", R"({"a":{"b":null}})"), R"({"a":{}})");
  EXPECT_EQ(patched(R"({"a":{"b":1}})", R"({"a":{"c":null}})"), R"({"a":{"b":1}})");
}

TEST(Same, IsTheValueAndNotItsSpelling) {
  const char* same[][2] = {{R"(["\u00fc\/"])", R"(["ü/"])"},
                           {"1e3", "1000.0"},
                           {"12345678901234567890", "1.2345678901234567e+19"},
                           {R"({ "a" : [ null, true ] })", R"({"a":[null,true]})"}};
  for (const auto& [a, b] : same) EXPECT_TRUE(is_same(Doc(a).spelled(), Doc(b).spelled())) << a << " " << b;
  const char* other[][2] = {{"12345678901234567890", "12345678901234567891"},
                            {"1000", "1e3"},
                            {"[1]", "[1,1]"},
                            {"[1]", "[2]"},
                            {R"({"a":1})", R"({"b":1})"},
                            {R"({"a":1})", R"({})"},
                            {R"("1")", "1"},
                            {"null", "false"}};
  for (const auto& [a, b] : other) EXPECT_FALSE(is_same(Doc(a).spelled(), Doc(b).spelled())) << a << " " << b;
}

TEST(Difference, LeadsFromOneToTheOther) {
  const char* cases[][2] = {{R"({"a":1,"b":{"c":2,"d":3}})", R"({"a":1,"b":{"c":4}})"},
                            {R"({"a":1})", R"({})"},
                            {R"({"a":{"b":1}})", R"({"a":[1]})"},
                            {R"({})", R"({"a":{"b":{}}})"},
                            {R"({"a":12345678901234567890})", R"({"a":12345678901234567891})"}};
  for (const auto& [from, to] : cases) {
    const Doc before(from);
    const Doc after(to);
    const json::Value change = difference(before.spelled(), after.spelled());
    EXPECT_EQ(merge_patch(before.spelled(), {change, after.text}), to);
  }
  EXPECT_EQ(json::to_text(difference(Doc(R"({"a":1,"b":{"c":2,"d":3}})").spelled(),
                                     Doc(R"({"a":1,"b":{"c":4,"d":3}})").spelled())),
            R"({"b":{"c":4}})");
}

}  // namespace
}  // namespace qarax::api
