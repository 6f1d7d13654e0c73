#include "why.hpp"

#include <string.h>

#include <algorithm>

#include "document.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

constexpr std::int64_t kKill = 9;

// Jobs that can succeed although an earlier failure would happen again, so they don't supersede it.
constexpr std::string_view kSideJobs[] = {"edit", "resize", "delete-snapshot"};

const json::Value& member(const json::Value& object, std::string_view key) {
  static const json::Value kNothing;
  const json::Value* found = object.find(key);
  return found == nullptr ? kNothing : *found;
}

std::string signal_name(std::int64_t number) {
  const char* name = ::sigabbrev_np(static_cast<int>(number));
  return "signal " + std::to_string(number) + (name == nullptr ? "" : std::string(" (SIG") + name + ")");
}

std::string exit_line(const json::Value& exit) {
  if (exit.is_null()) return {};
  const std::string kind = text_of(exit, "kind");
  std::string line = "how it ended was not recorded";
  if (kind == "exited") line = "exit code " + std::to_string(integer_of(exit, "code").value_or(0));
  if (kind == "signaled") line = "ended by " + signal_name(integer_of(exit, "signal").value_or(0));
  const std::string at = text_of(exit, "at");
  return at.empty() ? line : line + " at " + at;
}

std::string with_reason(const std::string& what, const std::string& why) {
  return what.empty() || why.empty() ? what + why : what + ": " + why;
}

std::string host_line(const json::Value& host, const json::Value& vm) {
  if (host.is_null()) return text_of(vm, "host_id");
  return with_reason(text_of(host, "name") + " is " + text_of(host, "status"), text_of(host, "status_reason"));
}

std::string host_name(const WhyInput& in) {
  return in.host.is_null() ? "that ran it" : printable(text_of(in.host, "name"));
}

bool begins(const json::Value& job) {
  const std::string action = text_of(job, "action");
  return action == "start" || action == "restore";
}

std::string failure_line(const json::Value& job) {
  if (job.is_null()) return {};
  std::string line = "the " + text_of(job, "action") + " of";
  if (const std::string at = text_of(job, "finished_at"); !at.empty()) line += " " + at;
  return with_reason(line, text_of(member(job, "error"), "detail"));
}

// Indents each line and makes it harmless for a terminal.
std::string in_quotes(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) out.append("  | ").append(printable(line)).push_back('\n');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void after_shutdown(const WhyInput& in, std::vector<std::string>& steps) {
  const json::Value& exit = member(in.vm, "exit");
  const std::string kind = text_of(exit, "kind");
  const bool asked = text_of(in.vm, "desired_status") == "shutdown";
  if (kind == "signaled" && integer_of(exit, "signal") == kKill && !asked)
    steps.push_back("journalctl -k on host " + host_name(in) +
                    ": whether the kernel killed it for want of memory; else somebody did");
  if (!asked && !text_of(exit, "log_tail").empty()) steps.push_back("read the VMM's last words above");
}

// Suggests looking at the last failure, before any command that would only fail again.
void after_failure(const json::Value& job, std::vector<std::string>& steps) {
  if (job.is_null()) return;
  if (const std::string hint = text_of(member(job, "error"), "hint"); !hint.empty()) steps.push_back(hint);
  steps.push_back("qarax job " + text_of(job, "id") + ": the " + text_of(job, "action") + " that failed, step by step");
}

void while_unknown(const WhyInput& in, std::vector<std::string>& steps) {
  if (text_of(in.host, "status") == "up") {
    steps.push_back("qarax why " + in.target + ": again in some seconds; its host is back and takes its VMs up");
    steps.push_back("qarax force-stop " + in.target + ": give it up and kill whatever runs of it");
    return;
  }
  steps.push_back("systemctl status qarax-node on host " + host_name(in) +
                  ": the VM may well run on while its node doesn't answer");
  steps.push_back("qarax delete " + in.target + " --forget: only if that host never comes back");
}

}  // namespace

