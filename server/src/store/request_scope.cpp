#include "request_scope.hpp"

#include <utility>

namespace qarax::server {

namespace {
thread_local RequestScope* current_scope = nullptr;
}

RequestScope::RequestScope(std::string request_id)
    : id_(std::move(request_id)), outer_(std::exchange(current_scope, this)) {}

RequestScope::~RequestScope() { current_scope = outer_; }

RequestScope* RequestScope::current() { return current_scope; }

}  // namespace qarax::server
