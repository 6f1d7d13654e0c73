#include "http/json_body.hpp"

#include "http/text.hpp"

namespace qarax::http {
namespace {

Error unsupported(std::string detail) {
  return make_error(Code::invalid_argument, std::move(detail), "unsupported-media-type");
}

}  // namespace

Status check_json_body(const Request& request, BodyRule rule) {
  if (request.body.empty()) {
    if (rule == BodyRule::optional) return Ok{};
    return make_error(Code::invalid_argument,
                      request.method + " " + request.path + " needs a JSON document as its body", "bad-json");
  }
  const std::string_view field = request.header("Content-Type").value_or("");
  if (field.empty()) return unsupported("the body has no Content-Type; send application/json");
  const std::size_t semicolon = field.find(';');
  const std::string_view type = trim_blanks(field.substr(0, semicolon));
  const bool suffix = type.size() > 17 && equals_ignoring_case(type.substr(0, 12), "application/") &&
                      equals_ignoring_case(type.substr(type.size() - 5), "+json");
  if (!equals_ignoring_case(type, "application/json") && !suffix) {
    return unsupported("the body is '" + std::string(field) + "'; send application/json");
  }
  if (semicolon != std::string_view::npos) {
    std::string_view parameter = trim_blanks(field.substr(semicolon + 1));
    if (parameter.size() > 8 && equals_ignoring_case(parameter.substr(0, 8), "charset=")) {
      parameter.remove_prefix(8);
      if (!equals_ignoring_case(parameter, "utf-8") && !equals_ignoring_case(parameter, "\"utf-8\"") &&
          !equals_ignoring_case(parameter, "us-ascii")) {
        return unsupported("the body's charset is '" + std::string(parameter) + "'; JSON is UTF-8");
      }
    }
  }
  return Ok{};
}

}  // namespace qarax::http
