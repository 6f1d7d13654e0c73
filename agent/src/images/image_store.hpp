// Boot files, immutable by digest: <data_dir>/images/<sha256>. A VM refers to what it first booted, so replacing
// the node's default kernel changes nothing for VMs that exist. Thread-safe.
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

  // Copies the file in (or finds it there) and answers its path. What was read before and has the same size, inode and
  // time is not read again, so an agent's restart costs a stat. FAILED_PRECONDITION "boot-files-missing" names the
  // file.
  Result<std::string> import_file(const std::string& path);

  // The host's paths for a start. `kernel_pvh`: an ELF with a PVH note that was taken out of the bzImage, made once;
  // empty where the image holds none (the reason is logged once).
  Result<BootFiles> prepare(const BootSource& source);

  // Removes what neither `used` names, by the files' names, nor was imported by this object; called before anything
  // else may start a VM. Answers how many images went.
  std::size_t remove_unused(const std::set<std::string>& used);
  // Is there anything that this object didn't import: only then is it worth asking who uses what.
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
