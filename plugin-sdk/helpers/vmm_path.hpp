// Where a VMM's program is on this host. Any thread.
#pragma once

#include <string>
#include <vector>

namespace qarax::plugin {

struct VmmSearch {
  std::string name;          // of the program's file: cloud-hypervisor
  std::string package{};     // the distribution's package that has it; empty: none
  std::string configured{};  // `binary` in the plugin's config; empty: it is looked for
  std::vector<std::string> folders{"/usr/bin", "/usr/local/bin"};
};

struct VmmPath {
  std::string path{};     // empty: there is none that can be run
  std::string why_not{};  // why, and what to do about it
};

VmmPath find_vmm(const VmmSearch& search);
// What find_vmm() found, and what that program said of itself, is good for as long as this stays the same.
std::string vmm_fingerprint(const VmmSearch& search);

}  // namespace qarax::plugin
