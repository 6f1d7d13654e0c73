// A plugin in a single file includes export.hpp before the helpers: each helper must compile after it, too.
#include "qarax/plugin/export.hpp"
// The include order is the test: the headers below must not be sorted in above.
#include <gtest/gtest.h>

#include "accelerator.hpp"
#include "devices.hpp"
#include "disk_image.hpp"
#include "text.hpp"
#include "unix_http_client.hpp"
#include "unix_socket.hpp"
#include "vmm_life.hpp"
#include "vmm_path.hpp"
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
