// Idempotency-Key on every POST: the same request again has the first answer again, whatever became of the server in
// between, and is never carried out twice.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "http/router.hpp"
#include "request_scope.hpp"
#include "store/store.hpp"

namespace qarax::server {

class IdempotencyGuard {
 public:
  explicit IdempotencyGuard(Store& store) : store_(store) {}

  // Any thread. `inner` runs once for all requests of one key at once, and not at all where an answer is kept.
  http::Response serve(const http::Request& request, const http::Handler& inner);

 private:
  class Held;
  http::Response first_time(const http::Request& request, const http::Handler& inner,
                            const std::shared_ptr<Claim>& claim);
  void keep(const Claim& claim, const http::Response& response);

  Store& store_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Claim>> being_served_;
};

// Puts the guard, and the scope that tells the store of the request, in front of every route that the router has by
// now. Borrows the store for as long as the router is used.
void guard_changes(http::Router& router, Store& store);

}  // namespace qarax::server
