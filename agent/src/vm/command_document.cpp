#include "command_document.hpp"

#include <string>
#include <utility>

namespace qarax::agent {

namespace {

// `error`: from Unknown::refuse, for a document that decodes with Unknown::ignore. `where`: JSON pointer to the decoded
// part.
Error outdated(Error error, const std::string& where) {
  std::string unknown;
  for (ErrorDetail& problem : error.details) {
    problem.pointer.insert(0, where);
    unknown.append(unknown.empty() ? "" : ", ").append(problem.pointer).append(" (" + problem.detail + ")");
  }
  error.message = "this node's qarax-node is older than the server and doesn't understand " + unknown +
                  "; upgrade it, its VMs run on";
  error.code = Code::unimplemented;
  error.reason = "node-outdated";
  return error;
}

template <class T>
Status check_known(const json::Value& in, const std::string& where, std::string_view source) {
  auto known = decode<T>(in, Unknown::refuse, source);
  if (known) return Ok{};
  return outdated(std::move(known).error(), where);
}

}  // namespace

Result<core::StartCommand> start_command_in(std::string_view document) {
  QARAX_TRY(const json::Value parsed, json::parse(document));
  QARAX_TRY(auto wanted, decode<core::StartCommand>(parsed, Unknown::ignore, document));
  for (const char* member : {"spec", "resolved"})
    if (const json::Value* machine = parsed.find(member); machine != nullptr && !machine->is_null())
      QARAX_CHECK(check_known<VmSpec>(*machine, std::string("/") + member, document));
  return wanted;
}

Result<core::ResizeCommand> resize_command_in(std::string_view document) {
  QARAX_TRY(const json::Value parsed, json::parse(document));
  QARAX_TRY(auto wanted, decode<core::ResizeCommand>(parsed, Unknown::ignore, document));
  QARAX_CHECK(check_known<core::ResizeCommand>(parsed, "", document));
  return wanted;
}

}  // namespace qarax::agent
