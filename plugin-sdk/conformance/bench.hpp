// What a rule is tried on: a place, and node agents that come and go on it, each in a process of its own. Is itself in
// a process of the rule's own, with one thread, and adopts whatever the agents leave: so nothing escapes its count.
#pragma once

#include <functional>

#include "agent.hpp"

namespace qarax::conformance {

enum class Load { yes, later };

class Bench {
 public:
  Bench(const Settings& settings, Place place);
  ~Bench();  // ends every process that is left and removes the place
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  using Body = std::function<Status(Agent&)>;
  // A new agent loads the plugin (unless later) and runs `body`; what that returned, or how the process ended instead.
  // The agent ends as if killed: VMs run on.
  Status agent(const Body& body, Load load = Load::yes);
  // For a body that may call Agent::die: true where it did.
  Result<bool> dying_agent(const Body& body);

  // Once no agent is there. What has just been killed gets a moment to be gone.
  std::vector<std::string> left() const;

  const Settings& settings() const { return settings_; }
  const Place& place() const { return place_; }

 private:
  struct Ended;
  Ended live(const Body& body, Load load);
  static Status told(const Ended& ended);

  const Settings& settings_;
  const Place place_;
};

}  // namespace qarax::conformance
