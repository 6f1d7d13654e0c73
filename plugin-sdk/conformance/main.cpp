// qarax-plugin-check: checks a plugin file against the rules of plugin-sdk/README.md. README.md here describes the
// usage.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "matrix.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/plugin_host/trial_file.hpp"
#include "rules/rules.hpp"
#include "runner.hpp"

namespace {

using namespace qarax;
using namespace qarax::conformance;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kUntried = 77;  // CTest and automake count this as skipped

int fail(const Error& error) {
  std::cerr << "qarax-plugin-check: " << error.message << '\n';
  return kUsage;
}

struct Options {
  std::vector<std::string> files;
  std::string config;
  std::vector<std::string> set;
  std::vector<std::string> rules;
  std::string guest;
  std::string supervisor;
  std::string stand_in;
  std::string format = "text";
  std::string report;
  std::string matrix;
  bool compare = false;
  bool write = false;
  bool list = false;
  bool lab = false;
  int jobs = 0;
  int patience = 1;
};

Result<std::vector<std::pair<std::string, std::string>>> overrides(const std::vector<std::string>& set) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& one : set) {
    QARAX_TRY(auto member, core::to_member(one));
    out.push_back(std::move(member));
  }
  return out;
}

// Selects rules by id or by a prefix of ids, e.g. HV-STOP.
Result<Rules> chosen(const std::vector<std::string>& wanted) {
  const Rules all = all_rules();
  if (wanted.empty()) return all;
  Rules out;
  for (const auto& one : wanted) {
    const auto before = out.size();
    for (const Rule& rule : all)
      if (rule.id == one || (rule.id.starts_with(one) && rule.id.substr(one.size()).starts_with("-")))
        out.push_back(rule);
    if (out.size() == before) return make_error(Code::not_found, "there is no rule " + one + "; --list names them all");
  }
  return out;
}

int list_rules() {
  for (const Rule& rule : all_rules())
    std::printf("%-16s %-28s %s\n", std::string(rule.id).c_str(), std::string(rule.interface).c_str(),
                std::string(rule.what).c_str());
  return 0;
}

int matrix(const Options& options) {
  std::vector<Report> reports;
  for (const auto& file : options.files) {
    const auto text = core::read_file(file);
    if (!text) return fail(text.error());
    auto report = decode<Report>(std::string_view(*text), Unknown::ignore);
    if (!report) return fail(std::move(report.error()).context(file));
    reports.push_back(std::move(*report));
  }
  const std::string page = core::read_file(options.matrix).ok() ? *core::read_file(options.matrix) : "";
  if (options.write) {
    const auto written = core::write_file_durably(options.matrix, with_reports(page, reports), 0644);
    return written ? 0 : fail(written.error());
  }
  if (!options.compare) {
    std::cout << with_reports(page, reports);
    return 0;
  }
  std::vector<std::string> notes;
  const auto wrong = stale(page, reports, notes);
  for (const auto& note : notes) std::cout << "note: " << note << '\n';
  for (const auto& one : wrong) std::cout << options.matrix << ": " << one << '\n';
  if (!wrong.empty()) std::cout << "cmake --build BUILD --target plugin_matrix writes the page anew\n";
  return wrong.empty() ? 0 : kFailed;
}

int run(const Options& options) {
  const auto set = overrides(options.set);
  if (!set) return fail(set.error());
  auto settings = read_settings(options.files.front(), options.config, *set, options.guest);
  if (!settings) return fail(settings.error());
  auto supervisor = find_supervisor(options.supervisor);
  if (!supervisor) return fail(supervisor.error());
  settings->supervisor = *supervisor;
  settings->lab = options.lab;
  settings->patience = options.patience;
  if (!options.stand_in.empty()) settings->stand_in = options.stand_in;
  if (settings->lab && !settings->stand_in.empty())
    return fail(make_error(Code::invalid_argument,
                           "--lab is for the real VMM, and this names a stand-in: " + settings->stand_in));
  const auto rules = chosen(options.rules);
  if (!rules) return fail(rules.error());

  const bool text = options.format == "text";
  const auto report = check(*settings, *rules, options.jobs, [&](const Outcome& outcome) {
    if (text && outcome.verdict != Verdict::not_offered) std::cout << to_line(outcome) << std::endl;
  });
  if (!report) return fail(report.error());
  const std::string document = encode(*report, Defaults::write) + "\n";
  if (text) std::cout << headline(*report) << '\n' << summary(*report) << '\n';
  if (options.format == "json") std::cout << document;
  if (options.format == "junit") std::cout << to_junit(*report);
  if (!options.report.empty() && !(std::ofstream(options.report, std::ios::trunc) << document).flush())
    return fail(make_error(Code::internal, "can't write " + options.report));
  if (count(*report, Verdict::failed) > 0) return kFailed;
  if (!report->untried.empty()) return options.lab ? kFailed : kUntried;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const char* guest = std::getenv("QARAX_GUEST_DIR");
  options.guest = guest != nullptr ? guest : "";
  options.jobs = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));

  CLI::App app{"Checks a qarax plugin file against the rules that a node relies on."};
  app.footer(
      "Exit status: 0 passed, 1 a rule failed, 2 usage, 77 nothing with a VM could be tried here (unhealthy, no "
      "guest).");
  app.add_option("file", options.files, "The plugin file; with --matrix: reports that --report wrote");
  app.add_option("--config", options.config, "YAML: the plugin's config, the VMs' spec, what they boot");
  app.add_option("--set", options.set, "MEMBER=VALUE of the plugin's config; may be repeated");
  app.add_option("--rule", options.rules, "Only this rule, or those whose ids begin so (HV-STOP); may be repeated");
  app.add_option("--guest", options.guest, "Folder with vmlinuz and initramfs.cpio; default: $QARAX_GUEST_DIR");
  app.add_option("--supervisor", options.supervisor, "qarax-supervisor; default: where this program is installed");
  app.add_option("--stand-in", options.stand_in, "What runs in the place of the VMM; the report says so");
  app.add_option("-o,--output", options.format, "text, json or junit")->check(CLI::IsMember({"text", "json", "junit"}));
  app.add_option("--report", options.report, "Writes the JSON report to this file, too");
  app.add_option("-j,--jobs", options.jobs, "Rules at a time")->check(CLI::Range(1, 64));
  app.add_option("--patience", options.patience, "How many seconds \"at once\" may take; more on a busy machine")
      ->check(CLI::Range(1, 60));
  app.add_option("--matrix", options.matrix, "Prints this capability page with the reports' rows in it");
  app.add_flag("--compare", options.compare, "With --matrix: fails where the page says something else");
  app.add_flag("--write", options.write, "With --matrix: writes the page instead of printing it");
  app.add_flag("--list", options.list, "Lists the rules");
  app.add_flag("--lab", options.lab, "The real VMM or nothing: no stand-in, and unhealthy is a failure");
  CLI11_PARSE(app, argc, argv);
  if (const auto logging = core::init_logging("error"); !logging) return fail(logging.error());
  // The verdicts already contain what the plugin loader would log.
  core::logger("plugins")->mute();
  if (options.list) return list_rules();
  if (!options.matrix.empty()) return matrix(options);
  if (options.files.size() != 1)
    return fail(make_error(Code::invalid_argument, "name one plugin file; qarax-plugin-check --help has the rest"));
  return run(options);
}
