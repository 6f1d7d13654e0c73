#include "snapshot_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "devices.hpp"

namespace qarax::qemu {

using plugin::Socket;

namespace {

constexpr const char* kMemory = "memory";
constexpr const char* kMemoryPart = "memory.part";
constexpr const char* kMachine = "machine.json";
constexpr const char* kMachinePart = "machine.json.part";
constexpr std::size_t kMaxMachine = 1 << 20;

Error failed(const std::string& what) {
  const int error = errno;
  const Code code = error == ENOENT                      ? Code::not_found
                    : error == ENOSPC || error == EDQUOT ? Code::resource_exhausted
                                                         : Code::internal;
  return make_error(code, "the snapshot's folder: " + what + ": " + std::generic_category().message(error));
}

Result<Socket> create(int folder, const char* name) {
  Socket out(::openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (out.get() < 0) return failed(std::string("can't make ") + name);
  return out;
}

}  // namespace

Result<Socket> begin_snapshot(int folder) {
  drop_snapshot(folder);
  return create(folder, kMemoryPart);
}

Status finish_snapshot(int folder, const Socket& memory, const Machine& machine) {
  if (::fsync(memory.get()) != 0 || ::renameat(folder, kMemoryPart, folder, kMemory) != 0)
    return failed("can't keep the memory");
  QARAX_TRY(const Socket file, create(folder, kMachinePart));
  const std::string text = encode(machine, Defaults::write);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0 ||
      ::renameat(folder, kMachinePart, folder, kMachine) != 0 || ::fsync(folder) != 0)
    return failed("can't keep the machine");
  return Ok{};
}

void drop_snapshot(int folder) {
  // Remove the machine first: without it the rest doesn't count as a snapshot.
  for (const char* name : {kMachine, kMachinePart, kMemory, kMemoryPart}) ::unlinkat(folder, name, 0);
}

Result<Machine> read_machine(int folder) {
  const Socket file(::openat(folder, kMachine, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return failed(std::string("no whole snapshot of the qemu plugin there, no ") + kMachine);
  std::string text;
  char chunk[4096];
  for (ssize_t n = 0; (n = ::read(file.get(), chunk, sizeof chunk)) > 0 && text.size() < kMaxMachine;)
    text.append(chunk, static_cast<std::size_t>(n));
  auto machine = decode<Machine>(std::string_view(text), Unknown::ignore);
  if (!machine || machine->vmm != "qemu")
    return make_error(Code::failed_precondition,
                      "the snapshot isn't one of the qemu plugin" +
                          (machine ? ", but of " + machine->vmm : ": " + machine.error().message));
  if (machine->format > kSnapshotFormat)
    return make_error(Code::failed_precondition, "the snapshot was made by a newer qemu plugin (format " +
                                                     std::to_string(machine->format) + ", this one knows " +
                                                     std::to_string(kSnapshotFormat) + "); upgrade this node's plugin");
  return machine;
}

Result<Socket> open_memory(int folder) {
  Socket out(::openat(folder, kMemory, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (out.get() < 0) return failed("no memory in it");
  return out;
}

std::string difference(const Machine& machine, const VmSpec& spec, const std::string& accelerator) {
  if (machine.accelerator != accelerator)
    return "it was made under " + machine.accelerator + " and this node runs QEMU with " + accelerator;
  std::int64_t memory = machine.spec.memory_size;
  for (const Dimm& dimm : machine.dimms) memory += dimm.size;
  const std::string member = plugin::frozen_difference(machine.spec, machine.vcpus, memory, spec);
  return member.empty() ? member : "its " + member + " isn't the VM's";
}

}  // namespace qarax::qemu
