// A plugin built with a later SDK on a 0.9 host. This file isn't built with the SDK's abi.h: the build appends a field
// to each basic struct, as a later minor version may, and the plugin must not require it of an older host.
#include <gtest/gtest.h>

#include "qarax/plugin/export.hpp"

static_assert(sizeof(qarax_call) > QARAX_CALL_SIZE_0_9 && sizeof(qarax_host) > QARAX_HOST_SIZE_0_9 &&
                  sizeof(qarax_plugin_table) > QARAX_PLUGIN_TABLE_SIZE_0_9,
              "this is the SDK's own abi.h");

namespace {

using namespace qarax;
using namespace qarax::plugin;

class Later final : public Hypervisor {
 public:
  Later(Host&, const CreateArgs&) {}
  Result<Description> describe(Call&) override { return Description{}; }
  Result<VmStatus> start(Call&, const StartArgs&) override { return VmStatus{}; }
  Result<VmStatus> stop(Call&, const StopArgs&) override { return VmStatus{}; }
  Result<VmStatus> inspect(Call&, const VmArgs&) override { return VmStatus{}; }
  Result<VmStatus> recover(Call&, const VmArgs&) override { return VmStatus{}; }
};

std::int32_t ignore(const qarax_call*, qarax_text) noexcept { return QARAX_OK; }

}  // namespace

QARAX_PLUGIN(Later, "org.example.hypervisor.later", "later", "1");

namespace {

TEST(LaterSdk, AHostOf09IsGoodEnough) {
  qarax_call call{};
  call.size = QARAX_CALL_SIZE_0_9;
  call.cancel_fd = -1;
  call.put = &ignore;
  call.error = &ignore;
  qarax_host host{};
  host.size = QARAX_HOST_SIZE_0_9;
  host.query = [](void*, qarax_text) noexcept -> const void* { return nullptr; };
  void* instance = nullptr;
  ASSERT_EQ(qarax_plugin.create(&host, &call, text("{}"), &instance), QARAX_OK);
  EXPECT_EQ(qarax_plugin.describe(instance, &call, {}), QARAX_OK);
  qarax_plugin.destroy(instance);
  EXPECT_EQ(qarax_plugin.size, sizeof(qarax_plugin_table));
}

}  // namespace
