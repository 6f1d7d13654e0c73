// Private to Adopter's sources.
#pragma once

#include <set>

#include "adopter.hpp"

namespace qarax::server {

// What was seen, and what it leads to.
struct Adopter::Draft {
  HostPtr host;
  std::shared_ptr<NodeAccess> link;
  NodeSurvey seen;
  api::AdoptPlan plan;
  Adoption adoption;
  std::set<std::string> names;  // taken, on either side
};

// A node that doesn't know the question, in words that say what to do.
Error outdated(Error error, const std::string& host);

}  // namespace qarax::server
