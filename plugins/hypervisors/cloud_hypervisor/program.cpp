#include "program.hpp"

#include <unistd.h>

#include <charconv>

#include "text.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr std::int64_t kAskMs = 5000;

std::string find_path(const Settings& settings, std::string& why_not) {
  if (!settings.binary.empty()) {
    if (settings.binary.front() == '/' && ::access(settings.binary.c_str(), X_OK) == 0) return settings.binary;
    why_not =
        "the configured cloud-hypervisor " + settings.binary + " can't be run; correct `binary` in the plugin's config";
    return {};
  }
  for (const char* path : {"/usr/bin/cloud-hypervisor", "/usr/local/bin/cloud-hypervisor"})
    if (::access(path, X_OK) == 0) return path;
  why_not =
      "there is no cloud-hypervisor in /usr/bin or /usr/local/bin; install it, or set `binary` in the plugin's config";
  return {};
}

}  // namespace

std::optional<Version> version_in(const std::string& output) {
  const std::size_t at = output.find(" v");
  if (at == std::string::npos) return std::nullopt;
  Version out;
  const char* end = output.data() + output.size();
  const auto major = std::from_chars(output.data() + at + 2, end, out.major);
  if (major.ec != std::errc{}) return std::nullopt;
  if (major.ptr != end && *major.ptr == '.') std::from_chars(major.ptr + 1, end, out.minor);
  return out;
}

Program find_program(plugin::Host& host, const Settings& settings) {
  Program out;
  const std::string path = find_path(settings, out.why_not);
  if (path.empty()) return out;
  RunArgs run;
  run.argv = {path, "--version"};
  const auto said = host.run(nullptr, run, kAskMs);
  const auto version = said ? version_in(said->output) : std::nullopt;
  if (!version) {
    out.why_not = path + " --version doesn't tell a version" +
                  (said ? ": " + plugin::last_line(said->output) : ": " + said.error().message);
    return out;
  }
  out.version = *version;
  out.text = "v" + std::to_string(version->major) + "." + std::to_string(version->minor);
  if (*version < kOldest) {
    out.why_not = path + " is " + out.text + "; this plugin needs v" + std::to_string(kOldest.major) + ".0 or newer";
    return out;
  }
  out.path = path;
  return out;
}

}  // namespace qarax::cloud_hypervisor
