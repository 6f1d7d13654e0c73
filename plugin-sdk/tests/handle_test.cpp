#include "qarax/plugin/handle.hpp"

#include <gtest/gtest.h>

namespace qarax::plugin {
namespace {

VmArgs with(std::string handle) {
  VmArgs args;
  args.vm = "v1";
  args.handle.text = std::move(handle);
  return args;
}

TEST(Handle, IsItsPluginsOwn) {
  EXPECT_TRUE(check_handle(with(make_handle("foo", 1)), "foo", 2));
  EXPECT_TRUE(check_handle(with(make_handle("foo", 2)), "foo", 2));
  EXPECT_TRUE(check_handle(with(R"({"more":[1],"vmm":"foo","format":1})"), "vmm", "foo", 1));
  EXPECT_EQ(check_handle(with(make_handle("foo", 1)), "vmm", "foo", 2).error().code, Code::not_found)
      << "its name stands in another member";
}

TEST(Handle, WhatThePluginNeverMadeIsNotFound) {
  for (const char* handle :
       {"null", "7", "{}", "not JSON", R"({"format":1})", R"({"plugin":"foo"})", R"({"format":"1","plugin":"foo"})",
        R"({"format":1,"plugin":"food"})", R"({"format":1,"plugin":7})", R"({"format":9,"plugin":"bar"})",
        R"({"format":0,"plugin":"foo"})", R"({"format":-1,"plugin":"foo"})"}) {
    const Status checked = check_handle(with(handle), "foo", 2);
    ASSERT_FALSE(checked) << handle;
    EXPECT_EQ(checked.error().code, Code::not_found) << handle;
    EXPECT_EQ(checked.error().message, "VM v1 has no handle of the plugin foo");
  }
}

TEST(Handle, OfANewerVersionNamesBothFormats) {
  const Status checked = check_handle(with(make_handle("foo", 3)), "foo", 2);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::failed_precondition);
  EXPECT_EQ(checked.error().message,
            "VM v1 was started by a newer plugin foo (handle format 3, this one knows 2); upgrade this node's plugin");
}

TEST(Handle, OnlyAGracefulStopNeedsToKnowIt) {
  const Status newer = check_handle(with(make_handle("foo", 3)), "foo", 2);
  const Status strange = check_handle(with("null"), "foo", 2);
  EXPECT_EQ(may_stop({.mode = StopMode::graceful}, newer).error().code, Code::failed_precondition);
  EXPECT_TRUE(may_stop({.mode = StopMode::force}, newer));
  EXPECT_TRUE(may_stop({.mode = StopMode::graceful}, strange));
  EXPECT_TRUE(may_stop({.mode = StopMode::graceful}, check_handle(with(make_handle("foo", 2)), "foo", 2)));
}

}  // namespace
}  // namespace qarax::plugin
