// Gathers what `why` is made of.
#include "commands.hpp"
#include "why.hpp"

namespace qarax::cli {

namespace {

constexpr const char* kTail = "/console?tail=2048";
constexpr std::size_t kLines = 10;

// The last lines of it, the first whole.
std::string last_of(const std::string& text) {
  std::size_t at = text.size();
  for (std::size_t lines = 0; at != std::string::npos && at > 0 && lines <= kLines; ++lines)
    at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

std::string json_text(const WhyInput& in, const std::string& vm, const std::string& host) {
  json::Array steps;
  for (std::string& step : next_steps(in)) steps.emplace_back(std::move(step));
  std::string console;
  // A guest's bytes needn't be UTF-8; a JSON string must.
  json::append_string(console, json::repair_utf8(in.console));
  return R"({"vm":)" + vm + R"(,"host":)" + (host.empty() ? "null" : host) + R"(,"console":)" + console +
         R"(,"next":)" + json::to_text(json::Value(std::move(steps))) + "}\n";
}

}  // namespace

Status why(const Context& context) {
  QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
  WhyInput in;
  in.target = context.arguments.target;
  in.vm = vm.value;
  std::string host_text;
  // Host and console are extras: their failing must not hide what is known.
  if (const std::string id = text_of(vm.value, "host_id"); !id.empty()) {
    if (auto host = context.api.get("/hosts/" + percent_encoded(id))) {
      in.host = std::move(host->value);
      host_text = std::move(host->text);
    }
  }
  if (auto console = context.api.call({.path = vm_path(vm.value, kTail)}))
    in.console = last_of(console->body);
  else
    in.console_problem = console.error().message;
  context.out << (context.arguments.json() ? json_text(in, vm.text, host_text) : why_text(in, context.colour));
  return Ok{};
}

}  // namespace qarax::cli
