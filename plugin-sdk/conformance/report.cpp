#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

namespace qarax::conformance {

namespace {

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20 || c == '\n')
      out.push_back(c);
  }
  return out;
}

std::string seconds(std::int64_t ms) {
  char out[32];
  std::snprintf(out, sizeof out, "%lld.%03lld", static_cast<long long>(ms / 1000), static_cast<long long>(ms % 1000));
  return out;
}

}  // namespace

int count(const Report& report, Verdict verdict) {
  return static_cast<int>(std::count_if(report.outcomes.begin(), report.outcomes.end(),
                                        [&](const Outcome& outcome) { return outcome.verdict == verdict; }));
}

std::string to_line(const Outcome& outcome) {
  constexpr const char* kWords[] = {"ok  ", "FAIL", "skip", "-   "};
  std::string out = std::string("  ") + kWords[static_cast<std::size_t>(outcome.verdict)] + "  " + outcome.id;
  out.append(out.size() < 24 ? 24 - out.size() : 1, ' ').append(outcome.what);
  if (outcome.verdict == Verdict::passed) return out + " (" + std::to_string(outcome.ms) + " ms)";
  if (outcome.verdict == Verdict::failed) return out + "\n        " + outcome.why;
  return out + ": " + outcome.why;
}

std::string headline(const Report& report) {
  const Subject& plugin = report.plugin;
  if (!plugin.refused.empty()) return plugin.path + ": " + plugin.refused;
  std::string out = plugin.name + " (" + plugin.id + ") " + plugin.version + ", ABI " + plugin.abi;
  const Description& said = plugin.description;
  if (!said.vmm_path.empty()) out += ": " + said.vmm_path;
  if (!said.vmm_version.empty()) out += (said.vmm_path.empty() ? ": " : " ") + said.vmm_version;
  if (!said.accelerator.empty()) out += ", " + said.accelerator;
  if (!said.accelerator_evidence.empty()) out += " (" + said.accelerator_evidence + ")";
  if (!report.stand_in.empty()) out += "\nVMM: " + report.stand_in;
  if (report.lab) out += "\nin the lab, on the real VMM";
  if (!report.untried.empty()) out += "\nnothing with a VM can be tried here: " + report.untried;
  return out;
}

std::string summary(const Report& report) {
  std::string out = std::to_string(report.outcomes.size()) +
                    " rules: " + std::to_string(count(report, Verdict::passed)) + " passed, " +
                    std::to_string(count(report, Verdict::failed)) + " failed, " +
                    std::to_string(count(report, Verdict::skipped)) + " skipped";
  std::set<std::string> missing;
  for (const auto& outcome : report.outcomes)
    if (outcome.verdict == Verdict::not_offered) missing.insert(outcome.interface);
  std::string names;
  for (const auto& name : missing) names.append(names.empty() ? "" : ", ").append(name);
  if (!missing.empty())
    out += ", " + std::to_string(count(report, Verdict::not_offered)) + " of interfaces that it doesn't offer (" +
           names + ")";
  return out;
}

std::string to_junit(const Report& report) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" +
                    xml("qarax-plugin-check " + report.plugin.name) + "\" tests=\"" +
                    std::to_string(report.outcomes.size()) + "\" failures=\"" +
                    std::to_string(count(report, Verdict::failed)) + "\" skipped=\"" +
                    std::to_string(count(report, Verdict::skipped) + count(report, Verdict::not_offered)) + "\">\n";
  out += "  <properties><property name=\"plugin\" value=\"" + xml(headline(report)) + "\"/></properties>\n";
  for (const auto& outcome : report.outcomes) {
    out += "  <testcase classname=\"" + xml(outcome.interface) + "\" name=\"" + xml(outcome.id) + "\" time=\"" +
           seconds(outcome.ms) + "\">";
    if (outcome.verdict == Verdict::failed)
      out += "<failure message=\"" + xml(outcome.what) + "\">" + xml(outcome.why) + "</failure>";
    else if (outcome.verdict != Verdict::passed)
      out += "<skipped message=\"" + xml(outcome.why) + "\"/>";
    out += "</testcase>\n";
  }
  return out + "</testsuite>\n";
}

}  // namespace qarax::conformance
