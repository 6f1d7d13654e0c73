#include <unistd.h>

#include <algorithm>
#include <thread>

#include "attach.hpp"
#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

// The console ends some milliseconds before the server learns of the VM's end; how long to wait for that.
constexpr std::chrono::milliseconds kSettles{3000};
constexpr std::chrono::milliseconds kPoll{50};

constexpr std::int64_t kLine = 160;  // bytes of a console line, a first guess

// The console's last `lines` lines. REST counts bytes, so ask for more until there are enough lines.
Result<std::string> last_lines(ApiClient& api, const std::string& path, std::int64_t lines) {
  for (std::int64_t bytes = lines * kLine;; bytes *= 8) {
    QARAX_TRY(Reply reply, api.call({.path = path + "?tail=" + std::to_string(bytes)}));
    const std::string& text = reply.body;
    std::size_t at = text.size();
    if (text.ends_with('\n')) --at;
    std::int64_t left = lines;
    while (left > 0) {
      at = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
      if (at == std::string::npos) break;
      --left;
    }
    if (at != std::string::npos) return text.substr(at + 1);
    if (static_cast<std::int64_t>(text.size()) < bytes) return std::move(reply.body);
  }
}

bool has_ended(const json::Value& vm) {
  const std::string status = text_of(vm, "status");
  return status == "created" || status == "shutdown";
}

// Tells why a followed console ended: the guest has ended, or something else.
Status say_end(const Context& context, const json::Value& followed) {
  const std::string name = context.arguments.target;
  const auto until = Clock::now() + kSettles;
  auto now = context.api.get(vm_path(followed));
  if (now && !has_ended(now->value) && !has_console(context.api, now->value)) {
    context.note << "that was all: VM " << name << " is " << text_of(now->value, "status") << ", and its hypervisor, "
                 << printable(hypervisor_of(now->value)) << ", has no console to follow\n  next: qarax events " << name
                 << " --follow\n";
    return Ok{};
  }
  while (now && !has_ended(now->value) && Clock::now() < until) {
    std::this_thread::sleep_for(kPoll);
    now = context.api.get(vm_path(followed));
  }
  if (!now) {
    if (now.error().code != Code::not_found) return std::move(now).error();
    context.note << "VM " << name << " is gone\n";
    return Ok{};
  }
  const std::string status = text_of(now->value, "status");
  if (!has_ended(now->value)) {
    Error error = make_error(Code::unavailable, "the console of VM " + name + " broke off while the VM is " + status,
                             std::string(kUnreachable));
    error.hint = "The server or the VM's host was cut off. qarax console " + name +
                 " --follow shows it from its begin again, and goes on.";
    return error;
  }
  context.note << "VM " << name << " is " << status << "\n  next: qarax why " << name << '\n';
  return Ok{};
}

// The node only knows that nothing answers on the console. Explains it if the VM's hypervisor has no console at all.
Error attach_failed(const Context& context, const json::Value& vm, Error error) {
  if (exit_code(error) != kRefused || has_ended(vm) || has_console(context.api, vm)) return error;
  Error none = make_error(
      Code::failed_precondition,
      "the hypervisor of VM " + context.arguments.target + ", " + hypervisor_of(vm) + ", has no console to attach to",
      "unsupported-by-hypervisor");
  none.hint = "What there is of a log: qarax console " + context.arguments.target + " --follow";
  return none;
}

}  // namespace

Status console(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  if (!context.arguments.follow && !context.arguments.tail) {
    const bool keyboard = ::isatty(STDIN_FILENO) == 1;
    std::optional<std::string> piped;
    if (!keyboard && !context.arguments.read_only) piped = piped_input();
    if (piped && piped->empty() && has_ended(vm.value)) piped.reset();
    // Attach only to a VM that hasn't ended, unless input is piped in; otherwise print the log below.
    if (piped || (keyboard && ::isatty(STDOUT_FILENO) == 1 && !has_ended(vm.value))) {
      auto end = attach(context, vm.value, piped);
      if (!end) return attach_failed(context, vm.value, std::move(end).error());
      return *end == Attached::guest_ended ? say_end(context, vm.value) : Ok{};
    }
  }
  const std::string path = vm_path(vm.value, "/console");
  // A VM that has ended only has its log and nothing to follow.
  if (context.arguments.follow && !has_ended(vm.value)) {
    QARAX_TRY(const StreamEnd end, context.api.follow(path + "?follow=true", {}, [&](std::string_view piece) {
      return static_cast<bool>(context.out << piece << std::flush);
    }));
    return end == StreamEnd::ended ? say_end(context, vm.value) : Ok{};
  }
  std::string text;
  if (context.arguments.tail) {
    QARAX_TRY(text, last_lines(context.api, path, *context.arguments.tail));
  } else {
    QARAX_TRY(Reply reply, context.api.call({.path = path}));
    text = std::move(reply.body);
  }
  // The guest's bytes as they are, with -o json too.
  context.out << text << std::flush;
  if (context.arguments.follow) return say_end(context, vm.value);
  if (text.empty())
    context.note << "the guest has written nothing yet\n  next: qarax why " << context.arguments.target << '\n';
  return Ok{};
}

}  // namespace qarax::cli
