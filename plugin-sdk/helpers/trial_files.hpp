// The files that a trial guest boots. One that can't be booted says nothing of KVM.
#pragma once

#include <string>
#include <vector>

namespace qarax::plugin {

struct TrialFile {
  std::string what;  // "kernel" or "initramfs", as boot.… of a node and probe_… of a plugin name it
  std::string path;
  std::vector<std::string> refusals;  // parts of what the VMM prints where it can't load the file
};

// For a trial whose kernel printed nothing: which file can't be booted, by what the VMM printed or by the kernel file
// itself, since a VMM may run a guest on a file that is torn. Empty: none is to blame. `last_words`: of the VMM.
std::string why_unbootable(const std::vector<TrialFile>& files, const std::string& printed,
                           const std::string& last_words);

// Of all of them, to tell whether one has changed.
std::string fingerprints(const std::vector<TrialFile>& files);

}  // namespace qarax::plugin
