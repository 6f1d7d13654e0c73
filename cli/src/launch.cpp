// `qarax launch`: create, start, and the console until the guest's first output.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ostream>

#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

std::string seconds(Clock::duration time) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f s", std::chrono::duration<double>(time).count());
  return buffer;
}

// Whether the line has visible characters: firmware clears the screen before there is any real output.
bool says_something(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](unsigned char c) { return std::isgraph(c) != 0; });
}

void say_started(const Context& context, const json::Value& vm) {
  auto host = context.api.get("/hosts/" + percent_encoded(text_of(vm, "host_id")));
  std::string line = "started";
  if (host) line += " on host " + text_of(host->value, "name");
  line += ": " + hypervisor_of(vm);
  if (const std::string accelerator = text_of(vm, "accelerator"); !accelerator.empty())
    line += ", accelerator " + accelerator + " (" + text_of(vm, "accelerator_evidence") + ")";
  context.note << printable(line) << '\n';
}

// Shows the guest's output in whole lines as they arrive; pieces may end anywhere.
class Words {
 public:
  Words(std::ostream& out, bool shown, const std::string& until) : out_(out), is_shown_(shown), until_(until) {}

  // True once the guest has written what is waited for: `until`, or any line if that is empty.
  bool add(std::string_view piece) {
    rest_ += piece;
    recent_ += piece;
    if (const std::size_t end = rest_.rfind('\n') + 1; end > 0) show(end);
    if (rest_.size() > kLongestLine) show(rest_.size());
    const bool found = until_.empty() ? has_spoken_ : recent_.find(until_) != std::string::npos;
    // Keep the end of the output: the rest of `until` may come with the next piece.
    recent_.erase(0, recent_.size() - std::min(recent_.size(), until_.size()));
    return found;
  }
  // Also shows what has no end of line, e.g. a prompt.
  void show_rest() {
    if (rest_.empty()) return;
    show(rest_.size());
    if (is_shown_) out_ << std::endl;
  }

 private:
  static constexpr std::size_t kLongestLine = 64u << 10;  // bytes kept while waiting for an end of line

  void show(std::size_t end) {
    has_spoken_ = has_spoken_ || says_something(std::string_view(rest_).substr(0, end));
    if (is_shown_) out_ << rest_.substr(0, end) << std::flush;
    rest_.erase(0, end);
  }

  std::ostream& out_;
  const bool is_shown_;
  const std::string& until_;
  std::string rest_;
  std::string recent_;
  bool has_spoken_ = false;
};

// Prints the guest's output to stdout; with -o json only the VM's document goes there.
Status first_output(const Context& context, const json::Value& vm) {
  const std::string& name = context.arguments.target;
  const auto limit = context.arguments.first_output;
  const auto begun = Clock::now();
  const std::string& until = context.arguments.until;
  Words words(context.out, !context.arguments.json(), until);
  QARAX_TRY(const StreamEnd end, context.api.follow(vm_path(vm, "/console?follow=true"), {.until = begun + limit},
                                                    [&](std::string_view piece) { return !words.add(piece); }));
  if (end == StreamEnd::stopped) {
    if (!until.empty()) words.show_rest();
    context.note << (until.empty() ? "the guest speaks" : "the guest has written \"" + printable(until) + "\"") << ", "
                 << seconds(Clock::now() - begun) << " after its start\n  next: qarax console " << name
                 << " --follow\n";
    return Ok{};
  }
  const std::string awaited = until.empty() ? "a line" : "\"" + until + "\"";
  if (end == StreamEnd::timed_out)
    return make_error(Code::deadline_exceeded,
                      "VM " + name + " runs, and its guest has not written " + awaited + " within " + seconds(limit) +
                          "; to go on waiting: qarax console " + name + " --follow",
                      std::string(kTimeout));
  return make_error(Code::failed_precondition, "VM " + name + " ended before its guest wrote " + awaited,
                    "wrong-state");
}

}  // namespace

Status launch(const Context& context) {
  const std::string& name = context.arguments.target;
  QARAX_TRY(const Document vm, create_vm(context));
  context.note << "created VM " << printable(name) << " (" << printable(text_of(vm.value, "id")) << ")\n";
  auto started = act_on(context, vm.value, "start");
  if (!started) {
    // The VM isn't deleted, as the user may want to look at it. Say so: a second launch would find its name taken.
    Error error = std::move(started).error();
    error.message += " (VM " + name + " stays defined: qarax start " + name + ", or qarax delete " + name + ")";
    return error;
  }
  if (context.arguments.json() && context.arguments.wait.count() == 0) {
    context.out << started->text << '\n';
    return Ok{};
  }
  say_started(context, started->value);
  if (!has_console(context.api, started->value)) {
    if (!context.arguments.until.empty())
      return make_error(Code::failed_precondition,
                        "VM " + name + " runs, and its hypervisor has no console that --until could wait on",
                        "no-console");
    context.note << "this hypervisor has no console to wait on\n  next: qarax why " << printable(name) << '\n';
  } else if (text_of(started->value, "activity").empty()) {
    context.note << "waiting for the guest"
                 << (context.arguments.until.empty() ? "'s first line"
                                                     : " to write \"" + printable(context.arguments.until) + "\"")
                 << '\n';
    QARAX_CHECK(first_output(context, started->value));
  } else {
    context.note << "not waiting for the guest, as --wait 0 asks\n  next: qarax console " << printable(name)
                 << " --follow\n";
  }
  if (context.arguments.json()) context.out << started->text << '\n';
  return Ok{};
}

}  // namespace qarax::cli
