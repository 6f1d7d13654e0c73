// The body of a reply that goes on for as long as both sides like, with long pauses: it is asked for what there is to
// send whenever there may be something, and costs no thread meanwhile. Used by one thread at a time.
#pragma once

#include <string>
#include <string_view>

namespace qarax::http {

class LiveBody {
 public:
  virtual ~LiveBody() = default;
  // Appends what there is now, some ten kilobytes at most; never waits. False: the body ends behind it.
  virtual bool pull(std::string& out) = 0;
  // Appends what keeps a silent connection alive.
  virtual void heartbeat(std::string& out) = 0;
  // The server ends it for that reason: its last words.
  virtual void farewell(std::string_view reason, std::string& out) = 0;
};

}  // namespace qarax::http
