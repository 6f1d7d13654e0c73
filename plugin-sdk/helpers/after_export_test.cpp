// A plugin in one file has export.hpp before the helpers: each compiles behind it, too.
#include "qarax/plugin/export.hpp"
// What follows isn't sorted in: the order is what is tried.
#include <gtest/gtest.h>

#include "accelerator.hpp"
#include "devices.hpp"
#include "disk_image.hpp"
#include "text.hpp"
#include "unix_http_client.hpp"
#include "unix_socket.hpp"
#include "vmm_life.hpp"
#include "vmm_program.hpp"

namespace qarax::plugin {
namespace {

TEST(AfterExport, DevicesCompareSpecs) {
  VmSpec other;
  other.boot_vcpus = 2;
  EXPECT_EQ(first_difference({}, other), "boot_vcpus");
  EXPECT_EQ(first_difference({}, {}), "");
}

}  // namespace
}  // namespace qarax::plugin
