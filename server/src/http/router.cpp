#include "http/router.hpp"

#include <algorithm>
#include <stdexcept>

#include "http/text.hpp"

namespace qarax::http {
namespace {

// Orders patterns so that at the first difference a fixed segment comes before a {name}.
bool more_specific(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::size_t end_a = std::min(a.find('/', 1), a.size());
    const std::size_t end_b = std::min(b.find('/', 1), b.size());
    const bool param_a = a.starts_with("/{");
    const bool param_b = b.starts_with("/{");
    if (param_a != param_b) return param_b;
    a.remove_prefix(end_a);
    b.remove_prefix(end_b);
  }
  return false;
}

}  // namespace

std::vector<Router::Segment> Router::split(std::string_view pattern) {
  const auto refuse = [&](const char* why) {
    throw std::invalid_argument("route '" + std::string(pattern) + "': " + why);
  };
  std::vector<Segment> segments;
  if (pattern == "/") return segments;
  if (!pattern.starts_with('/')) refuse("does not begin with '/'");
  for (std::string_view rest = pattern; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    const std::string_view text = rest.substr(1, end - 1);
    rest.remove_prefix(end);
    if (text.empty()) refuse("has an empty segment");
    const bool is_param = text.front() == '{';
    if (is_param && (text.size() < 3 || text.back() != '}')) refuse("has a malformed {name}");
    segments.push_back({std::string(is_param ? text.substr(1, text.size() - 2) : text), is_param});
  }
  return segments;
}

void Router::add(std::string_view method, std::string_view pattern, Handler handler, Access access) {
  add(method, pattern, std::move(handler), access, method == "GET" ? Pace::quick : Pace::may_wait);
}

void Router::add(std::string_view method, std::string_view pattern, Handler handler, Access access, Pace pace) {
  auto found = std::find_if(paths_.begin(), paths_.end(), [&](const auto& path) { return path->pattern == pattern; });
  if (found == paths_.end()) {
    auto path = std::make_unique<Path>();
    path->pattern = pattern;
    path->segments = split(pattern);
    const bool fixed =
        std::none_of(path->segments.begin(), path->segments.end(), [](const Segment& s) { return s.is_param; });
    if (fixed) fixed_.emplace(path->pattern, path.get());
    found = paths_.insert(std::find_if(paths_.begin(), paths_.end(),
                                       [&](const auto& other) { return more_specific(pattern, other->pattern); }),
                          std::move(path));
  }
  Path& path = **found;
  if (std::any_of(path.methods.begin(), path.methods.end(),
                  [&](const auto& route) { return route->method == method; })) {
    throw std::invalid_argument("route '" + std::string(pattern) + "': second handler for " + std::string(method));
  }
  path.methods.push_back(
      std::make_unique<Route>(Route{std::string(method), path.pattern, std::move(handler), access, pace}));
  all_.push_back(path.methods.back().get());
}

void Router::wrap(const Around& around) {
  for (const auto& path : paths_) {
    for (const auto& route : path->methods) {
      if (Handler outer = around(*route, route->handler)) route->handler = std::move(outer);
    }
  }
}

bool Router::matches(const Path& path, std::string_view text, NamedValues* params) {
  params->clear();
  for (const Segment& segment : path.segments) {
    if (!text.starts_with('/')) return false;
    const std::size_t end = std::min(text.find('/', 1), text.size());
    const std::string_view value = text.substr(1, end - 1);
    if (segment.is_param) {
      if (value.empty()) return false;
      params->emplace_back(segment.text, value);
    } else if (value != segment.text) {
      return false;
    }
    text.remove_prefix(end);
  }
  return text.empty();
}

const Router::Path* Router::find_path(Request& request) const {
  request.params.clear();
  if (const auto fixed = fixed_.find(request.path); fixed != fixed_.end()) return fixed->second;
  for (const auto& path : paths_) {
    if (!path->segments.empty() && matches(*path, request.path, &request.params)) return path.get();
  }
  request.params.clear();
  return nullptr;
}

Router::Match Router::find(Request& request) const {
  Match match;
  request.route = "";
  const Path* path = find_path(request);
  if (path == nullptr) return match;
  request.route = path->pattern;
  const bool head = request.method == "HEAD";
  for (const auto& route : path->methods) {
    if (route->method == request.method || (head && route->method == "GET")) {
      match.route = route.get();
      return match;
    }
  }
  for (const auto& route : path->methods) {
    match.allow.append(route->method).append(route->method == "GET" ? ", HEAD, " : ", ");
  }
  match.allow.append("OPTIONS");
  return match;
}

}  // namespace qarax::http
