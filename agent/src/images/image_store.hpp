// Boot files, immutable by digest: <data_dir>/images/<sha256>. A VM keeps referring to the files that it first booted,
// so replacing the node's default kernel changes nothing for existing VMs. Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "qarax/plugin/call_args.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct BootSource {
  std::string kernel;     // absolute path of a bzImage or vmlinux
  std::string initramfs;  // may be empty
  std::string cmdline;
};

class ImageStore {
 public:
  explicit ImageStore(std::string folder);

  // Copies the file in unless it is there, and returns the copy's path. A file with the device, inode, size and times
  // of an earlier read is not read again, so an agent's restart costs a stat. FAILED_PRECONDITION "boot-files-missing"
  // names the file.
  Result<std::string> import_file(const std::string& path);

  // Returns the host's paths for a start. `kernel_pvh`: an ELF with a PVH note, extracted from the bzImage once; empty
  // if the image holds none (the reason is logged once).
  Result<BootFiles> prepare(const BootSource& source);

  // Removes the images that neither `used` names (file names without folder) nor this object has imported. Call it
  // before anything may start a VM. Returns the number of images removed.
  std::size_t remove_unused(const std::set<std::string>& used);
  // True if there are images that this object didn't import; only then is it worth finding out who uses which.
  bool has_others() const;

 private:
  Result<std::string> digest_of(const std::string& path);
  std::string pvh_for(const std::string& kernel);

  bool is_imported(const std::string& file) const;

  mutable std::mutex mutex_;
  std::string folder_;
  std::set<std::string> imported_;  // digests
};

}  // namespace qarax::agent
