// The request that a thread serves, for what the store writes beside the changes that are made for it. Made around a
// handler; the store looks at it where a change is asked for, on the same thread.
#pragma once

#include <string>

namespace qarax::server {

class RequestScope {
 public:
  explicit RequestScope(std::string request_id);
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

  // Null: this thread serves none, as when the server does something by itself.
  static RequestScope* current();

  const std::string& id() const { return id_; }

 private:
  const std::string id_;
  RequestScope* const outer_;
};

}  // namespace qarax::server
