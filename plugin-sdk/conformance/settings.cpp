#include "settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "qarax/core/config.hpp"
#include "qarax/core/plugin_host/trial_file.hpp"

namespace qarax::conformance {

namespace {

namespace fs = std::filesystem;

// Small enough for any host, with room for a resize of vCPUs.
VmSpec default_spec() {
  VmSpec spec;
  spec.max_vcpus = 2;
  spec.memory_size = 128LL << 20;
  return spec;
}

Status read_spec(const json::Value& value, VmSpec& out) {
  detail::Decoder decoder(Unknown::refuse);
  decoder.read(value, out, "/spec");
  if (decoder.problems.empty()) return Ok{};
  Error error =
      make_error(Code::invalid_argument, decoder.problems.front().pointer + ": " + decoder.problems.front().detail);
  error.details = std::move(decoder.problems);
  return error;
}

}  // namespace

Result<Settings> read_settings(const std::string& plugin, const std::string& config_file,
                               const std::vector<std::pair<std::string, std::string>>& overrides,
                               const std::string& guest) {
  Settings out;
  std::error_code ec;
  out.plugin = fs::canonical(plugin, ec).string();
  if (ec) return make_error(Code::not_found, "there is no plugin file " + plugin);
  out.spec = default_spec();
  out.boot.cmdline = "console=ttyS0 reboot=k panic=1";

  core::ConfigReader reader(config_file, core::kTrialVariables);
  core::TrialFile file;
  file.boot = out.boot;
  core::read_trial_file(reader, file);
  out.boot = std::move(file.boot);
  out.needs_guest = file.needs_guest;
  out.stand_in = std::move(file.stand_in);
  if (file.spec.as_object() != nullptr) {
    if (const auto read = read_spec(file.spec, out.spec); !read) reader.problem("spec", read.error().message);
    if (file.spec.find("max_vcpus") == nullptr) out.spec.max_vcpus = std::max(out.spec.max_vcpus, out.spec.boot_vcpus);
  }
  QARAX_CHECK(reader.finish());

  out.config = core::with_members(file.config, overrides);
  if (out.boot.kernel.empty() && fs::exists(guest + "/vmlinuz", ec)) {
    out.boot.kernel = guest + "/vmlinuz";
    out.boot.initramfs = guest + "/initramfs.cpio";
  }
  // Make paths absolute, because each agent has a working folder of its own.
  for (std::string* path : {&out.boot.kernel, &out.boot.initramfs})
    if (!path->empty()) *path = fs::absolute(*path).string();
  return out;
}

Result<std::string> find_supervisor(const std::string& given) {
  std::error_code ec;
  const std::string folder = fs::read_symlink("/proc/self/exe", ec).parent_path().string();
  for (const std::string& path : {given, folder + "/qarax-supervisor", folder + "/../libexec/qarax/qarax-supervisor"})
    if (!path.empty() && ::access(path.c_str(), X_OK) == 0) return fs::absolute(path).string();
  return make_error(Code::not_found, given.empty() ? "qarax-supervisor is neither in " + folder +
                                                         " nor in ../libexec/qarax; name it with --supervisor"
                                                   : "qarax-supervisor can't be run at " + given);
}

}  // namespace qarax::conformance
