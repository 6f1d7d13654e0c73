// Which build of a version a program is.
#pragma once

#include <string>
#include <string_view>

namespace qarax {

// The commit that the program was built from, as "g70a0376", with ".dirty" behind it where tracked files had changes.
// Empty where it was built outside of its git repository.
std::string_view build_revision();

// For people: "0.1.0+g70a0376", the form that semver.org has for build metadata.
inline std::string version_with(std::string_view version, std::string_view revision) {
  return revision.empty() ? std::string(version) : std::string(version).append("+").append(revision);
}

}  // namespace qarax
