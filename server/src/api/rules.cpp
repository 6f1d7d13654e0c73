#include "api/rules.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <limits>

#include "qarax/core/addresses.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/plugin/json/depth.hpp"

namespace qarax::api {

namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool names_host_path(std::string_view text) {
  if (text.starts_with('/') || text.starts_with('~')) return true;
  if (core::to_lower(text).find("file:") != std::string::npos) return true;
  // First loop: "..", "../x", "x/..", "x/../y". Second loop: an absolute path after "key=", "key:", "," or a blank; the
  // "//" of a URL isn't one.
  for (std::size_t at = 0; (at = text.find("..", at)) != std::string_view::npos; at += 2) {
    const bool begins = at == 0 || text[at - 1] == '/';
    const bool ends = at + 2 == text.size() || text[at + 2] == '/';
    if (begins && ends) return true;
  }
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] != '/' || (at + 1 < text.size() && text[at + 1] == '/')) continue;
    if (const char before = text[at - 1]; before == '=' || before == ':' || before == ',' || before == ' ') return true;
  }
  return false;
}

}  // namespace

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 253 || !is_alnum(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

void check_name(Problems& out, std::string_view pointer, std::string_view name) {
  if (is_safe_name(name)) return;
  out.push_back({std::string(pointer),
                 "takes 1 to 253 of the characters A-Z a-z 0-9 . _ - and begins with a letter or digit, so that it is "
                 "safe in paths, logs and command lines; put anything else into description"});
}

void check_text(Problems& out, std::string_view pointer, std::string_view text) {
  const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
  });
  if (!clean)
    out.push_back({std::string(pointer), "has a control character; of those only line ends and tabs may be in it"});
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > 63 || !is_alnum(tag.front())) return false;
  constexpr std::string_view kOthers = "._-:=/";
  return std::all_of(tag.begin(), tag.end(),
                     [&](char c) { return is_alnum(c) || kOthers.find(c) != std::string_view::npos; });
}

void check_tags(Problems& out, std::string_view pointer, const std::vector<std::string>& tags) {
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::string at = json::pointer_to(pointer, std::to_string(i));
    if (!is_tag(tags[i]))
      out.push_back({at,
                     "takes 1 to 63 of the characters A-Z a-z 0-9 . _ - : = / and begins with a letter or digit, so "
                     "that a list of tags can stand in a query"});
    else if (std::find(tags.begin(), tags.begin() + static_cast<std::ptrdiff_t>(i), tags[i]) !=
             tags.begin() + static_cast<std::ptrdiff_t>(i))
      out.push_back({at, "\"" + tags[i] + "\" stands there twice; once is enough"});
  }
}

void check_uuid(Problems& out, std::string_view pointer, std::string_view text) {
  if (!core::is_uuid(text))
    out.push_back({std::string(pointer), "is not a UUID such as 6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55"});
}

void check_address(Problems& out, std::string_view pointer, std::string_view address) {
  const std::string text = core::bare_address(std::string(address));
  in6_addr parsed{};
  if (text.find(':') != std::string::npos && inet_pton(AF_INET6, text.c_str(), &parsed) == 1) return;
  if (text == address && is_safe_name(text) && text.find("..") == std::string::npos) return;
  out.push_back({std::string(pointer), "is neither a DNS name nor an IP address; the port goes into port"});
}

void check_spec(Problems& out, const VmSpec& spec) {
  if (spec.max_vcpus < spec.boot_vcpus)
    out.push_back({"/max_vcpus", std::to_string(spec.max_vcpus) + " is below boot_vcpus, which is " +
                                     std::to_string(spec.boot_vcpus) + "; leave it out to get as many"});
  if (spec.cpu_topology) {
    const CpuTopology& t = *spec.cpu_topology;
    const std::int64_t product =
        std::int64_t{t.threads_per_core} * t.cores_per_die * t.dies_per_package * std::int64_t{t.packages};
    if (product != spec.max_vcpus)
      out.push_back({"/cpu_topology", "threads_per_core x cores_per_die x dies_per_package x packages is " +
                                          std::to_string(product) + "; it must be max_vcpus, which is " +
                                          std::to_string(spec.max_vcpus)});
  }
  if (spec.memory_hotplug_size &&
      *spec.memory_hotplug_size > std::numeric_limits<std::int64_t>::max() - spec.memory_size)
    out.push_back({"/memory_hotplug_size", "is too large: together with memory_size it exceeds 64 bits"});
  if (spec.memory_hugepage_size) {
    const std::int64_t size = *spec.memory_hugepage_size;
    if ((size & (size - 1)) != 0)
      out.push_back({"/memory_hugepage_size", std::to_string(size) + " is not a power of two"});
    else if (spec.memory_size % size != 0)
      out.push_back({"/memory_size", "is not a multiple of memory_hugepage_size, which is " + std::to_string(size)});
    if (!spec.memory_hugepages)
      out.push_back({"/memory_hugepage_size", "needs memory_hugepages: true; leave it out for ordinary pages"});
  }
}

namespace {

// `path` is the JSON pointer of `value`; one buffer for the whole recursion, copied only for a reported problem.
void find_host_paths(Problems& out, std::string& path, const json::Value& value) {
  constexpr std::string_view kWords = "looks like a path on the host, which is not allowed here; leave it out";
  constexpr std::size_t kMostReported = 16;
  if (out.size() >= kMostReported) return;
  const std::size_t size = path.size();
  if (const auto* text = value.as_string()) {
    if (names_host_path(*text)) out.push_back({path, std::string(kWords)});
  } else if (const auto* array = value.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      json::append_pointer(path, std::to_string(i));
      find_host_paths(out, path, (*array)[i]);
      path.resize(size);
    }
  } else if (const auto* object = value.as_object()) {
    for (const auto& [key, inner] : *object) {
      json::append_pointer(path, key);
      if (names_host_path(key)) out.push_back({path, std::string(kWords)});
      find_host_paths(out, path, inner);
      path.resize(size);
    }
  }
}

}  // namespace

void check_no_host_path(Problems& out, const std::string& pointer, const json::Value& value) {
  std::string path = pointer;
  find_host_paths(out, path, value);
}

void check_depth(Problems& out, const std::string& pointer, const json::Value& value) {
  if (json::depth_of(value) > kMaxConfigDepth)
    out.push_back({pointer, "nests deeper than " + std::to_string(kMaxConfigDepth) + " levels"});
}

Error validation_error(std::string_view document, Problems problems) {
  const ErrorDetail& first = problems.front();
  Error error = make_error(
      Code::invalid_argument,
      std::string(document) + " " + (first.pointer.empty() ? "document" : first.pointer) + ": " + first.detail,
      "validation");
  if (problems.size() > 1) error.message += " (and " + std::to_string(problems.size() - 1) + " more)";
  error.details = std::move(problems);
  return error;
}

}  // namespace qarax::api
