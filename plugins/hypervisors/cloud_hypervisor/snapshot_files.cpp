#include "snapshot_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "unix_socket.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr const char* kMachine = "machine.json";
constexpr const char* kMachinePart = "machine.json.part";
constexpr const char* kConfig = "config.json";  // these three are Cloud Hypervisor's
constexpr const char* kState = "state.json";
constexpr const char* kMemory = "memory-ranges";

Error failed(const std::string& what) {
  const int error = errno;
  const Code code = error == ENOENT                      ? Code::not_found
                    : error == ENOSPC || error == EDQUOT ? Code::resource_exhausted
                                                         : Code::internal;
  return make_error(code, what + ": " + std::generic_category().message(error));
}

Status sync(const std::string& path) {
  const plugin::Socket file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return failed("can't keep " + path);
  return Ok{};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return failed("can't read " + path);
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

Status write_file(const std::string& path, const std::string& text) {
  const plugin::Socket file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0 || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fsync(file.get()) != 0)
    return failed("can't write " + path);
  return Ok{};
}

}  // namespace

Result<std::string> folder_path(int fd) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
  if (fd < 0 || error || !std::filesystem::is_directory(path, error))
    return make_error(Code::invalid_argument, "the call has no folder for the snapshot");
  return path.string();
}

void drop_snapshot(const std::string& folder) {
  // Ours first: without it the rest is no snapshot.
  for (const char* name : {kMachine, kMachinePart, kConfig, kState, kMemory}) ::unlink((folder + "/" + name).c_str());
}

Status finish_snapshot(const std::string& folder, const Machine& machine) {
  for (const char* name : {kConfig, kState, kMemory}) QARAX_CHECK(sync(folder + "/" + name));
  const std::string part = folder + "/" + kMachinePart;
  QARAX_CHECK(write_file(part, encode(machine, Defaults::write)));
  if (::rename(part.c_str(), (folder + "/" + kMachine).c_str()) != 0) return failed("can't keep " + part);
  return sync(folder);
}

Result<Machine> read_machine(const std::string& folder) {
  const auto text = read_file(folder + "/" + kMachine);
  if (!text) return Error(text.error()).context("no whole snapshot of the cloud_hv plugin there");
  auto machine = decode<Machine>(std::string_view(*text), Unknown::ignore);
  if (!machine || machine->vmm != "cloud_hv")
    return make_error(Code::failed_precondition,
                      "the snapshot isn't one of the cloud_hv plugin" +
                          (machine ? ", but of " + machine->vmm : ": " + machine.error().message));
  if (machine->format > kSnapshotFormat)
    return make_error(Code::failed_precondition, "the snapshot was made by a newer cloud_hv plugin (format " +
                                                     std::to_string(machine->format) + ", this one knows " +
                                                     std::to_string(kSnapshotFormat) + "); upgrade this node's plugin");
  return machine;
}

Status make_restore_view(const std::string& folder, const std::string& view, const std::string& serial_socket) {
  remove_restore_view(view);
  QARAX_TRY(const std::string text, read_file(folder + "/" + kConfig));
  auto config = json::parse(text);
  json::Object* object = config ? config->as_object() : nullptr;
  if (object == nullptr)
    return make_error(Code::failed_precondition, "the snapshot's " + std::string(kConfig) + " isn't a JSON object");
  for (auto& [name, value] : *object)
    if (name == "serial")
      value = json::Value(json::Object{{"mode", json::Value("Socket")}, {"socket", json::Value(serial_socket)}});
  if (::mkdir(view.c_str(), 0700) != 0) return failed("can't make " + view);
  QARAX_CHECK(write_file(view + "/" + kConfig, json::to_text(*config)));
  for (const char* name : {kState, kMemory})
    if (::symlink((folder + "/" + name).c_str(), (view + "/" + name).c_str()) != 0)
      return failed("can't make " + view + "/" + name);
  return Ok{};
}

void remove_restore_view(const std::string& view) {
  for (const char* name : {kConfig, kState, kMemory}) ::unlink((view + "/" + name).c_str());
  ::rmdir(view.c_str());
}

}  // namespace qarax::cloud_hypervisor
