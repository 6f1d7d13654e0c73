// Documents about the server itself, and the form of errors and of pending jobs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"

namespace qarax::api {

struct Version {
  std::string name = "qarax-server";
  std::string version{};
  std::optional<std::string> revision{};
  std::string api_version{};
  std::int32_t node_protocol = 0;
};

struct Check {
  std::string name{};
  bool ok = false;
  std::string detail{};
};

struct Ready {
  bool ready = false;
  std::vector<Check> checks{};
};

// The body of a 202: the job that is still running.
struct Accepted {
  std::string job_id{};
};

struct ProblemError {
  std::string pointer{};
  std::string detail{};
};

// Used for the schema only; http/problem.cpp writes the document.
struct Problem {
  std::string type{};
  std::string title{};
  std::int32_t status = 0;
  std::string detail{};
  std::string message{};
  std::string instance{};
  std::string request_id{};
  std::optional<std::vector<ProblemError>> errors{};
  std::optional<std::string> hint{};
  std::optional<std::string> job_id{};
  std::optional<std::string> step{};
  std::optional<std::vector<std::string>> causes{};
  std::optional<std::string> log_tail{};
  std::optional<std::string> console_tail{};
};

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::Version> {
  using T = api::Version;
  static constexpr std::string_view kName = "Version";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().doc("qarax-server."),
      field<&T::version>("version").required().doc("Of the program."),
      field<&T::revision>("revision").doc("The commit that the program was built from; absent where it isn't known."),
      field<&T::api_version>("api_version").required().doc("Of this document, as info.version."),
      field<&T::node_protocol>("node_protocol").required().doc("Protocol spoken with the nodes."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Version);

template <>
struct qarax::Fields<qarax::api::Check> {
  using T = api::Check;
  static constexpr std::string_view kName = "Check";
  static constexpr auto kTable = field_table(field<&T::name>("name").required().doc("What was looked at."),
                                             field<&T::ok>("ok").required().doc("Whether it is as it must be."),
                                             field<&T::detail>("detail").required().doc("What was found."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Check);

template <>
struct qarax::Fields<qarax::api::Ready> {
  using T = api::Ready;
  static constexpr std::string_view kName = "Ready";
  static constexpr auto kTable =
      field_table(field<&T::ready>("ready").required().doc("Every check is ok."),
                  field<&T::checks>("checks").required().doc("Each check with what it found."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Ready);

template <>
struct qarax::Fields<qarax::api::Accepted> {
  static constexpr std::string_view kName = "Accepted";
  static constexpr auto kTable = field_table(
      field<&api::Accepted::job_id>("job_id").required().format("uuid").doc("The job that carries it out."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Accepted);

template <>
struct qarax::Fields<qarax::api::ProblemError> {
  using T = api::ProblemError;
  static constexpr std::string_view kName = "ProblemError";
  static constexpr auto kTable =
      field_table(field<&T::pointer>("pointer").required().doc("JSON pointer into the body; empty: the whole."),
                  field<&T::detail>("detail").required().doc("What is wrong there."));
};
QARAX_FIELDS_COMPLETE(qarax::api::ProblemError);

template <>
struct qarax::Fields<qarax::api::Problem> {
  using T = api::Problem;
  static constexpr std::string_view kName = "Problem";
  static constexpr auto kTable = field_table(
      field<&T::type>("type").required().format("uri").doc("Names the failure; stable. x-problems lists all."),
      field<&T::title>("title").required().doc("The failure in general."),
      field<&T::status>("status").required().doc("The HTTP status."),
      field<&T::detail>("detail").required().doc("This occurrence: the object, the reason, what to do."),
      field<&T::message>("message").required().doc("The same as detail."),
      field<&T::instance>("instance").required().doc("The path asked for."),
      field<&T::request_id>("request_id").required().doc("As X-Request-Id; find it in the logs."),
      field<&T::errors>("errors").doc("Each thing that is wrong."),
      field<&T::hint>("hint").doc("What the caller can do."),
      field<&T::job_id>("job_id").format("uuid").doc("The job that goes on, or stands in the way."),
      field<&T::step>("step").doc("The step of what was asked for that failed: placement, boot-files, start-vmm, …"),
      field<&T::causes>("causes").doc("What led to it, each cause behind its consequence; the last is the root."),
      field<&T::log_tail>("log_tail").doc("Last lines of the VMM's own log."),
      field<&T::console_tail>("console_tail").doc("What the guest wrote last, where a wait for it was in vain."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Problem);
