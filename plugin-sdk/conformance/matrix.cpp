#include "matrix.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "rules/rules.hpp"

namespace qarax::conformance {

namespace {

constexpr const char* kIntro =
    "# What each plugin can do\n\n"
    "Made from runs of `qarax-plugin-check` ([how](../plugin-sdk/conformance/README.md#the-matrix)); "
    "CI compares the rows that run anywhere.\n"
    "yes: every rule of the interface that could be tried in that run passed; but: those that couldn't. "
    "untried: none could.\n–: the plugin doesn't offer it. no: with the rules that failed. "
    "lab: the real VMM under KVM in `e2e/kvm-lab`, on the day named.\n"
    "not in kit: offered by this version of the VMM, but the kit has no rules for it yet.\n"
    "console: a plugin that opens consoles itself; – lacks nothing, the node's supervisor serves every VM's serial "
    "console.\n\n";

constexpr const char* kLab = "lab, ";

using Cells = std::vector<std::string>;  // plugin, VMM, run on, then one cell per interface

// Interfaces without rules, with the feature that tells whether this version of the VMM has them.
constexpr std::pair<const char*, const char*> kNotInKit[] = {{QARAX_HYPERVISOR_DISKS_1, "disks"},
                                                             {QARAX_HYPERVISOR_NICS_1, "nics"}};

bool in_kit(std::string_view interface) {
  const auto& all = all_rules();
  return std::any_of(all.begin(), all.end(), [&](const Rule& rule) { return rule.interface == interface; });
}

std::vector<std::string> interfaces() {
  std::vector<std::string> out;
  for (const Rule& rule : all_rules())
    if (rule.interface != kHandshake && (out.empty() || out.back() != rule.interface)) out.emplace_back(rule.interface);
  for (const auto& [interface, feature] : kNotInKit)
    if (!in_kit(interface)) out.emplace_back(interface);
  return out;
}

// "7.2.22 (Debian …)" → "7.2": patch levels come with each security update.
std::string short_version(const std::string& version) {
  std::size_t end = 0;
  int dots = 0;
  while (end < version.size() && version[end] != ' ' && !(version[end] == '.' && ++dots == 2)) ++end;
  return version.substr(0, end);
}

std::string cell(const Report& report, const std::string& interface) {
  for (const auto& [id, feature] : kNotInKit) {
    if (id != interface || in_kit(interface)) continue;
    const auto& features = report.plugin.description.features;
    return std::find(features.begin(), features.end(), feature) != features.end() ? "not in kit" : "–";
  }
  std::string failed;
  std::string skipped;
  bool passed = false;
  bool offered = true;
  for (const Outcome& outcome : report.outcomes) {
    const bool counts =
        outcome.interface == interface || (interface == QARAX_HYPERVISOR_1 && outcome.interface == kHandshake);
    if (!counts) continue;
    passed = passed || (outcome.verdict == Verdict::passed && outcome.interface == interface);
    offered = offered && outcome.verdict != Verdict::not_offered;
    if (outcome.verdict == Verdict::failed) failed.append(failed.empty() ? "" : ", ").append(outcome.id);
    if (outcome.verdict == Verdict::skipped) skipped.append(skipped.empty() ? "" : ", ").append(outcome.id);
  }
  if (!failed.empty()) return "no: " + failed;
  if (!offered) return "–";
  if (!passed) return "untried";
  return skipped.empty() ? "yes" : "yes, but " + skipped;
}

Cells row_of(const Report& report) {
  const Description& said = report.plugin.description;
  std::string where = said.accelerator;
  // Lab rows aren't checked at each change, so they show their date.
  if (report.lab) where = kLab + where + (report.date.empty() ? "" : ", " + report.date);
  std::string version = short_version(said.vmm_version);
  if (!report.stand_in.empty()) {
    where = report.stand_in;
    version = "–";  // the stand-in's own version means nothing
  }
  Cells out{report.plugin.name, version, where};
  for (const auto& interface : interfaces()) out.push_back(cell(report, interface));
  return out;
}

Cells split(const std::string& line) {
  Cells out;
  std::istringstream in(line.substr(1));
  for (std::string one; std::getline(in, one, '|');) {
    const auto from = one.find_first_not_of(' ');
    out.push_back(from == std::string::npos ? "" : one.substr(from, one.find_last_not_of(' ') - from + 1));
  }
  return out;
}

// Reads the rows by the names in the header, so that old rows stay readable when a column is added.
std::vector<Cells> rows_in(const std::string& page) {
  std::vector<Cells> out;
  std::istringstream in(page);
  Cells header;
  const auto all = interfaces();
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() != '|' || line.starts_with("| ---")) continue;
    Cells cells = split(line);
    if (header.empty()) {
      header = cells;
      continue;
    }
    std::map<std::string, std::string> by_name;
    for (std::size_t i = 0; i < cells.size() && i < header.size(); ++i) by_name[header[i]] = cells[i];
    Cells row{by_name["plugin"], by_name["VMM"], by_name["run on"]};
    for (const auto& interface : all) {
      const auto found = by_name.find(short_name(interface));
      row.push_back(found == by_name.end() ? "untried" : found->second);
    }
    out.push_back(std::move(row));
  }
  return out;
}

// Where a run was, without its date: a newer run in the lab replaces the older row.
std::string place(const std::string& run_on) {
  return run_on.starts_with(kLab) ? run_on.substr(0, run_on.find(", ", std::string_view(kLab).size())) : run_on;
}

bool same_key(const Cells& a, const Cells& b) { return a[0] == b[0] && a[1] == b[1] && place(a[2]) == place(b[2]); }

std::string line_of(const Cells& cells) {
  std::string out = "|";
  for (const auto& one : cells) out.append(" ").append(one).append(" |");
  return out + "\n";
}

}  // namespace

std::string with_reports(const std::string& page, const std::vector<Report>& reports) {
  std::vector<Cells> rows = rows_in(page);
  for (const Report& report : reports) {
    if (!report.untried.empty()) continue;
    Cells row = row_of(report);
    const auto old = std::find_if(rows.begin(), rows.end(), [&](const Cells& one) { return same_key(one, row); });
    if (old != rows.end())
      *old = std::move(row);
    else
      rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end());
  Cells header{"plugin", "VMM", "run on"};
  for (const auto& interface : interfaces()) header.push_back(short_name(interface));
  std::string out = kIntro + line_of(header) + line_of(Cells(header.size(), "---"));
  for (const Cells& row : rows) out += line_of(row);
  return out;
}

std::vector<std::string> stale(const std::string& page, const std::vector<Report>& reports,
                               std::vector<std::string>& notes) {
  std::vector<std::string> out;
  const std::vector<Cells> rows = rows_in(page);
  for (const Report& report : reports) {
    const std::string& name = report.plugin.name;
    if (!report.untried.empty()) {
      notes.push_back(name + " wasn't tried: " + report.untried);
      continue;
    }
    const Cells row = row_of(report);
    const auto same = std::find_if(rows.begin(), rows.end(), [&](const Cells& one) { return same_key(one, row); });
    if (same == rows.end()) {
      const bool other =
          std::any_of(rows.begin(), rows.end(), [&](const Cells& one) { return one[0] == row[0] && one[2] == row[2]; });
      (other ? notes : out).push_back("the page has no row for " + name + " with " + row[1] + " on " + row[2]);
    } else if (*same != row) {
      out.push_back("of " + name + " the page says\n  " + line_of(*same) + "and the run\n  " + line_of(row));
    }
  }
  return out;
}

}  // namespace qarax::conformance
