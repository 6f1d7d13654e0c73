// How simulated VMs behave: set in the plugin's config, and per VM in VmSpec.config.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "qarax/plugin/fields.hpp"

namespace qarax::simulator {

struct Behaviour {
  std::int64_t start_delay_ms = 0;
  std::int64_t stop_delay_ms = 0;
  std::int64_t action_delay_ms = 0;         // pause, resume, reboot, resize, snapshot
  std::int32_t failure_percent = 0;         // of starts
  std::int32_t action_failure_percent = 0;  // of all other actions; a forced stop never fails
  std::int64_t exit_after_ms = 0;           // the VM ends by itself; 0: never
  std::int64_t seed = 0;
};

constexpr std::string_view kConfigSchema = R"({"type":"object","additionalProperties":false,"properties":{)"
                                           R"("start_delay_ms":{"type":"integer","minimum":0,"maximum":600000},)"
                                           R"("stop_delay_ms":{"type":"integer","minimum":0,"maximum":600000},)"
                                           R"("action_delay_ms":{"type":"integer","minimum":0,"maximum":600000},)"
                                           R"("failure_percent":{"type":"integer","minimum":0,"maximum":100},)"
                                           R"("action_failure_percent":{"type":"integer","minimum":0,"maximum":100},)"
                                           R"("exit_after_ms":{"type":"integer","minimum":0,"maximum":86400000},)"
                                           R"("seed":{"type":"integer"}}})";

}  // namespace qarax::simulator

namespace qarax {
template <>
struct Fields<simulator::Behaviour> {
  using T = simulator::Behaviour;
  static constexpr std::string_view kName = "simulator options";
  static constexpr auto kTable =
      field_table(field<&T::start_delay_ms>("start_delay_ms").min(0).max(600000),
                  field<&T::stop_delay_ms>("stop_delay_ms").min(0).max(600000),
                  field<&T::action_delay_ms>("action_delay_ms").min(0).max(600000),
                  field<&T::failure_percent>("failure_percent").min(0).max(100),
                  field<&T::action_failure_percent>("action_failure_percent").min(0).max(100),
                  field<&T::exit_after_ms>("exit_after_ms").min(0).max(86400000), field<&T::seed>("seed"));
};
QARAX_FIELDS_COMPLETE(simulator::Behaviour);
}  // namespace qarax
