// The table of routes. Filled at start and then only read: find() is safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::http {

// Runs on a worker thread and may block; many run at once.
using Handler = std::function<Response(const Request&)>;

enum class Access { authenticated, open };  // open: no credentials required (liveness, metrics)

// Whether a handler is short and answers from memory, or waits for disks, nodes or jobs. A wrong `quick` costs other
// requests some milliseconds until the server notices, a wrong `may_wait` a few task switches.
// `quick_without_query`: quick, but a request with a query may wait.
enum class Pace { quick, may_wait, quick_without_query };

struct Route {
  std::string method;
  std::string pattern;  // "/vms/{id}/start"
  Handler handler;
  Access access = Access::authenticated;
  Pace pace = Pace::quick;
};

class Router {
 public:
  // `pattern` begins with '/', has no trailing slash (except "/" itself) and {name} only as a whole segment. A fixed
  // segment wins over a {name} at the same place. Throws std::invalid_argument on a malformed pattern or a second
  // handler for the same method and pattern: a wiring mistake, seen at start.
  void add(std::string_view method, std::string_view pattern, Handler handler, Access access = Access::authenticated);
  // As above with an explicit pace; without one, GET is quick and every other method may wait.
  void add(std::string_view method, std::string_view pattern, Handler handler, Access access, Pace pace);

  // Replaces every handler added so far by what `around` returns for it; null leaves the handler as it is.
  using Around = std::function<Handler(const Route& route, const Handler& inner)>;
  void wrap(const Around& around);

  struct Match {
    const Route* route = nullptr;  // null: no match, see allow
    std::string allow;             // without a route: the methods of the path, empty if the path is unknown
  };
  // Fills request.params and request.route of a match. HEAD finds GET's handler.
  Match find(Request& request) const;

  // Every method and pattern, in the order added. The OpenAPI check compares them with the document.
  const std::vector<const Route*>& routes() const noexcept { return all_; }

 private:
  struct Segment {
    std::string text;
    bool is_param = false;
  };
  struct Path {
    std::string pattern;
    std::vector<Segment> segments;
    std::vector<std::unique_ptr<Route>> methods;
  };

  static std::vector<Segment> split(std::string_view pattern);
  static bool matches(const Path& path, std::string_view text, NamedValues* params);
  const Path* find_path(Request& request) const;

  std::vector<std::unique_ptr<Path>> paths_;            // most fixed segments first
  std::unordered_map<std::string, const Path*> fixed_;  // patterns without {name}
  std::vector<const Route*> all_;
};

}  // namespace qarax::http
