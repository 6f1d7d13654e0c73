#include "boot_files_in_use.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"
#include "snapshot_folder.hpp"
#include "temp_folder.hpp"
#include "vm_folder.hpp"

namespace qarax::agent {
namespace {

class BootFilesInUse : public ::testing::Test {
 protected:
  VmFolder vm_with(const std::string& kernel) {
    const std::string id = core::new_uuid();
    VmFolder folder(vms_ + "/" + id);
    EXPECT_TRUE(core::make_folder(folder.path()));
    VmDocument document;
    document.vm = id;
    document.hypervisor = "qemu";
    document.boot.kernel = "/elsewhere/images/" + kernel;
    document.boot.kernel_pvh = document.boot.kernel + ".pvh";
    document.boot.initramfs = "/elsewhere/images/initramfs-of-" + kernel;
    EXPECT_TRUE(folder.write_document(document));
    return folder;
  }
  void snapshot_with(const VmFolder& vm, const std::string& kernel) {
    const SnapshotFolder snapshots(vm.path());
    SnapshotManifest manifest;
    manifest.id = core::new_uuid();
    manifest.vm = "a VM";
    manifest.hypervisor = "qemu";
    manifest.boot.kernel = "/images/" + kernel;
    ASSERT_TRUE(snapshots.begin(manifest.id));
    ASSERT_TRUE(snapshots.finish(manifest));
  }
  TempFolder folder_;
  const std::string vms_ = folder_ / "vms";
};

TEST_F(BootFilesInUse, WithoutVmsThereAreNone) {
  const auto used = boot_files_in_use(folder_.path());
  ASSERT_TRUE(used) << used.error().message;
  EXPECT_TRUE(used->empty());
}

TEST_F(BootFilesInUse, ThoseOfVmsAndOfTheirSnapshots) {
  vm_with("a");
  const VmFolder b = vm_with("b");
  snapshot_with(b, "older");
  const auto used = boot_files_in_use(folder_.path());
  ASSERT_TRUE(used) << used.error().message;
  EXPECT_EQ(*used, (std::set<std::string>{"a", "a.pvh", "initramfs-of-a", "b", "b.pvh", "initramfs-of-b", "older"}));
}

TEST_F(BootFilesInUse, ThoseOfVmsThatWereSetAsideToo) {
  vm_with("a");
  std::filesystem::rename(vms_, folder_ / "vms-of-another-node");
  const auto used = boot_files_in_use(folder_.path());
  ASSERT_TRUE(used) << used.error().message;
  EXPECT_TRUE(used->contains("a"));
}

TEST_F(BootFilesInUse, WhatCantBeReadMayUseAny) {
  vm_with("a");
  const VmFolder b = vm_with("b");
  snapshot_with(b, "older");
  const auto manifest = SnapshotFolder(b.path()).list().at(0);
  ASSERT_TRUE(core::write_file_durably(b.path() + "/snapshots/" + manifest + "/manifest.json", "{"));
  EXPECT_FALSE(boot_files_in_use(folder_.path()));
  SnapshotFolder(b.path()).remove_all();
  EXPECT_TRUE(boot_files_in_use(folder_.path()));
  std::filesystem::remove(b.path() + "/vm.json");
  EXPECT_FALSE(boot_files_in_use(folder_.path()));
}

}  // namespace
}  // namespace qarax::agent
