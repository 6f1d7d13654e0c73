#include "vmm_path.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temp_folder.hpp"

namespace qarax::plugin {
namespace {

namespace fs = std::filesystem;

class VmmPathTest : public ::testing::Test {
 protected:
  VmmPathTest() {
    for (const std::string& one : search.folders) fs::create_directories(one);
  }
  static void install(const std::string& path, const std::string& text = "one") {
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_all);
  }
  void has_no(const std::string& why) const {
    const VmmPath found = find_vmm(search);
    EXPECT_EQ(found.path, "");
    EXPECT_EQ(found.why_not, why);
  }

  TempFolder folder;
  const std::string first = folder / "first";
  const std::string second = folder / "second";
  VmmSearch search{"vmm", "vmm-package", "", {first, second}};
};

TEST_F(VmmPathTest, TheFirstFolderThatHasItCounts) {
  has_no("there is no vmm in " + first + " or " + second +
         "; install it (apt-get install vmm-package), or set `binary` in the plugin's config, and restart the node");
  search.package = "";
  has_no("there is no vmm in " + first + " or " + second +
         "; install it, or set `binary` in the plugin's config, and restart the node");
  install(second + "/vmm");
  EXPECT_EQ(find_vmm(search).path, second + "/vmm");
  EXPECT_EQ(find_vmm(search).why_not, "");
  install(first + "/vmm");
  EXPECT_EQ(find_vmm(search).path, first + "/vmm");
  fs::permissions(first + "/vmm", fs::perms::owner_read);
  EXPECT_EQ(find_vmm(search).path, second + "/vmm") << "the first one can't be run";
}

TEST_F(VmmPathTest, WhatIsConfiguredIsTheOnlyOne) {
  install(first + "/vmm");
  search.configured = folder / "mine";
  has_no("the configured vmm " + search.configured +
         " can't be run: No such file or directory; correct `binary` in the plugin's config and restart the node");
  install(search.configured);
  EXPECT_EQ(find_vmm(search).path, search.configured);
}

TEST_F(VmmPathTest, WhatMayChangeTheAnswerChangesTheFingerprint) {
  const std::string none = vmm_fingerprint(search);
  install(second + "/vmm");
  const std::string one = vmm_fingerprint(search);
  EXPECT_NE(one, none);
  EXPECT_EQ(vmm_fingerprint(search), one);
  fs::permissions(second + "/vmm", fs::perms::owner_read);
  EXPECT_NE(vmm_fingerprint(search), one) << "it can't be run any more";
  fs::permissions(second + "/vmm", fs::perms::owner_all);
  EXPECT_EQ(vmm_fingerprint(search), one);
  install(first + "/vmm");
  EXPECT_NE(vmm_fingerprint(search), one) << "another one comes first";
  fs::remove(first + "/vmm");
  install(second + "/vmm", "another one");
  EXPECT_NE(vmm_fingerprint(search), one) << "it was replaced";

  search.configured = folder / "mine";
  const std::string configured = vmm_fingerprint(search);
  install(first + "/vmm");
  EXPECT_EQ(vmm_fingerprint(search), configured) << "nobody looks for others";
  install(search.configured);
  EXPECT_NE(vmm_fingerprint(search), configured);
}

}  // namespace
}  // namespace qarax::plugin
