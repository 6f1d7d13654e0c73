// What happens to every request on any route: the guards before the handler, the place where exceptions are caught, the
// log and the metrics after it. Any thread.
#pragma once

#include <memory>
#include <optional>

#include "http/authenticator.hpp"
#include "http/observer.hpp"
#include "http/origin_guard.hpp"
#include "http/request.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "qarax/core/once_a_second.hpp"

namespace spdlog {
class logger;
}

namespace qarax::http {

class Pipeline {
 public:
  // Borrows all references and pointers; `authenticator` and `observer` may be null.
  Pipeline(const Router& router, OriginGuard guard, const Authenticator* authenticator, RequestObserver* observer,
           spdlog::logger& logger);

  struct Admission {
    const Route* route = nullptr;
    std::optional<Response> refusal;  // set: the answer; the handler must not run
  };
  // Decides by the head alone, before the body is read.
  Admission admit(Request& request) const;

  // Runs the handler; an exception becomes a logged 500.
  Response call(const Route& route, const Request& request) const;

  // Runs a streamed body; false if it threw, which is logged.
  bool run_stream(const BodyStream& stream, StreamSink& sink, const Request& request) const;

  // To be called after the reply. `seconds` is defined at RequestObserver.
  void answered(const Request& request, int status, double seconds) const noexcept;

 private:
  bool accepts(const Request& request) const;
  std::optional<Problem> authenticate(const Request& request) const;
  void tell_of_refused(const Request& request, std::string_view why) const;
  Response no_route(const Request& request, const std::string& allow) const;

  const Router& router_;
  OriginGuard guard_;
  const Authenticator* authenticator_;
  RequestObserver* observer_;
  spdlog::logger& logger_;
  mutable core::OnceASecond refused_;
};

}  // namespace qarax::http
