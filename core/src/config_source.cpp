#include "config_source.hpp"

#include <unistd.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "qarax/core/files.hpp"

namespace qarax::core {

namespace {

constexpr int kDeepest = 64;
constexpr int kMostNodes = 100'000;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// "; did you mean …?" with the name at the smallest edit distance, if that is 3 or less; otherwise empty.
template <class Names>
std::string nearest(std::string_view name, const Names& names) {
  const std::string* near = nullptr;
  std::size_t best = 4;
  for (const std::string& one : names) {
    if (const std::size_t d = edit_distance(name, one); d < best) {
      best = d;
      near = &one;
    }
  }
  return near == nullptr ? "" : "; did you mean " + *near + "?";
}

// Of each document of a text: where it begins, and whether it says anything.
class Outline : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    begin = mark;
    empty = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override { empty = false; }
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {
    empty = false;
  }
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    empty = false;
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    empty = false;
  }
  void OnMapEnd() override {}

  YAML::Mark begin;
  bool empty = true;
};

// What follows the text's first document and would be ignored. An empty document at the end holds nothing that could be
// missed. YAML::LoadAll isn't for this: at some tokens the parser tells of one empty document after another without
// getting on, and it then never returns.
std::optional<ErrorDetail> check_rest(const std::string& text, const std::function<std::string(int)>& at_line) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  Outline document;
  if (!parser.HandleNextDocument(document)) return std::nullopt;
  for (int before = document.begin.pos; parser.HandleNextDocument(document); before = document.begin.pos) {
    const std::string at = at_line(document.begin.line + 1);
    if (document.begin.pos == before) return ErrorDetail{at, "not valid YAML: nothing from here on can be read"};
    if (!document.empty)
      return ErrorDetail{at, "a second YAML document begins here, which would be ignored; remove the line ---"};
  }
  return std::nullopt;
}

}  // namespace

