#include "qarax/core/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "config_source.hpp"

namespace qarax::core {

namespace {

// yaml-cpp's scalars are untyped: true, false and valid JSON numbers become boolean and number, a quoted scalar stays
// text.
json::Value to_json(const YAML::Node& node) {
  if (node.IsSequence()) {
    json::Array out;
    for (const auto& item : node) out.push_back(to_json(item));
    return json::Value(std::move(out));
  }
  if (node.IsMap()) {
    json::Object out;
    for (const auto& item : node) out.emplace_back(item.first.Scalar(), to_json(item.second));
    return json::Value(std::move(out));
  }
  if (node.IsNull()) return {};
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return json::Value(text);
  if (text == "true" || text == "false") return json::Value(text == "true");
  auto number = json::parse(text);
  if (number && (number->as_int() != nullptr || number->as_double() != nullptr)) return std::move(*number);
  return json::Value(text);
}

std::string in_ms(std::int64_t ms) {
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

// `a, b` in the environment is what [a, b] is in the file.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Entries of a map that have variables of their own, which begin with `base`.
void add_map_variables(const std::string& whole, std::map<std::string, std::string>& value) {
  const std::string base = whole + "_";
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view given(*one);
    const std::size_t equals = given.find('=');
    if (equals == std::string_view::npos || equals <= base.size() || !given.starts_with(base)) continue;
    const std::string_view variable = given.substr(0, equals);
    // An entry of the file may be spelt with a hyphen, where its variable has an underscore.
    const auto same = std::find_if(value.begin(), value.end(),
                                   [&](const auto& entry) { return environment_name(whole, entry.first) == variable; });
    std::string name(same != value.end() ? std::string_view(same->first) : variable.substr(base.size()));
    if (same == value.end())
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    value.insert_or_assign(std::move(name), std::string(given.substr(equals + 1)));
  }
}

}  // namespace

ConfigReader::ConfigReader(std::string path, std::string environment_prefix)
    : source_(std::make_unique<ConfigSource>(std::move(path), std::move(environment_prefix))) {}

ConfigReader::~ConfigReader() = default;

void ConfigReader::text(std::string_view key, std::string& value) {
  std::string at;
  source_->scalar(key, value, at);
}

void ConfigReader::boolean(std::string_view key, bool& value) {
  std::string text;
  std::string at;
  if (!source_->scalar(key, text, at)) return;
  if (text == "true" || text == "false")
    value = text == "true";
  else
    source_->problems.push_back({at, "expected true or false, got \"" + text + "\""});
}

void ConfigReader::integer(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max) {
  std::string text;
  std::string at;
  if (!source_->scalar(key, text, at)) return;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || number < min || number > max)
    source_->problems.push_back({at, "expected a whole number from " + std::to_string(min) + " to " +
                                         std::to_string(max) + ", got \"" + text + "\""});
  else
    value = number;
}

void ConfigReader::duration_ms(std::string_view key, std::int64_t& value, std::int64_t least_ms) {
  std::string text;
  std::string at;
  if (!source_->scalar(key, text, at)) return;
  std::int64_t number = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(text.data() + text.size() - parsed.ptr));
  const std::int64_t factor = unit == "ms"  ? 1
                              : unit == "s" ? 1000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                                            : 0;
  // Ten years, so that adding a duration in nanoseconds to any date can't overflow.
  constexpr std::int64_t kMost = std::int64_t{87'600} * 3'600'000;
  if (parsed.ec != std::errc{} || factor == 0 || number < 0 || number > kMost / factor || number * factor < least_ms)
    source_->problems.push_back({at, "expected a duration such as 500ms, 30s, 2m or 1h, " +
                                         (least_ms > 0 ? "at least " + in_ms(least_ms) + " and " : std::string()) +
                                         "at most 87600h, got \"" + text + "\""});
  else
    value = number * factor;
}

