#include "trial_files.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "kernel_file.hpp"
#include "temp_folder.hpp"

namespace qarax::plugin {
namespace {

class TrialFiles : public ::testing::Test {
 protected:
  std::string why(const std::string& content, const std::string& printed = {}) {
    std::ofstream(kernel_, std::ios::binary | std::ios::trunc) << content;
    return why_unbootable(files_, printed, printed);
  }
  TempFolder folder_;
  const std::string kernel_ = folder_ / "kernel";
  const std::vector<TrialFile> files_{{"kernel", kernel_, {"no such kernel", "bad kernel"}},
                                      {"initramfs", "/x/initramfs", {"bad initramfs"}}};
};

TEST_F(TrialFiles, AKernelThatIsWholeIsNotToBlame) {
  EXPECT_EQ(why(empty_bzimage()), "");
  EXPECT_EQ(why(empty_bzimage() + "a signature"), "");
  EXPECT_EQ(why(elf_without_pvh()), "") << "the VMM knows more of it";
  EXPECT_EQ(why(empty_bzimage(), "KVM internal error"), "");
}

TEST_F(TrialFiles, WhatIsNoKernelIsNamed) {
  for (const std::string& foreign : {std::string(), std::string("not a kernel"), std::string(100'000, 'x')})
    EXPECT_NE(why(foreign).find("the trial's kernel " + kernel_ + " is no Linux kernel"), std::string::npos)
        << why(foreign);
}

TEST_F(TrialFiles, ATornOneIsNamedWithWhatItHas) {
  const std::string torn = why(empty_bzimage().substr(0, 1500), "-- System halted");
  EXPECT_EQ(torn, "the trial's kernel " + kernel_ +
                      " is cut short: it has 1500 bytes, and 2048 by its header (last: -- System halted); correct "
                      "boot.kernel in the node's config, or probe_kernel in the plugin's");
}

TEST_F(TrialFiles, WhatTheVmmRefusesIsNamed) {
  EXPECT_NE(why(elf_without_pvh(), "VMM: bad kernel").find("the trial's kernel " + kernel_ + " can't be loaded"),
            std::string::npos);
  EXPECT_EQ(why(empty_bzimage(), "VMM: bad initramfs"),
            "the trial's initramfs /x/initramfs can't be loaded (last: VMM: bad initramfs); correct boot.initramfs in "
            "the node's config, or probe_initramfs in the plugin's");
  EXPECT_NE(why_unbootable({{"kernel", folder_ / "gone", {"no such kernel"}}}, "no such kernel", "").find("gone"),
            std::string::npos);
}

TEST_F(TrialFiles, ThatOneHasChangedShows) {
  const std::string none = fingerprints(files_);
  static_cast<void>(why("not a kernel"));
  const std::string foreign = fingerprints(files_);
  EXPECT_NE(none, foreign);
  EXPECT_EQ(fingerprints(files_), foreign);
  static_cast<void>(why(empty_bzimage()));
  EXPECT_NE(fingerprints(files_), foreign);
}

}  // namespace
}  // namespace qarax::plugin
