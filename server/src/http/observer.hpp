// The hook for metrics.
#pragma once

#include <string_view>

namespace qarax::http {

class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  // Once per answered request, on the thread that answered it; must not block. `route` is the pattern ("/vms/{id}") and
  // empty for a request that matched none, so that the label set stays bounded. `seconds` runs from the complete
  // request to the reply handed to the kernel; a streamed reply counts until its head.
  virtual void answered(std::string_view method, std::string_view route, int status, double seconds) = 0;
};

}  // namespace qarax::http
