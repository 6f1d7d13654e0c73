// One document with everything that explains the state of a VM.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/host.hpp"
#include "api/job.hpp"
#include "api/vm.hpp"

namespace qarax::api {

// What was last asked for, and by whom.
struct DesiredState {
  VmState status = VmState::created;
  std::string origin{};
  std::int64_t revision = 0;
};

// What was last seen, and by whom.
struct ObservedState {
  VmState status = VmState::unknown;
  std::string reason{};
  std::string source{};
  std::optional<std::string> observed_at{};
  std::int64_t incarnation = 0;
  std::int64_t seq = 0;
};

struct Diagnosis {
  Vm vm{};
  DesiredState desired{};
  ObservedState observed{};
  bool drift = false;
  std::optional<Host> host{};
  std::vector<Job> jobs{};
  std::string vmm_log{};
  std::string console{};
  std::vector<std::string> notes{};
};

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::DesiredState> {
  using T = api::DesiredState;
  static constexpr std::string_view kName = "DesiredState";
  static constexpr auto kTable = field_table(
      field<&T::status>("status").required().doc("What the VM shall be."),
      field<&T::origin>("origin").required().doc("Who wants it so: user, guest (it powered itself off) or policy."),
      field<&T::revision>("revision").required().doc("Of the job that asked for it; 0: none did."));
};
QARAX_FIELDS_COMPLETE(qarax::api::DesiredState);

template <>
struct qarax::Fields<qarax::api::ObservedState> {
  using T = api::ObservedState;
  static constexpr std::string_view kName = "ObservedState";
  static constexpr auto kTable =
      field_table(field<&T::status>("status").required().doc("What the VM is, as far as anybody knows."),
                  field<&T::reason>("reason").required().doc("Why, where that isn't plain."),
                  field<&T::source>("source").required().doc(
                      "Whose word it is: the node's, with its session, or the server's own."),
                  field<&T::observed_at>("observed_at").nullable().format("date-time").doc("When the node saw it."),
                  field<&T::incarnation>("incarnation").required().doc("The start that it is about; 0: none."),
                  field<&T::seq>("seq").required().doc("Number of that report in the node's session."));
};
QARAX_FIELDS_COMPLETE(qarax::api::ObservedState);

template <>
struct qarax::Fields<qarax::api::Diagnosis> {
  using T = api::Diagnosis;
  static constexpr std::string_view kName = "Diagnosis";
  static constexpr auto kTable = field_table(
      field<&T::vm>("vm").required().doc("The VM."),
      field<&T::desired>("desired").required().doc("What was asked for."),
      field<&T::observed>("observed").required().doc("What was seen."),
      field<&T::drift>("drift").required().doc("It isn't what it shall be, and no job is at work on that."),
      field<&T::host>("host").doc("Its host with the facts its node told; absent before the first start."),
      field<&T::jobs>("jobs").required().doc("Its last jobs, the latest first."),
      field<&T::vmm_log>("vmm_log").required().doc("Last lines of the VMM's own log."),
      field<&T::console>("console").required().doc("Last lines of the guest's console; what isn't UTF-8 is replaced."),
      field<&T::notes>("notes").required().doc("What couldn't be had, and why."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Diagnosis);
