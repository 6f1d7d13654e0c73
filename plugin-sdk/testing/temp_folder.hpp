// A folder of a test's own, removed with what is in it at the end: a fixture declares it before what lives in it.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace qarax {

class TempFolder {
 public:
  // Throws where none can be made.
  TempFolder() {
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of what is called so in it.
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_ = "/tmp/qarax-test-XXXXXX";  // short, since sockets in it have addresses of at most 107 bytes
};

}  // namespace qarax
