// Boot files, immutable by digest: <data_dir>/images/<sha256>. A VM refers to what it first booted, so replacing
// the node's default kernel changes nothing for VMs that exist. Thread-safe.
#pragma once

#include <mutex>
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

 private:
  Result<std::string> digest_of(const std::string& path);
  std::string pvh_for(const std::string& kernel);

  std::mutex mutex_;
  std::string folder_;
};

}  // namespace qarax::agent
