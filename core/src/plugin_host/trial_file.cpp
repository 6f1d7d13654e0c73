#include "qarax/core/plugin_host/trial_file.hpp"

#include <algorithm>

#include "qarax/core/config.hpp"

namespace qarax::core {

void read_trial_file(ConfigReader& reader, TrialFile& out) {
  reader.object("config", out.config);
  reader.object("spec", out.spec);
  reader.text("boot.kernel", out.boot.kernel);
  reader.text("boot.initramfs", out.boot.initramfs);
  reader.text("boot.cmdline", out.boot.cmdline);
  reader.boolean("needs_guest", out.needs_guest);
  reader.text("stand_in", out.stand_in);
}

Result<std::pair<std::string, std::string>> to_member(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return make_error(Code::invalid_argument, "--set wants MEMBER=VALUE, got " + text);
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

RawJson with_members(const json::Value& config, const std::vector<std::pair<std::string, std::string>>& members) {
  json::Object object = config.as_object() != nullptr ? *config.as_object() : json::Object{};
  for (const auto& [key, text] : members) {
    auto parsed = json::parse(text);
    json::Value value = parsed ? std::move(*parsed) : json::Value(text);
    const auto there =
        std::find_if(object.begin(), object.end(), [&wanted = key](const auto& one) { return one.first == wanted; });
    if (there != object.end())
      there->second = std::move(value);
    else
      object.emplace_back(key, std::move(value));
  }
  return {object.empty() ? "null" : json::to_text(json::Value(std::move(object)))};
}

}  // namespace qarax::core
