#include "runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "bench.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/files.hpp"
#include "rules/rules.hpp"

namespace qarax::conformance {

namespace {

// A child process that does one thing and reports one text.
struct Child {
  pid_t pid = -1;
  core::Fd from;
  std::string said;
  std::size_t trial = 0;
};

Result<Child> begin(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::errno_error("can't make a pipe", errno);
  Child out;
  out.from.reset(ends[0]);
  const core::Fd to(ends[1]);
  out.pid = ::fork();
  if (out.pid < 0) return core::errno_error("can't fork", errno);
  if (out.pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const std::string said = body();
    std::size_t at = 0;
    while (at < said.size()) {
      const ssize_t n = ::write(to.get(), said.data() + at, said.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    ::_exit(0);
  }
  return out;
}

// Reads from the child; true at the end of its text.
bool listen(Child& child) {
  char chunk[4096];
  const ssize_t n = ::read(child.from.get(), chunk, sizeof chunk);
  if (n < 0 && errno == EINTR) return false;
  if (n > 0) child.said.append(chunk, static_cast<std::size_t>(n));
  if (n > 0) return false;
  while (::waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return true;
}

Outcome unsettled(const Rule& rule) {
  Outcome out;
  out.id = rule.id;
  out.interface = rule.interface;
  out.what = rule.what;
  return out;
}

// Runs in a child: how the plugin describes itself.
std::string look_at(const Settings& settings) {
  Subject out;
  out.path = settings.plugin;
  auto place = make_place();
  if (!place) {
    out.refused = place.error().message;
    return encode(out, Defaults::write);
  }
  const std::string path = place->root + "/subject.json";
  Bench bench(settings, std::move(*place));
  const auto said = bench.agent([&](Agent& agent) -> Status {
    const core::PluginRecord& record = agent.record();
    out.id = record.id;
    out.name = record.name;
    out.version = record.version;
    out.abi = record.abi;
    out.interfaces = record.interfaces;
    out.description = record.description;
    return core::write_file_durably(path, encode(out, Defaults::write));
  });
  if (said)
    if (const auto text = core::read_file(path)) return *text;
  out.refused = said ? "it said nothing" : said.error().message;
  return encode(out, Defaults::write);
}

// Runs in a child: tries one rule.
std::string try_rule(const Settings& settings, const Rule& rule) {
  Outcome out = unsettled(rule);
  const std::int64_t from = plugin::monotonic_ns();
  Status status = Ok{};
  if (auto place = make_place(); !place) {
    status = std::move(place).error();
  } else {
    Bench bench(settings, std::move(*place));
    status = rule.on_bench != nullptr ? rule.on_bench(bench) : bench.agent(rule.in_agent);
  }
  out.ms = (plugin::monotonic_ns() - from) / 1'000'000;
  if (!status) {
    out.verdict = is_skip(status.error()) ? Verdict::skipped : Verdict::failed;
    out.why = status.error().message;
  }
  return encode(out, Defaults::write);
}

// Interprets `features` like the server: they only count if they name at least one optional interface. A plugin that
// names none can do everything that it offers.
bool is_denied(const std::vector<std::string>& features, std::string_view name) {
  constexpr std::string_view kNames[] = {"pause", "reboot", "resize",  "snapshot",
                                         "disks", "nics",   "console", "counters"};
  const auto has = [&](std::string_view one) {
    return std::find(features.begin(), features.end(), one) != features.end();
  };
  return !has(name) && std::any_of(std::begin(kNames), std::end(kNames), has);
}

// The verdict of a rule that needn't be tried; nullopt if it must be tried.
std::optional<Outcome> settled(const Report& report, const Rule& rule) {
  Outcome out = unsettled(rule);
  const Subject& plugin = report.plugin;
  out.verdict = Verdict::skipped;
  if (!plugin.refused.empty()) {
    const bool this_one = rule.id == "HS-LOAD-01";
    out.verdict = this_one ? Verdict::failed : Verdict::skipped;
    out.why = this_one ? plugin.refused : "the plugin doesn't load";
    return out;
  }
  const bool needs_vm = rule.interface != kHandshake || rule.id == "HS-PROC-02" || rule.id == "HS-END-01";
  const auto has = [](const std::vector<std::string>& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  if (rule.interface != kHandshake && !has(plugin.interfaces, rule.interface)) {
    out.verdict = Verdict::not_offered;
    out.why = "it doesn't offer " + std::string(rule.interface);
    return out;
  }
  out.why = report.untried;
  if (needs_vm && !report.untried.empty()) return out;
  const std::string name = short_name(rule.interface);
  out.why = "describe has no feature " + name + ", and others: this VMM on this host can't";
  if (rule.interface != kHandshake && rule.interface != QARAX_HYPERVISOR_1 &&
      is_denied(plugin.description.features, name))
    return out;
  return std::nullopt;
}

Outcome outcome_of(const Child& child, const Rule& rule) {
  auto decoded = decode<Outcome>(std::string_view(child.said));
  if (decoded) return std::move(*decoded);
  Outcome out = unsettled(rule);
  out.verdict = Verdict::failed;
  out.why = "the rule's process ended without a verdict";
  return out;
}

}  // namespace

Result<std::vector<Outcome>> try_rules(const std::vector<Trial>& trials, int jobs, const Told& told) {
  std::vector<Outcome> out(trials.size());
  std::vector<Child> running;
  for (std::size_t next = 0; next < trials.size() || !running.empty();) {
    while (next < trials.size() && static_cast<int>(running.size()) < jobs) {
      QARAX_TRY(Child child, begin([&] { return try_rule(*trials[next].settings, *trials[next].rule); }));
      child.trial = next++;
      running.push_back(std::move(child));
    }
    std::vector<pollfd> fds;
    fds.reserve(running.size());
    for (const Child& child : running) fds.push_back({child.from.get(), POLLIN, 0});
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    for (std::size_t i = running.size(); i-- > 0;) {
      if (fds[i].revents == 0 || !listen(running[i])) continue;
      const std::size_t trial = running[i].trial;
      out[trial] = outcome_of(running[i], *trials[trial].rule);
      told(out[trial]);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return out;
}

Result<Report> check(const Settings& settings, const Rules& rules, int jobs, const Told& told) {
  Report report;
  report.stand_in = settings.stand_in;
  report.lab = settings.lab;
  report.date = core::to_rfc3339(std::chrono::system_clock::now()).substr(0, sizeof "2026-01-31" - 1);
  QARAX_TRY(Child first, begin([&] { return look_at(settings); }));
  while (!listen(first)) {
  }
  QARAX_TRY(report.plugin, decode<Subject>(std::string_view(first.said), Unknown::ignore));
  if (!report.plugin.refused.empty())
    report.untried = "the plugin doesn't load";
  else if (!report.plugin.description.healthy)
    report.untried = report.plugin.description.health_reason;
  else if (settings.needs_guest && settings.boot.kernel.empty())
    report.untried = "there is no guest to boot; make one with e2e/guest/build.sh DIR and say --guest DIR";

  std::vector<Trial> trials;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (auto known = settled(report, rules[i])) {
      told(*known);
      report.outcomes.push_back(std::move(*known));
    } else {
      report.outcomes.emplace_back();
      trials.push_back({&settings, &rules[i]});
      places.push_back(i);
    }
  }
  QARAX_TRY(std::vector<Outcome> tried, try_rules(trials, jobs, told));
  for (std::size_t i = 0; i < tried.size(); ++i) report.outcomes[places[i]] = std::move(tried[i]);
  return report;
}

}  // namespace qarax::conformance