const json::Value& last_failure(const WhyInput& in) {
  static const json::Value kNone;
  std::vector<std::string> done;
  const json::Array* jobs = in.jobs.as_array();
  if (jobs == nullptr) return kNone;
  for (const json::Value& job : *jobs) {
    const std::string action = text_of(job, "action");
    const std::string state = text_of(job, "state");
    if (state == "failed" && std::find(done.begin(), done.end(), action) == done.end()) return job;
    if (state != "completed") continue;
    if (std::find(std::begin(kSideJobs), std::end(kSideJobs), action) == std::end(kSideJobs)) return kNone;
    done.push_back(action);
  }
  return kNone;
}

std::vector<std::string> next_steps(const WhyInput& in) {
  const std::string status = text_of(in.vm, "status");
  const std::string desired = text_of(in.vm, "desired_status");
  std::vector<std::string> steps;
  if (const std::string activity = text_of(in.vm, "activity"); !activity.empty())
    steps.push_back("qarax show " + in.target + ": " + activity + " is under way");
  const json::Value& failure = last_failure(in);
  after_failure(failure, steps);
  const std::string again = begins(failure) ? ", once that cause is gone" : "";
  if (status == "running") {
    steps.push_back(in.has_console
                        ? "qarax console " + in.target + " --follow: see what the guest does"
                        : "qarax events " + in.target + " --follow: see what becomes of it; its hypervisor, " +
                              hypervisor_of(in.vm) + ", has no console");
  } else if (status == "paused") {
    if (desired == "running") steps.push_back("remove the cause: its VMM paused it by itself, nobody asked for that");
    steps.push_back("qarax resume " + in.target + ": let it go on");
  } else if (status == "created") {
    if (desired == "running" || !text_of(in.vm, "status_reason").empty())
      steps.push_back("qarax plugins: what the hosts can run now, and why not");
    steps.push_back("qarax start " + in.target + ": start it" + again);
  } else if (status == "shutdown") {
    after_shutdown(in, steps);
    steps.push_back("qarax start " + in.target + ": start it again" +
                    (again.empty() ? "; its definition is kept" : again));
  } else {
    while_unknown(in, steps);
  }
  return steps;
}

std::string why_text(const WhyInput& in, bool colour) {
  const auto line = [&](const char* key) { return printable(text_of(in.vm, key)); };
  const json::Value& exit = member(in.vm, "exit");
  const std::string desired = line("desired_status");
  const json::Value& failure = last_failure(in);
  // Leave out a reason that the failure shows in full below.
  std::string reason = line("status_reason");
  if (const auto words = reason.find(": ");
      words != std::string::npos && failure_line(failure).find(reason.substr(words + 2)) != std::string::npos)
    reason.clear();
  std::string out = field_list({{"VM", line("name") + " (" + line("id") + ")"},
                                {"state", with_reason(coloured_state(line("status"), colour), reason)},
                                {"asked for", desired == text_of(in.vm, "status") ? "" : desired},
                                {"under way", line("activity")},
                                {"VMM ended", printable(exit_line(exit))},
                                {"last failed", printable(failure_line(failure))},
                                {"hypervisor", with_reason(printable(hypervisor_of(in.vm)), line("fallback_reason"))},
                                {"accelerator", with_reason(line("accelerator"), line("accelerator_evidence"))},
                                {"host", printable(host_line(in.host, in.vm))},
                                {"seen", line("observed_at")},
                                {"reported by", printable(in.source)}});
  if (const std::string log = in_quotes(in.vmm_log); !log.empty()) out += "\nlast of the VMM's log:\n" + log;
  if (const std::string console = in_quotes(in.console); !console.empty()) out += "\nlast of the console:\n" + console;
  for (const std::string& note : in.notes) out += "\n" + printable(note) + "\n";
  out += "\nwhat to do next:\n";
  for (const std::string& step : next_steps(in)) out += "  " + printable(step) + "\n";
  return out;
}

}  // namespace qarax::cli
