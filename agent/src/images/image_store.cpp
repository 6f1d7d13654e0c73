#include "image_store.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "kernel_image.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {

constexpr std::size_t kMaxImage = 2u << 30;

std::string sha256_hex(std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(data.data(), data.size(), digest, &length, EVP_sha256(), nullptr);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < length; ++i) {
    out.push_back(kHex[digest[i] >> 4]);
    out.push_back(kHex[digest[i] & 15]);
  }
  return out;
}

Error unusable(const std::string& path, int error) {
  return make_error(Code::failed_precondition, "boot file " + path + ": " + std::generic_category().message(error),
                    "boot-files-missing");
}

// Identifies a version of the file: any change of the file changes it, and a stored digest is valid for one value.
Result<std::string> fingerprint(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return unusable(path, errno);
  if (!S_ISREG(info.st_mode))
    return make_error(Code::failed_precondition, "boot file " + path + " isn't a regular file", "boot-files-missing");
  if (::access(path.c_str(), R_OK) != 0) return unusable(path, errno);
  return std::to_string(info.st_dev) + "-" + std::to_string(info.st_ino) + "-" + std::to_string(info.st_size) + "-" +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "-" +
         std::to_string(info.st_ctim.tv_sec) + "." + std::to_string(info.st_ctim.tv_nsec);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

ImageStore::ImageStore(std::string folder) : folder_(std::move(folder)) {}

Result<std::string> ImageStore::digest_of(const std::string& path) {
  QARAX_TRY(const std::string print, fingerprint(path));
  const std::string note = folder_ + "/by-file/" + sha256_hex(path + "\n" + print).substr(0, 32);
  if (auto known = core::read_file(note, 256); known && known->size() == 64 && exists(folder_ + "/" + *known))
    return *known;
  QARAX_TRY(const std::string content, core::read_file(path, kMaxImage));
  const std::string digest = sha256_hex(content);
  QARAX_CHECK(core::make_folder(folder_ + "/by-file"));
  if (!exists(folder_ + "/" + digest)) QARAX_CHECK(core::write_file_durably(folder_ + "/" + digest, content, 0444));
  QARAX_CHECK(core::write_file_durably(note, digest));
  return digest;
}

Result<std::string> ImageStore::import_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  QARAX_TRY(const std::string digest, digest_of(path));
  imported_.insert(digest);
  return folder_ + "/" + digest;
}

// The PVH form is a separate file beside the image. An empty one records that the image has none.
std::string ImageStore::pvh_for(const std::string& kernel) {
  const std::lock_guard lock(mutex_);
  const std::string path = kernel + ".pvh";
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return info.st_size > 0 ? path : std::string();
  const auto image = core::read_file(kernel, kMaxImage);
  if (!image) {
    // A failed read says nothing about the kernel, so the next start tries again.
    core::logger("images")->warn("the kernel could not be read for its PVH form reason={}",
                                 core::log_value(image.error().message));
    return {};
  }
  const auto elf = extract_pvh_kernel(*image);
  if (!elf)
    core::logger("images")->info("no PVH kernel, guests boot the bzImage reason={}",
                                 core::log_value(elf.error().message));
  const auto written = core::write_file_durably(path, elf ? *elf : std::string(), 0444);
  if (!written)
    core::logger("images")->warn("the PVH kernel could not be kept reason={}",
                                 core::log_value(written.error().message));
  return elf && written ? path : std::string();
}

Result<BootFiles> ImageStore::prepare(const BootSource& source) {
  if (source.kernel.empty())
    return make_error(Code::failed_precondition, "this node has no default kernel; set boot.kernel in its config",
                      "no-boot-source");
  BootFiles files;
  files.cmdline = source.cmdline;
  QARAX_TRY(files.kernel, import_file(source.kernel));
  if (!source.initramfs.empty()) {
    QARAX_TRY(files.initramfs, import_file(source.initramfs));
  }
  files.kernel_pvh = pvh_for(files.kernel);
  return files;
}

namespace {
// The digest in the name of an image, or of a file that was unpacked from one.
std::string digest_in(const std::string& file) { return file.substr(0, file.find('.')); }

// Images are named by their digests. Other files in the folder are neither counted nor removed.
bool is_image(const std::string& file) {
  constexpr std::size_t kDigest = 64;
  return file.size() >= kDigest && file.find_first_not_of("0123456789abcdef") >= kDigest &&
         (file.size() == kDigest || file[kDigest] == '.');
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file(error)) out.push_back(at->path().filename().string());
  return out;
}
}  // namespace

bool ImageStore::is_imported(const std::string& file) const { return imported_.contains(digest_in(file)); }

bool ImageStore::has_others() const {
  const std::lock_guard lock(mutex_);
  const auto files = files_in(folder_);
  return std::any_of(files.begin(), files.end(),
                     [this](const std::string& file) { return is_image(file) && !is_imported(file); });
}

std::size_t ImageStore::remove_unused(const std::set<std::string>& used) {
  const std::lock_guard lock(mutex_);
  // An unpacked file is kept or removed together with its image, because a VM that uses one may come to use the other.
  std::set<std::string> digests;
  for (const std::string& file : used) digests.insert(digest_in(file));
  std::size_t removed = 0;
  for (const std::string& file : files_in(folder_)) {
    const std::string digest = digest_in(file);
    if (!is_image(file) || digests.contains(digest) || is_imported(file) ||
        ::unlink((folder_ + "/" + file).c_str()) != 0)
      continue;
    if (file == digest) ++removed;
  }
  for (const std::string& note : files_in(folder_ + "/by-file"))
    if (const auto digest = core::read_file(folder_ + "/by-file/" + note, 256);
        digest && !exists(folder_ + "/" + *digest))
      ::unlink((folder_ + "/by-file/" + note).c_str());
  return removed;
}

}  // namespace qarax::agent