void ConfigReader::texts(std::string_view key, std::vector<std::string>& value) {
  source_->known.emplace(key);
  if (const char* given = source_->variable(key); given != nullptr) {
    value.clear();
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (const std::string_view one = trimmed(rest.substr(0, comma)); !one.empty()) value.emplace_back(one);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    return;
  }
  const auto found = source_->leaves().find(key);
  if (found == source_->leaves().end() || found->second.node.IsNull()) return;
  std::vector<std::string> out;
  bool good = found->second.node.IsSequence();
  if (good) {
    for (const auto& item : found->second.node) {
      good = good && item.IsScalar();
      if (item.IsScalar()) out.push_back(item.Scalar());
    }
  }
  if (good)
    value = std::move(out);
  else
    problem(key, "expected a list of values");
}

void ConfigReader::choice(std::string_view key, std::string& value, const std::vector<std::string>& of) {
  std::string text;
  std::string at;
  if (!source_->scalar(key, text, at)) return;
  if (std::find(of.begin(), of.end(), text) != of.end()) {
    value = text;
    return;
  }
  std::string list;
  for (const auto& one : of) list.append(list.empty() ? "" : ", ").append(one);
  source_->problems.push_back({at, "\"" + text + "\" is not one of " + list});
}

void ConfigReader::objects(std::string_view key, std::vector<Entry>& value) {
  const auto node = source_->tree(key);
  if (!node) return;
  if (!node->IsSequence()) return problem(key, "expected a list");
  value.clear();
  const bool is_in_file = source_->variable(key) == nullptr;
  for (const auto& item : *node) {
    const std::string at = is_in_file ? source_->line(item.Mark().line + 1) : source_->source_of(key);
    if (item.IsMap())
      value.push_back({to_json(item), at});
    else
      problem_at(at, "expected each entry of " + std::string(key) + " to be `key: value` lines");
  }
}

void ConfigReader::object(std::string_view key, json::Value& value) {
  const auto node = source_->tree(key);
  if (!node) return;
  if (!node->IsMap()) return problem(key, "expected `key: value` lines");
  value = to_json(*node);
}

void ConfigReader::text_map(std::string_view key, std::map<std::string, std::string>& value) {
  source_->known.emplace(key);
  const auto put = [&](const std::string& name, const YAML::Node& node) {
    if (node.IsScalar()) value.insert_or_assign(name, node.Scalar());
    return node.IsScalar() || node.IsNull();
  };
  if (source_->variable(key) != nullptr) {
    value.clear();
    const auto node = source_->tree(key);
    if (node && !node->IsMap()) return problem(key, "expected a map of single values");
    if (node)
      for (const auto& item : *node)
        if (const std::string& name = item.first.Scalar(); !put(name, item.second))
          problem(key, name + ": expected a single value, as in {a: b, c: d}");
  } else {
    const auto section = source_->leaves().find(key);
    if (section != source_->leaves().end() && !section->second.node.IsNull()) {
      if (!section->second.node.IsMap()) return problem(key, "expected a map of single values");
      value.clear();
    }
    const std::string below = std::string(key) + ".";
    for (const auto& [name, leaf] : source_->leaves())
      if (name.starts_with(below) && !put(name.substr(below.size()), leaf.node))
        problem(name, "expected a single value");
  }
  const std::string whole = environment_name(source_->prefix(), key);
  source_->map_variables.insert(whole + "_");
  add_map_variables(whole, value);
}

void ConfigReader::foreign_variable(std::string_view name) { source_->foreign.emplace(name); }

std::vector<std::string> ConfigReader::keys() const { return {source_->known.begin(), source_->known.end()}; }

void ConfigReader::problem(std::string_view key, std::string text) {
  source_->problems.push_back({source_->source_of(key), std::move(text)});
}

void ConfigReader::problem_at(std::string_view at, std::string text) {
  source_->problems.push_back({std::string(at), std::move(text)});
}

Status ConfigReader::finish() {
  source_->check_unknown();
  if (source_->problems.empty()) return Ok{};
  Error error = make_error(Code::invalid_argument, "", "config");
  for (const auto& one : source_->problems)
    error.message.append(error.message.empty() ? "" : "\n").append(one.pointer).append(": ").append(one.detail);
  error.details = source_->problems;
  return error;
}

}  // namespace qarax::core
