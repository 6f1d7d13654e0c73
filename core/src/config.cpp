#include "qarax/core/config.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "qarax/core/addresses.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/sha256.hpp"

namespace qarax::core {

namespace {

constexpr int kDeepest = 64;
constexpr int kMostNodes = 100'000;

struct Entry {
  YAML::Node node;
  int line = 0;  // counted from 1
};

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

std::string environment_name(const std::string& prefix, std::string_view key) {
  std::string out = prefix + "_";
  for (const char c : key)
    out.push_back(c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  return out;
}

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

}  // namespace

struct ConfigReader::Impl {
  std::string path;
  std::string prefix;
  std::map<std::string, Entry, std::less<>> entries;  // by dotted key, every leaf and section of the file
  std::set<std::string, std::less<>> known;
  std::set<std::string, std::less<>> foreign;        // names of environment variables
  std::set<std::string, std::less<>> map_variables;  // prefixes of the variables that give one entry of a map
  std::vector<ErrorDetail> problems;
  int visited = 0;
  bool broken = false;  // nested too deeply, or too large: no list or map is read then

  // No configuration is nested as deeply as that, or has so many values. An alias may stand within what it names, which
  // has no end at all, and aliases of aliases double what a file says with each line.
  bool too_deep(const std::string& source, int depth) {
    const bool too_much = depth > kDeepest || ++visited > kMostNodes;
    if (!broken && too_much)
      problems.push_back({source, "nested too deeply, or aliases that name each other; write it out"});
    broken = broken || too_much;
    return broken;
  }

