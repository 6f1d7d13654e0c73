// How the host reads what plugins ask of it.
#include "host_tables.hpp"

#include "qarax/plugin/call.hpp"
#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

std::int32_t drop(const qarax_call*, qarax_text) noexcept { return QARAX_OK; }

TEST(HostTables, ANullOfAPluginIsAnAbsentMember) {
  RecordingServices services;
  const qarax_host* host = HostTables::make(services, "nulls").raw();
  const auto* process =
      static_cast<const qarax_host_process_1*>(host->query(host->self, plugin::text(QARAX_HOST_PROCESS_1)));
  ASSERT_NE(process, nullptr);
  qarax_call call{};
  call.size = sizeof call;
  call.cancel_fd = -1;
  call.put = &drop;
  call.error = &drop;
  const auto spawn = [&](const std::string& more) {
    const std::string args = R"({"vm":"v","incarnation":1,"argv":["/bin/true"])" + more + "}";
    return process->spawn(host->self, &call, plugin::text(args));
  };
  EXPECT_EQ(spawn(R"(,"env":null,"fd_targets":null,"console_connect":null)"), QARAX_OK);
  EXPECT_EQ(spawn(R"(,"env":{"A":null})"), QARAX_INVALID_ARGUMENT) << "a value, not a member";
  EXPECT_EQ(spawn(R"(,"colour":"red")"), QARAX_INVALID_ARGUMENT);
  EXPECT_EQ(process->claim(host->self, &call, plugin::text(R"({"vm":null,"kind":"tap","name":"t0"})")),
            QARAX_INVALID_ARGUMENT)
      << "a member that is required";
}

}  // namespace
}  // namespace qarax::core::testing
