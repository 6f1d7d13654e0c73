// The result of a check as a document, which --matrix reads, and as text for people and CI systems.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::conformance {

enum class Verdict { passed, failed, skipped, not_offered };

struct Outcome {
  std::string id{};
  std::string interface {};
  std::string what{};
  Verdict verdict = Verdict::passed;
  std::string why{};  // reason; empty only for passed
  std::int64_t ms = 0;
};

// The plugin, as it describes itself.
struct Subject {
  std::string path{};
  std::string id{};
  std::string name{};
  std::string version{};
  std::string abi{};
  std::vector<std::string> interfaces{};
  Description description{};
  std::string refused{};  // why it couldn't be loaded
};

struct Report {
  Subject plugin{};
  std::string stand_in{};  // what ran in place of the VMM
  bool lab = false;
  std::string date{};     // the day of the run, UTC
  std::string untried{};  // why rules that need a VM couldn't be tried here
  std::vector<Outcome> outcomes{};
};

int count(const Report& report, Verdict verdict);
// One line for the outcome; for a failure with what happened.
std::string to_line(const Outcome& outcome);
std::string headline(const Report& report);
std::string summary(const Report& report);
std::string to_junit(const Report& report);

}  // namespace qarax::conformance

namespace qarax {
template <>
struct EnumNames<conformance::Verdict> {
  static constexpr std::string_view kNames[] = {"passed", "failed", "skipped", "not_offered"};
  static constexpr conformance::Verdict kUnknown = conformance::Verdict::failed;
};
template <>
struct Fields<conformance::Outcome> {
  using T = conformance::Outcome;
  static constexpr std::string_view kName = "Outcome";
  static constexpr auto kTable =
      field_table(field<&T::id>("id").required(), field<&T::interface>("interface").required(), field<&T::what>("what"),
                  field<&T::verdict>("verdict").required(), field<&T::why>("why"), field<&T::ms>("ms"));
};
QARAX_FIELDS_COMPLETE(conformance::Outcome);
template <>
struct Fields<conformance::Subject> {
  using T = conformance::Subject;
  static constexpr std::string_view kName = "Subject";
  static constexpr auto kTable =
      field_table(field<&T::path>("path"), field<&T::id>("id"), field<&T::name>("name"), field<&T::version>("version"),
                  field<&T::abi>("abi"), field<&T::interfaces>("interfaces"), field<&T::description>("description"),
                  field<&T::refused>("refused"));
};
QARAX_FIELDS_COMPLETE(conformance::Subject);
template <>
struct Fields<conformance::Report> {
  using T = conformance::Report;
  static constexpr std::string_view kName = "Report";
  static constexpr auto kTable =
      field_table(field<&T::plugin>("plugin").required(), field<&T::stand_in>("stand_in"), field<&T::lab>("lab"),
                  field<&T::date>("date"), field<&T::untried>("untried"), field<&T::outcomes>("outcomes"));
};
QARAX_FIELDS_COMPLETE(conformance::Report);
}  // namespace qarax
