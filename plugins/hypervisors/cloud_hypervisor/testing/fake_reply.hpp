// What fake_vmm's parts answer with: causes, outermost first, as v53.0 words them (../fidelity_test.cpp compares).
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace fake {

using qarax::json::Value;

struct Reply {
  int status;
  std::string body;
};

inline Reply refused(const std::vector<std::string>& causes, int status = 500) {
  qarax::json::Array all{Value("Error from API")};
  for (const std::string& cause : causes) all.emplace_back(cause);
  return {status, qarax::json::to_text(Value(std::move(all)))};
}

inline Reply no_json() { return {400, R"(["Failed to deserialize JSON"])"}; }

// The version that it plays.
double version();

// Older ones know no 404 for a VM that isn't there.
inline Reply not_created(const std::string& outer) {
  return refused({outer, "VM is not created"}, version() < 46 ? 500 : 404);
}

}  // namespace fake