std::string environment_name(const std::string& prefix, std::string_view key) {
  std::string out = prefix + "_";
  for (const char c : key)
    out.push_back(c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  return out;
}

ConfigSource::ConfigSource(std::string path, std::string prefix) : path_(std::move(path)), prefix_(std::move(prefix)) {
  if (path_.empty()) return;
  const auto text = read_file(path_);
  if (!text) {
    problems.push_back({"--config", text.error().message + "; name a file that this user can read"});
    return;
  }
  try {
    const YAML::Node root = YAML::Load(*text);
    if (auto problem = check_rest(*text, [this](int number) { return line(number); }))
      problems.push_back(std::move(*problem));
    if (root.IsMap())
      flatten(root, "", 0);
    else if (!root.IsNull())
      problems.push_back({path_, "expected `key: value` lines"});
  } catch (const YAML::Exception& e) {
    problems.push_back({line(e.mark.line + 1), "not valid YAML: " + e.msg});
  }
}

// No configuration is nested as deeply as that, or has so many values. An alias may stand within what it names, which
// has no end at all, and aliases of aliases double what a file says with each line.
bool ConfigSource::too_deep(const std::string& source, int depth) {
  const bool too_much = depth > kDeepest || ++visited_ > kMostNodes;
  if (!broken_ && too_much)
    problems.push_back({source, "nested too deeply, or aliases that name each other; write it out"});
  broken_ = broken_ || too_much;
  return broken_;
}

// A list is read whole, so the keys of its entries aren't among the leaves. `variable` is empty for the file's lists.
void ConfigSource::check_within(const YAML::Node& node, const std::string& base, const std::string& variable,
                                int depth) {
  const auto place = [&](const YAML::Node& at, const std::string& key) {
    return variable.empty() ? where(at.Mark().line + 1, key) : variable + ": " + key;
  };
  if (too_deep(place(node, base), depth)) return;
  if (node.IsSequence())
    for (const auto& item : node) check_within(item, base, variable, depth + 1);
  if (!node.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& item : node) {
    const std::string key = base + "." + item.first.Scalar();
    if (!seen.insert(key).second) problems.push_back({place(item.first, key), "given twice"});
    check_within(item.second, key, variable, depth + 1);
  }
}

void ConfigSource::flatten(const YAML::Node& node, const std::string& base, int depth) {
  if (too_deep(where(node.Mark().line + 1, base), depth)) return;
  for (const auto& item : node) {
    const std::string key = base.empty() ? item.first.Scalar() : base + "." + item.first.Scalar();
    // Keep the first one: assigning to a YAML::Node changes the document that this loop iterates over.
    if (!leaves_.try_emplace(key, Leaf{item.second, item.first.Mark().line + 1}).second) {
      problems.push_back({where(item.first.Mark().line + 1, key), "given twice"});
      continue;
    }
    if (item.second.IsMap()) flatten(item.second, key, depth + 1);
    if (item.second.IsSequence()) check_within(item.second, key, "", depth + 1);
  }
}

const char* ConfigSource::variable(std::string_view key) const {
  return std::getenv(environment_name(prefix_, key).c_str());
}

std::string ConfigSource::source_of(std::string_view key) const {
  if (variable(key) != nullptr) return environment_name(prefix_, key);
  const auto found = leaves_.find(key);
  return found == leaves_.end() ? std::string(key) : where(found->second.line, key);
}

bool ConfigSource::scalar(std::string_view key, std::string& text, std::string& source) {
  known.emplace(key);
  if (const char* value = variable(key); value != nullptr) {
    text = value;
    source = environment_name(prefix_, key);
    return true;
  }
  const auto found = leaves_.find(key);
  if (found == leaves_.end() || found->second.node.IsNull()) return false;
  source = where(found->second.line, key);
  if (!found->second.node.IsScalar()) {
    problems.push_back({source, "expected a single value"});
    return false;
  }
  text = found->second.node.Scalar();
  return true;
}

std::optional<YAML::Node> ConfigSource::tree(std::string_view key) {
  known.emplace(key);
  if (const char* value = variable(key); value != nullptr) {
    std::string name = environment_name(prefix_, key);
    try {
      const YAML::Node node = YAML::Load(value);
      if (auto problem = check_rest(value, [&name](int) { return name; })) problems.push_back(std::move(*problem));
      check_within(node, std::string(key), name, 0);
      if (!node.IsNull() && !broken_) return node;
    } catch (const YAML::Exception& e) {
      problems.push_back({name, "not valid YAML: " + e.msg});
    }
    return std::nullopt;
  }
  const auto found = leaves_.find(key);
  if (found == leaves_.end() || found->second.node.IsNull() || broken_) return std::nullopt;
  return found->second.node;
}

void ConfigSource::check_unknown() {
  check_keys();
  check_environment();
}

void ConfigSource::check_keys() {
  const auto below = [](std::string_view one, std::string_view base) {
    return one.size() > base.size() && one.starts_with(base) && one[base.size()] == '.';
  };
  const auto is_known = [&](const auto& test) { return std::any_of(known.begin(), known.end(), test); };
  for (const auto& leaf : leaves_) {
    const std::string& key = leaf.first;
    if (known.contains(key)) continue;
    // A section with known keys below it is fine; so is anything below a known key (free-form maps).
    const bool section = is_known([&](const auto& one) { return below(one, key); });
    const bool inside = is_known([&](const auto& one) { return below(key, one); });
    if ((section && (leaf.second.node.IsMap() || leaf.second.node.IsNull())) || inside) continue;
    // Of an unknown section only the section itself is reported, not its keys.
    const std::string parent = key.substr(0, key.rfind('.') == std::string::npos ? 0 : key.rfind('.'));
    if (!parent.empty() && !is_known([&](const auto& one) { return one == parent || below(one, parent); })) continue;
    std::string text = section ? "expected a section" : "unknown key" + nearest(key, known);
    problems.push_back({where(leaf.second.line, key), std::move(text)});
  }
}

void ConfigSource::check_environment() {
  std::set<std::string> names;
  for (const std::string& key : known) names.insert(environment_name(prefix_, key));
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view entry(*one);
    const std::string_view name = entry.substr(0, entry.find('='));
    if (!name.starts_with(prefix_ + "_") || foreign.contains(name) || names.contains(std::string(name))) continue;
    const auto in_map = [&](const std::string& base) { return name.size() > base.size() && name.starts_with(base); };
    if (std::any_of(map_variables.begin(), map_variables.end(), in_map)) continue;
    // Refuse only near misses: other programs set variables with this prefix too. Kubernetes sets
    // QARAX_SERVER_SERVICE_HOST for a service named qarax-server.
    if (std::string meant = nearest(name, names); !meant.empty())
      problems.push_back({std::string(name), "unknown variable" + std::move(meant)});
    else
      check_map_variable(name);
  }
}

// The name of an entry may be anything, so only the part before it can be misspelled.
void ConfigSource::check_map_variable(std::string_view name) {
  for (const std::string& base : map_variables)
    if (const std::string meant = nearest(name.substr(0, base.size()), std::set<std::string>{base}); !meant.empty())
      problems.push_back({std::string(name), "unknown variable; did you mean " + base + "…?"});
}

}  // namespace qarax::core
