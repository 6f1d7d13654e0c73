// create, start, and the console until the guest says something.
#include <cctype>
#include <cstdio>

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

// A whole line with something on it: firmware clears screens before anybody speaks.
bool says_something(const std::string& text) {
  const auto end = text.rfind('\n');
  if (end == std::string::npos) return false;
  for (std::size_t i = 0; i < end; ++i)
    if (std::isgraph(static_cast<unsigned char>(text[i])) != 0) return true;
  return false;
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

// The guest's words go to stdout; with -o json nothing but the VM does.
Status first_output(const Context& context, const json::Value& vm) {
  const std::string& name = context.arguments.target;
  const auto limit = context.arguments.first_output;
  const auto begun = Clock::now();
  std::string seen;
  QARAX_TRY(const StreamEnd end,
            context.api.follow(vm_path(vm, "/console?follow=true"), begun + limit, [&](std::string_view piece) {
              seen += piece;
              return !says_something(seen);
            }));
  // Whole lines, where there are some: what has arrived ends wherever the network cut it.
  if (!context.arguments.json()) context.out << seen.substr(0, seen.rfind('\n') + 1) << std::flush;
  if (end == StreamEnd::stopped) {
    context.note << "the guest speaks, " << seconds(Clock::now() - begun) << " after its start\n  next: qarax console "
                 << name << " --follow\n";
    return Ok{};
  }
  if (end == StreamEnd::timed_out)
    return make_error(Code::deadline_exceeded,
                      "VM " + name + " runs, and its guest wrote no line within " + seconds(limit) +
                          "; qarax console " + name + " --follow waits on",
                      std::string(kTimeout));
  return make_error(Code::failed_precondition, "VM " + name + " ended before its guest wrote anything", "wrong-state");
}

}  // namespace

Status launch(const Context& context) {
  const std::string& name = context.arguments.target;
  QARAX_TRY(const Document vm, create_vm(context));
  context.note << "created VM " << printable(name) << " (" << printable(text_of(vm.value, "id")) << ")\n";
  auto started = act_on(context, vm.value, "start");
  if (!started) {
    // The VM stays: it may be what the user wants to look at, and a second launch would find its name taken.
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
    context.note << "this hypervisor has no console to wait on\n  next: qarax why " << printable(name) << '\n';
  } else if (text_of(started->value, "activity").empty()) {
    context.note << "waiting for the guest's first output\n";
    QARAX_CHECK(first_output(context, started->value));
  } else {
    context.note << "not waiting for the guest, as --wait 0 asks\n  next: qarax console " << printable(name)
                 << " --follow\n";
  }
  if (context.arguments.json()) context.out << started->text << '\n';
  return Ok{};
}

}  // namespace qarax::cli
