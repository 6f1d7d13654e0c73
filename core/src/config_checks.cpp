// ConfigReader's checks of values that server and node share.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "qarax/core/addresses.hpp"
#include "qarax/core/config.hpp"
#include "qarax/core/sha256.hpp"

namespace qarax::core {

void ConfigReader::check_data_dir(const std::string& path) {
  if (path.empty()) problem("data_dir", "is required: neither HOME nor XDG_STATE_HOME is set");
  check_absolute("data_dir", path);
}

void ConfigReader::check_absolute(std::string_view key, const std::string& path) {
  if (!path.empty() && path.front() != '/') problem(key, "must be an absolute path, got \"" + path + "\"");
}

void ConfigReader::check_access(std::string_view key, const std::string& path, int how, std::string_view way_out) {
  if (path.empty() || path.front() != '/') return;
  struct stat info {};
  const int error = ::access(path.c_str(), how) != 0 || ::stat(path.c_str(), &info) != 0 ? errno
                    : S_ISDIR(info.st_mode)                                              ? EISDIR
                                                                                         : 0;
  if (error != 0) problem(key, path + ": " + std::generic_category().message(error) + std::string(way_out));
}

void ConfigReader::check_file(std::string_view key, const std::string& path, bool look) {
  check_absolute(key, path);
  if (look) check_access(key, path, R_OK, "; name a file that this user can read");
}

void ConfigReader::check_program(std::string_view key, const std::string& path, bool look) {
  check_absolute(key, path);
  if (look) check_access(key, path, X_OK, "; name a program that this user can run");
}

void ConfigReader::check_listener(const Listener& listener) {
  if (listener.tls_cert.empty() != listener.tls_key.empty())
    problem("listen.tls.cert", "cert and key go together; set both or neither");
  if (!listener.token_sha256.empty() && !is_sha256_hex(listener.token_sha256))
    problem("listen.token_sha256",
            std::string("must be the 64 lower-case hexadecimal digits of a SHA-256; make one with: ")
                .append(listener.make_token));
  const bool credentials = !listener.tls_cert.empty() && !listener.token_sha256.empty();
  if (!is_loopback(listener.address) && !credentials && !listener.insecure)
    problem("listen.address", listener.address +
                                  " can be reached from other machines: set listen.tls.cert, listen.tls.key and "
                                  "listen.token_sha256, or say insecure: true to serve everyone without a password");
}

}  // namespace qarax::core