  // A list is read whole, so the keys of its entries aren't in `entries`. `variable` is empty for the file's lists.
  void check_within(const YAML::Node& node, const std::string& base, const std::string& variable, int depth) {
    const auto place = [&](const YAML::Node& at, const std::string& key) {
      return (variable.empty() ? where(at.Mark().line + 1) : variable + ": ") + key;
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

  void flatten(const YAML::Node& node, const std::string& base, int depth = 0) {
    if (too_deep(where(node.Mark().line + 1) + base, depth)) return;
    for (const auto& item : node) {
      const std::string key = base.empty() ? item.first.Scalar() : base + "." + item.first.Scalar();
      // Keep the first one: assigning to a YAML::Node changes the document that this loop iterates over.
      if (!entries.try_emplace(key, Entry{item.second, item.first.Mark().line + 1}).second) {
        problems.push_back({where(item.first.Mark().line + 1) + key, "given twice"});
        continue;
      }
      if (item.second.IsMap()) flatten(item.second, key, depth + 1);
      if (item.second.IsSequence()) check_within(item.second, key, "", depth + 1);
    }
  }

  void check_environment() {
    std::set<std::string> names;
    for (const std::string& key : known) names.insert(environment_name(prefix, key));
    for (char** one = environ; *one != nullptr; ++one) {
      const std::string_view entry(*one);
      const std::string_view name = entry.substr(0, entry.find('='));
      if (!name.starts_with(prefix + "_") || foreign.contains(name) || names.contains(std::string(name))) continue;
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
  void check_map_variable(std::string_view name) {
    for (const std::string& base : map_variables)
      if (const std::string meant = nearest(name.substr(0, base.size()), std::set<std::string>{base}); !meant.empty())
        problems.push_back({std::string(name), "unknown variable; did you mean " + base + "…?"});
  }

  std::string where(int line) const { return path + ":" + std::to_string(line) + ": "; }

  // Reads the value as text, and its source for messages; false if neither environment nor file has a single value.
  bool scalar(std::string_view key, std::string& text, std::string& source) {
    known.emplace(key);
    const std::string name = environment_name(prefix, key);
    if (const char* value = std::getenv(name.c_str()); value != nullptr) {
      text = value;
      source = name;
      return true;
    }
    const auto found = entries.find(key);
    if (found == entries.end() || found->second.node.IsNull()) return false;
    source = where(found->second.line) + std::string(key);
    if (!found->second.node.IsScalar()) {
      problems.push_back({source, "expected a single value"});
      return false;
    }
    text = found->second.node.Scalar();
    return true;
  }

  // Reads a list or map; in the environment it is YAML in one line. nullopt if neither environment nor file has it.
  std::optional<YAML::Node> tree(std::string_view key) {
    known.emplace(key);
    const std::string name = environment_name(prefix, key);
    if (const char* value = std::getenv(name.c_str()); value != nullptr) {
      try {
        const YAML::Node node = YAML::Load(value);
        check_within(node, std::string(key), name, 0);
        if (!node.IsNull() && !broken) return node;
      } catch (const YAML::Exception& e) {
        problems.push_back({name, "not valid YAML: " + e.msg});
      }
      return std::nullopt;
    }
    const auto found = entries.find(key);
    if (found == entries.end() || found->second.node.IsNull() || broken) return std::nullopt;
    return found->second.node;
  }
};

ConfigReader::ConfigReader(std::string path, std::string environment_prefix) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  impl_->prefix = std::move(environment_prefix);
  if (impl_->path.empty()) return;
  const auto text = read_file(impl_->path);
  if (!text) {
    impl_->problems.push_back({"--config", text.error().message + "; name a file that this user can read"});
    return;
  }
  try {
    const YAML::Node root = YAML::Load(*text);
    if (root.IsMap())
      impl_->flatten(root, "");
    else if (!root.IsNull())
      impl_->problems.push_back({impl_->path, "expected `key: value` lines"});
  } catch (const YAML::Exception& e) {
    impl_->problems.push_back({impl_->path + ":" + std::to_string(e.mark.line + 1), "not valid YAML: " + e.msg});
  }
}

ConfigReader::~ConfigReader() = default;

void ConfigReader::text(std::string_view key, std::string& value) {
  std::string source;
  impl_->scalar(key, value, source);
}

void ConfigReader::boolean(std::string_view key, bool& value) {
  std::string text;
  std::string source;
  if (!impl_->scalar(key, text, source)) return;
  if (text == "true" || text == "false")
    value = text == "true";
  else
    impl_->problems.push_back({source, "expected true or false, got \"" + text + "\""});
}

void ConfigReader::integer(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max) {
  std::string text;
  std::string source;
  if (!impl_->scalar(key, text, source)) return;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || number < min || number > max)
    impl_->problems.push_back({source, "expected a whole number from " + std::to_string(min) + " to " +
                                           std::to_string(max) + ", got \"" + text + "\""});
  else
    value = number;
}

void ConfigReader::duration_ms(std::string_view key, std::int64_t& value) {
  std::string text;
  std::string source;
  if (!impl_->scalar(key, text, source)) return;
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
  if (parsed.ec != std::errc{} || factor == 0 || number < 0 || number > kMost / factor)
    impl_->problems.push_back(
        {source, "expected a duration such as 500ms, 30s, 2m or 1h, at most 87600h, got \"" + text + "\""});
  else
    value = number * factor;
}

void ConfigReader::texts(std::string_view key, std::vector<std::string>& value) {
  impl_->known.emplace(key);
  const std::string name = environment_name(impl_->prefix, key);
  if (const char* given = std::getenv(name.c_str()); given != nullptr) {
    value.clear();
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (comma != 0) value.emplace_back(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    return;
  }
  const auto found = impl_->entries.find(key);
  if (found == impl_->entries.end() || found->second.node.IsNull()) return;
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
  std::string source;
  if (!impl_->scalar(key, text, source)) return;
  if (std::find(of.begin(), of.end(), text) != of.end()) {
    value = text;
    return;
  }
  std::string list;
  for (const auto& one : of) list.append(list.empty() ? "" : ", ").append(one);
  impl_->problems.push_back({source, "\"" + text + "\" is not one of " + list});
}

void ConfigReader::objects(std::string_view key, std::vector<json::Value>& value) {
  const auto node = impl_->tree(key);
  if (!node) return;
  if (!node->IsSequence()) return problem(key, "expected a list");
  value.clear();
  for (const auto& item : *node) {
    json::Value entry = to_json(item);
    if (auto* object = entry.as_object()) {
      object->emplace_back("line", json::Value(static_cast<std::int64_t>(item.Mark().line + 1)));
      value.push_back(std::move(entry));
    } else {
      problem(key, "expected each entry to be `key: value` lines");
    }
  }
}

void ConfigReader::object(std::string_view key, json::Value& value) {
  const auto node = impl_->tree(key);
  if (!node) return;
  if (!node->IsMap()) return problem(key, "expected `key: value` lines");
  value = to_json(*node);
}

void ConfigReader::text_map(std::string_view key, std::map<std::string, std::string>& value) {
  impl_->known.emplace(key);
  const std::string whole = environment_name(impl_->prefix, key);
  const auto put = [&](const std::string& name, const YAML::Node& node) {
    if (node.IsScalar()) value.insert_or_assign(name, node.Scalar());
    return node.IsScalar() || node.IsNull();
  };
  if (std::getenv(whole.c_str()) != nullptr) {
    value.clear();
    const auto node = impl_->tree(key);
    if (node && !node->IsMap()) return problem(key, "expected a map of single values");
    if (node)
      for (const auto& item : *node)
        if (const std::string& name = item.first.Scalar(); !put(name, item.second))
          problem(key, name + ": expected a single value, as in {a: b, c: d}");
  } else {
    const auto section = impl_->entries.find(key);
    if (section != impl_->entries.end() && !section->second.node.IsNull()) {
      if (!section->second.node.IsMap()) return problem(key, "expected a map of single values");
      value.clear();
    }
    const std::string below = std::string(key) + ".";
    for (const auto& [name, entry] : impl_->entries)
      if (name.starts_with(below) && !put(name.substr(below.size()), entry.node))
        problem(name, "expected a single value");
  }
  const std::string base = *impl_->map_variables.insert(whole + "_").first;
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

void ConfigReader::foreign_variable(std::string_view name) { impl_->foreign.emplace(name); }

void ConfigReader::check_data_dir(const std::string& path) {
  if (path.empty()) problem("data_dir", "is required: neither HOME nor XDG_STATE_HOME is set");
  check_absolute("data_dir", path);
}

void ConfigReader::check_absolute(std::string_view key, const std::string& path) {
  if (!path.empty() && path.front() != '/') problem(key, "must be an absolute path, got \"" + path + "\"");
}

void ConfigReader::check_access(std::string_view key, const std::string& path, int how, std::string_view way_out) {
  if (path.empty() || path.front() != '/') return;
  struct stat info {};
  const int error = ::access(path.c_str(), how) != 0 || ::stat(path.c_str(), &info) != 0 ? errno
                    : S_ISDIR(info.st_mode)                                              ? EISDIR
                                                                                         : 0;
  if (error != 0) problem(key, path + ": " + std::generic_category().message(error) + std::string(way_out));
}

void ConfigReader::check_file(std::string_view key, const std::string& path, bool look) {
  check_absolute(key, path);
  if (look) check_access(key, path, R_OK, "; name a file that this user can read");
}

void ConfigReader::check_program(std::string_view key, const std::string& path, bool look) {
  check_absolute(key, path);
  if (look) check_access(key, path, X_OK, "; name a program that this user can run");
}

void ConfigReader::check_listener(const Listener& listener) {
  if (listener.tls_cert.empty() != listener.tls_key.empty())
    problem("listen.tls.cert", "cert and key go together; set both or neither");
  if (!listener.token_sha256.empty() && !is_sha256_hex(listener.token_sha256))
    problem("listen.token_sha256",
            std::string("must be the 64 lower-case hexadecimal digits of a SHA-256; make one with: ")
                .append(listener.make_token));
  const bool credentials = !listener.tls_cert.empty() && !listener.token_sha256.empty();
  if (!is_loopback(listener.address) && !credentials && !listener.insecure)
    problem("listen.address", listener.address +
                                  " can be reached from other machines: set listen.tls.cert, listen.tls.key and "
                                  "listen.token_sha256, or say insecure: true to serve everyone without a password");
}

std::vector<std::string> ConfigReader::keys() const { return {impl_->known.begin(), impl_->known.end()}; }

void ConfigReader::problem(std::string_view key, std::string text) {
  const auto found = impl_->entries.find(key);
  const std::string name = environment_name(impl_->prefix, key);
  const std::string source = std::getenv(name.c_str()) != nullptr ? name
                             : found == impl_->entries.end()      ? std::string(key)
                                                                  : impl_->where(found->second.line) + std::string(key);
  impl_->problems.push_back({source, std::move(text)});
}

Status ConfigReader::finish() {
  for (const auto& [key, entry] : impl_->entries) {
    if (impl_->known.contains(key)) continue;
    // A section with known keys below it is fine; so is anything below a known key (free-form maps).
    const auto below = [&](std::string_view one, std::string_view base) {
      return one.size() > base.size() && one.starts_with(base) && one[base.size()] == '.';
    };
    const bool section = std::any_of(impl_->known.begin(), impl_->known.end(),
                                     [&below, &key = key](const auto& k) { return below(k, key); });
    const bool inside = std::any_of(impl_->known.begin(), impl_->known.end(),
                                    [&below, &key = key](const auto& k) { return below(key, k); });
    if ((section && (entry.node.IsMap() || entry.node.IsNull())) || inside) continue;
    // Of an unknown section only the section itself is reported, not its keys.
    const std::string parent = key.substr(0, key.rfind('.') == std::string::npos ? 0 : key.rfind('.'));
    if (!parent.empty() && std::none_of(impl_->known.begin(), impl_->known.end(),
                                        [&](const auto& k) { return k == parent || below(k, parent); }))
      continue;
    std::string text = section ? "expected a section" : "unknown key" + nearest(key, impl_->known);
    impl_->problems.push_back({impl_->where(entry.line) + key, std::move(text)});
  }
  impl_->check_environment();
  if (impl_->problems.empty()) return Ok{};
  Error error = make_error(Code::invalid_argument, "", "config");
  for (const auto& p : impl_->problems)
    error.message.append(error.message.empty() ? "" : "\n").append(p.pointer).append(": ").append(p.detail);
  error.details = impl_->problems;
  return error;
}

std::string default_data_dir(std::string_view program) {
  const std::string folder = std::string("/").append(program);
  if (geteuid() == 0) return "/var/lib" + folder;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state + folder;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home + ("/.local/state" + folder);
  return {};
}

}  // namespace qarax::core
