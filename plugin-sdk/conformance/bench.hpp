// The test bench of one rule: a place, and node agents that come and go on it, each in a process of its own. The bench
// runs in a single-threaded process per rule and is the subreaper of everything the agents leave, so that it can count
// all of it.
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
  // Starts a new agent, which loads the plugin (unless Load::later) and runs `body`. Returns the result of `body`, or
  // how the process ended instead. The agent ends as if killed: VMs run on.
  Status agent(const Body& body, Load load = Load::yes);
  // For a body that may call Agent::die(): returns whether it did.
  Result<bool> dying_agent(const Body& body);

  // What the VMs have left; to be called once no agent runs. Waits a moment for processes that were just killed.
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
