// Private to Adopter's sources.
#pragma once

#include <set>

#include "adopter.hpp"

namespace qarax::server {

// What the survey of the node saw, and the plan that follows from it.
struct Adopter::Draft {
  HostPtr host;
  std::shared_ptr<NodeAccess> link;
  NodeSurvey seen;
  api::AdoptPlan plan;
  Adoption adoption;
  std::set<std::string> names;  // in use in the database or on the node
};

// Turns the error of a node that is too old for the request into one that says what to do. Other errors stay as they
// are.
Error outdated(Error error, const std::string& host);

}  // namespace qarax::server
