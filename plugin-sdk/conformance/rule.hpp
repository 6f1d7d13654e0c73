// One rule of the kit: what a plugin must do, and how that is tried.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/abi.h"
#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::conformance {

class Agent;
class Bench;

struct Rule {
  std::string_view id;              // e.g. HV-START-01; stable, reports and reviews cite it
  std::string_view interface;       // the interface it belongs to; kHandshake: the file itself
  std::string_view what;            // one sentence, true of a plugin that passes
  Status (*in_agent)(Agent&) = {};  // tried within one agent's life; an error says what the plugin did instead
  Status (*on_bench)(Bench&) = {};  // tried with agents that come and go, instead of in_agent
};
using Rules = std::vector<Rule>;

constexpr std::string_view kHandshake = "handshake";

// What a rule returns if it can't be tried on this plugin or host.
inline Error skipped(std::string why) { return make_error(Code::unknown, std::move(why), "skipped"); }
inline bool is_skip(const Error& error) { return error.reason == "skipped"; }

inline Error broken(std::string otherwise) { return make_error(Code::internal, std::move(otherwise)); }
inline Status expect(bool held, std::string otherwise) {
  if (held) return Ok{};
  return broken(std::move(otherwise));
}
Status expect_state(const Result<VmStatus>& got, VmState wanted, std::string_view when);
// `call`: what was asked, e.g. "reboot of a VM that has ended".
template <class R>
Status expect_failed_precondition(const Result<R>& got, std::string_view call) {
  if (got) return broken(std::string(call) + " succeeded");
  return expect(got.error().code == Code::failed_precondition, std::string(call) + " is " +
                                                                   std::string(to_string(got.error().code)) +
                                                                   ", not failed_precondition: " + got.error().message);
}

}  // namespace qarax::conformance
