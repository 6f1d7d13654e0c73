// `qarax why`: gathers the information for why_text().
#include "commands.hpp"
#include "why.hpp"

namespace qarax::cli {

namespace {

constexpr std::size_t kLines = 10;

// The last kLines lines of `text`, without a partial first line.
std::string last_of(const std::string& text) {
  std::size_t at = text.size();
  for (std::size_t lines = 0; at != std::string::npos && at > 0 && lines <= kLines; ++lines)
    at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

std::string json_text(const WhyInput& in) {
  json::Array steps;
  for (std::string& step : next_steps(in)) steps.emplace_back(std::move(step));
  json::Array notes;
  for (const std::string& note : in.notes) notes.emplace_back(note);
  json::Object out{{"vm", in.vm},
                   {"host", in.host},
                   {"last_failure", last_failure(in)},
                   {"source", json::Value(in.source)},
                   {"vmm_log", json::Value(in.vmm_log)},
                   {"console", json::Value(in.console)},
                   {"notes", json::Value(std::move(notes))},
                   {"next", json::Value(std::move(steps))}};
  return json::to_text(json::Value(std::move(out))) + "\n";
}

}  // namespace

Status why(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  QARAX_TRY(const Document diagnosis, context.api.get(vm_path(vm.value, "/diagnosis")));
  const auto member = [&](std::string_view key) {
    const json::Value* found = diagnosis.value.find(key);
    return found == nullptr ? json::Value() : *found;
  };
  WhyInput in;
  in.target = context.arguments.target;
  in.vm = member("vm");
  in.host = member("host");
  in.jobs = member("jobs");
  if (text_of(in.vm, "status") == "running") in.has_console = has_console(context.api, in.vm);
  in.vmm_log = text_of(diagnosis.value, "vmm_log");
  in.console = last_of(text_of(diagnosis.value, "console"));
  in.source = text_of(member("observed"), "source");
  const json::Value notes = member("notes");
  if (const json::Array* all = notes.as_array())
    for (const json::Value& note : *all)
      if (note.as_string() != nullptr) in.notes.push_back(*note.as_string());
  context.out << (context.arguments.json() ? json_text(in) : why_text(in, context.colour));
  return Ok{};
}

}  // namespace qarax::cli
