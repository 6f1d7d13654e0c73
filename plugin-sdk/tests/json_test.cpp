// How strict the reader is, case by case.
#include "qarax/plugin/json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qarax::json {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

struct Bad {
  std::string text;
  const char* pointer;
  const char* detail;
};

TEST(Json, Refuses) {
  using namespace std::string_literals;
  const Bad cases[] = {
      {"", "", "the document ends too early"},
      {"   ", "", "the document ends too early"},
      {"{} x", "", "unexpected text after the document"},
      {"{}{}", "", "unexpected text after the document"},
      {"nul", "", "expected a value"},
      {"True", "", "expected a value"},
      {"NaN", "", "expected a value"},
      {"-", "", "expected a value"},
      {"+1", "", "expected a value"},
      {".5", "", "expected a value"},
      {"01", "", "a number can't start with 0"},
      {"-01", "", "a number can't start with 0"},
      {"1.", "", "digits must follow the decimal point"},
      {"1e", "", "digits must follow the exponent"},
      {"1e999", "", "number out of range"},
      {"-1e999", "", "number out of range"},
      {"'a'", "", "expected a value"},
      {"[1,]", "/1", "expected a value"},
      {"[1 2]", "", "expected ',' or ']'"},
      {"[", "/0", "the document ends too early"},
      {R"({"a":1,})", "", "expected a member name in double quotes"},
      {R"({a:1})", "", "expected a member name in double quotes"},
      {R"({"a" 1})", "/a", "expected ':'"},
      {R"({"a":1 "b":2})", "", "expected ',' or '}'"},
      {R"({"a":1,"a":2})", "/a", "duplicate member"},
      {R"({"x":{"a":1,"\u0061":2}})", "/x/a", "duplicate member"},
      {R"({"a/b":{"~":tru}})", "/a~1b/~0", "expected a value"},
      {"\"abc", "", "the document ends inside a string"},
      {"\"abc\\", "", "the document ends inside a string"},
      {"\"a\nb\"", "", "control character in a string"},
      {"\"a\0b\""s, "", "NUL character in a string"},
      {R"("a\u0000b")", "", "NUL character in a string"},
      {R"({"a\u0000":1})", "", "NUL character in a string"},
      {R"("\ud800")", "", "lone surrogate in a string"},
      {R"("\ud800x")", "", "lone surrogate in a string"},
      {R"("\ud800\u0041")", "", "lone surrogate in a string"},
      {R"("\udc00")", "", "lone surrogate in a string"},
      {R"("\x41")", "", "unknown escape in a string"},
      {R"("\u12g4")", "", "bad \\u escape"},
      {R"("\u-123")", "", "bad \\u escape"},
      {R"("\u12)", "", "bad \\u escape"},
      {"\"\x80\"", "", "invalid UTF-8"},
      {"\"\xC0\xAF\"", "", "invalid UTF-8"},          // overlong
      {"\"\xE0\x80\xAF\"", "", "invalid UTF-8"},      // overlong
      {"\"\xED\xA0\x80\"", "", "invalid UTF-8"},      // a surrogate, encoded
      {"\"\xF4\x90\x80\x80\"", "", "invalid UTF-8"},  // above U+10FFFF
      {"\"\xF0\x9F\x98\"", "", "invalid UTF-8"},      // cut off
      {"\xEF\xBB\xBF{}", "", "expected a value"},     // byte order mark
      {"[/* no */]", "/0", "expected a value"},
  };
  for (const auto& each : cases) {
    const auto parsed = parse(each.text);
    ASSERT_FALSE(parsed) << each.text;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_EQ(parsed.error().reason, "bad-json");
    ASSERT_EQ(parsed.error().details.size(), 1u);
    EXPECT_EQ(parsed.error().details[0].pointer, each.pointer) << each.text;
    EXPECT_EQ(parsed.error().details[0].detail, each.detail) << each.text;
  }
}

TEST(Json, DepthIsBounded) {
  EXPECT_TRUE(parse(nested(64)));
  const auto deep = parse(nested(65));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().details[0].detail, "nested deeper than 64 levels");
  EXPECT_FALSE(parse(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  EXPECT_EQ(parse(objects).error().details[0].detail, "nested deeper than 64 levels");
  std::string scalar = "1";
  for (int i = 0; i < 64; ++i) scalar.insert(0, "[").append("]");
  EXPECT_TRUE(parse(scalar)) << "a scalar inside 64 arrays";
}

TEST(Json, MembersAreBounded) {
  const auto object = [](int members) {
    std::string text = "{";
    for (int i = 0; i < members; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_TRUE(parse(object(1024)));
  EXPECT_EQ(parse(object(1025)).error().details[0].detail, "more than 1024 members");
}

TEST(Json, Numbers) {
  EXPECT_EQ(*parse("9223372036854775807")->as_int(), 9223372036854775807);
  EXPECT_EQ(*parse("-9223372036854775808")->as_int(), std::int64_t{-9223372036854775807} - 1);
  EXPECT_EQ(parse("9223372036854775808")->as_int(), nullptr) << "beyond 64 bits it is no integer any more";
  EXPECT_NE(parse("9223372036854775808")->as_double(), nullptr);
  EXPECT_EQ(parse("2.0")->as_int(), nullptr);
  EXPECT_EQ(parse("1e3")->as_int(), nullptr);
  EXPECT_EQ(*parse("-0")->as_int(), 0);
  EXPECT_DOUBLE_EQ(*parse("-2.5e-3")->as_double(), -0.0025);
}

TEST(Json, WhatIsReadIsWritten) {
  const char* same[] = {
      "null", "true",      "[]", "{}", R"({"a":[1,2.5,"x",null,{"b":false}]})", R"("\"\\\n\r\t\u0001é😀")",
      "-7",   R"({"":""})"};
  for (const char* text : same) EXPECT_EQ(to_text(*parse(text)), text);
  EXPECT_EQ(to_text(*parse(R"("\u00e9\ud83d\ude00\/\b\f")")), "\"é😀/\\u0008\\u000c\"");
  EXPECT_EQ(to_text(*parse("1.0")), "1.0") << "a number stays what it was";
}

TEST(Json, SourceTextKeepsSpellings) {
  const std::string text = "{ \"a\" : [ 18446744073709551615 , 1.50, \"x \\\" y\\u00e9\" ] ,\n \"b\":1 }";
  const auto value = parse(text);
  EXPECT_EQ(source_text(*value->find("a"), text), R"([18446744073709551615,1.50,"x \" y\u00e9"])");
  EXPECT_EQ(source_text(*value, text), R"({"a":[18446744073709551615,1.50,"x \" y\u00e9"],"b":1})");
  EXPECT_EQ(source_text(Value(std::int64_t{5}), text), "5") << "a value that was made, not read";
}

TEST(Json, RepairUtf8) {
  EXPECT_EQ(repair_utf8("plain é😀"), "plain é😀");
  EXPECT_EQ(repair_utf8("a\xff\x80z"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(repair_utf8("\xF0\x9F\x98"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(repair_utf8(""), "");
}

}  // namespace
}  // namespace qarax::json
