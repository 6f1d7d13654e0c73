// Idempotency-Key on every POST: a repeated request gets the answer to the first one, even if the server was restarted
// in between, and is never carried out twice.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "handlers/answer.hpp"
#include "http/router.hpp"
#include "request_scope.hpp"
#include "store/store.hpp"

namespace qarax::server {

class IdempotencyGuard {
 public:
  explicit IdempotencyGuard(Store& store) : store_(store) {}

  // Any thread. Of concurrent requests with one key, only the first runs `inner`; it doesn't run at all if an answer is
  // kept.
  Answer serve(const http::Request& request, const http::Handler& inner);

 private:
  class Held;
  http::Response first_time(const http::Request& request, const http::Handler& inner,
                            const std::shared_ptr<Claim>& claim);
  void keep(const Claim& claim, const http::Response& response);

  Store& store_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Claim>> being_served_;
};

// Wraps every route that the router has so far and that isn't a GET in the guard (POST only) and in a RequestScope,
// which tells the store about the request. Borrows the store for as long as the router is used.
void guard_changes(http::Router& router, Store& store);

}  // namespace qarax::server
