// The hook for metrics.
#pragma once

#include <string_view>

namespace qarax::http {

class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  // Called once per answered request, on the thread that answered it; must not block. `route` is the pattern
  // ("/vms/{id}"), empty for a request that matched none, so that the label set stays bounded. `seconds` runs from the
  // complete request until the kernel has the reply, for a streamed reply until the kernel has its head.
  virtual void answered(std::string_view method, std::string_view route, int status, double seconds) = 0;
};

}  // namespace qarax::http
