// The argument documents of the slots in abi.h: the hypervisor interfaces' and those of qarax.host.process/1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_spec.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax {

// Error crosses the ABI as a document too.
template <>
struct EnumNames<Code> {
  static constexpr std::string_view kNames[] = {
      "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
      "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
      "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
      "data_loss", "unauthenticated"};
  static constexpr Code kUnknown = Code::unknown;
};
template <>
struct Fields<ErrorDetail> {
  static constexpr std::string_view kName = "ErrorDetail";
  static constexpr auto kTable =
      field_table(field<&ErrorDetail::pointer>("pointer").required().doc("JSON pointer into the request's document."),
                  field<&ErrorDetail::detail>("detail").required().doc("What is wrong there."));
};
QARAX_FIELDS_COMPLETE(ErrorDetail);
template <>
struct Fields<Error> {
  static constexpr std::string_view kName = "Error";
  static constexpr auto kTable =
      field_table(field<&Error::code>("code"), field<&Error::message>("message"), field<&Error::details>("details"),
                  field<&Error::reason>("reason"), field<&Error::retryable>("retryable"),
                  field<&Error::retry_after_ms>("retry_after_ms"), field<&Error::hint>("hint"),
                  field<&Error::log_tail>("log_tail"), field<&Error::step>("step"), field<&Error::causes>("causes"));
};
QARAX_FIELDS_COMPLETE(Error);

// Decodes an error document from the other side, ignoring unknown members; nullopt if it isn't one.
inline std::optional<Error> decode_error(std::string_view document) {
  const auto parsed = json::parse(document);
  if (!parsed) return std::nullopt;
  Error error;
  detail::Decoder decoder(Unknown::ignore);
  decoder.read(*parsed, error, "");
  if (!decoder.problems.empty()) return std::nullopt;
  return error;
}

struct CreateArgs {
  RawJson config{};         // checked against config_schema before; null where the node's config has none
  std::string state_dir{};  // absolute, private to this instance, survives restarts
};
template <>
struct Fields<CreateArgs> {
  static constexpr std::string_view kName = "CreateArgs";
  static constexpr auto kTable = field_table(
      field<&CreateArgs::config>("config").doc("As config_schema has it; null where the node's config has none."),
      field<&CreateArgs::state_dir>("state_dir")
          .doc("A folder of this instance's own, absolute; it survives restarts."));
};
QARAX_FIELDS_COMPLETE(CreateArgs);

// Files on the host that a start boots from; made by the host from the VM's boot source, immutable while the VM lives.
struct BootFiles {
  std::string kernel{};      // bzImage or vmlinux
  std::string kernel_pvh{};  // an ELF with a PVH note made from `kernel`; empty when there is none
  std::string initramfs{};   // empty when there is none
  std::string cmdline{};
};
template <>
struct Fields<BootFiles> {
  static constexpr std::string_view kName = "BootFiles";
  static constexpr auto kTable = field_table(
      field<&BootFiles::kernel>("kernel").doc("A bzImage or vmlinux, absolute; immutable while the VM lives."),
      field<&BootFiles::kernel_pvh>("kernel_pvh")
          .doc("An ELF with a PVH note, made from the kernel; empty: there is none."),
      field<&BootFiles::initramfs>("initramfs").doc("Empty: there is none."),
      field<&BootFiles::cmdline>("cmdline").doc("The kernel's command line."));
};
QARAX_FIELDS_COMPLETE(BootFiles);

struct ResolveArgs {
  VmSpec spec{};
};
template <>
struct Fields<ResolveArgs> {
  static constexpr std::string_view kName = "ResolveArgs";
  static constexpr auto kTable = field_table(field<&ResolveArgs::spec>("spec").required());
};
QARAX_FIELDS_COMPLETE(ResolveArgs);

struct StartArgs {
  std::string vm{};              // UUID
  std::string name{};            // for people: process titles
  std::int64_t incarnation = 0;  // this start; counts up over the VM's life
  VmSpec spec{};                 // resolved
  BootFiles boot{};
  std::string run_dir{};  // absolute, private to this incarnation: sockets and the VMM's log live here
};
template <>
struct Fields<StartArgs> {
  static constexpr std::string_view kName = "StartArgs";
  static constexpr auto kTable = field_table(
      field<&StartArgs::vm>("vm").required().doc("UUID."),
      field<&StartArgs::name>("name").doc("For people: process titles."),
      field<&StartArgs::incarnation>("incarnation").required().doc("This start; counts up over the VM's life."),
      field<&StartArgs::spec>("spec").required(), field<&StartArgs::boot>("boot").doc("What it boots from."),
      field<&StartArgs::run_dir>("run_dir").doc(
          "A folder of this incarnation's own, absolute: sockets and the VMM's log live here."));
};
QARAX_FIELDS_COMPLETE(StartArgs);

// Names a VM in every call after its start. `handle`: what the plugin kept last, as it spelled it; the C++ layer drops
// white space between tokens, a plugin in C gets the same bytes. null: it never kept one.
struct VmArgs {
  std::string vm{};
  std::int64_t incarnation = 0;
  std::string run_dir{};
  RawJson handle{};
};
template <>
struct Fields<VmArgs> {
  static constexpr std::string_view kName = "VmArgs";
  static constexpr auto kTable =
      field_table(field<&VmArgs::vm>("vm").required().doc("UUID."),
                  field<&VmArgs::incarnation>("incarnation").required().doc("The start that this is about."),
                  field<&VmArgs::run_dir>("run_dir").doc("The folder of that incarnation, absolute."),
                  field<&VmArgs::handle>("handle").doc("What the plugin kept last; null: it never kept one."));
};
QARAX_FIELDS_COMPLETE(VmArgs);

enum class StopMode { graceful, force };
template <>
struct EnumNames<StopMode> {
  static constexpr std::string_view kNames[] = {"graceful", "force"};
  static constexpr StopMode kUnknown = StopMode::graceful;
};
struct StopArgs {
  VmArgs vm{};
  StopMode mode = StopMode::graceful;
  std::int64_t timeout_ms = 0;  // graceful: how long the guest gets after the power button before it is killed
};
template <>
struct Fields<StopArgs> {
  static constexpr std::string_view kName = "StopArgs";
  static constexpr auto kTable =
      field_table(field<&StopArgs::vm>("vm").flat(), field<&StopArgs::mode>("mode").required(),
                  field<&StopArgs::timeout_ms>("timeout_ms")
                      .min(0)
                      .doc("Graceful: how long the guest has after the power button before it is killed."));
};
QARAX_FIELDS_COMPLETE(StopArgs);

struct ResizeArgs {
  VmArgs vm{};
  std::optional<std::int32_t> vcpus{};
  std::optional<std::int64_t> memory{};  // bytes
};
template <>
struct Fields<ResizeArgs> {
  static constexpr std::string_view kName = "ResizeArgs";
  static constexpr auto kTable =
      field_table(field<&ResizeArgs::vm>("vm").flat(), field<&ResizeArgs::vcpus>("vcpus").min(1),
                  field<&ResizeArgs::memory>("memory").min(1));
};
QARAX_FIELDS_COMPLETE(ResizeArgs);

struct SnapshotArgs {
  VmArgs vm{};
};
template <>
struct Fields<SnapshotArgs> {
  static constexpr std::string_view kName = "SnapshotArgs";
  static constexpr auto kTable = field_table(field<&SnapshotArgs::vm>("vm").flat());
};
QARAX_FIELDS_COMPLETE(SnapshotArgs);

// ---- qarax.host.process/1 ----

// fd i of the call becomes descriptor fd_targets[i] of the process.
struct SpawnArgs {
  std::string vm{};
  std::int64_t incarnation = 0;
  std::vector<std::string> argv{};           // argv[0] is an absolute path
  std::map<std::string, std::string> env{};  // the whole environment; the host adds QARAX_VM, by which it finds its own
  std::vector<std::int32_t> fd_targets{};
  std::string console_connect{};  // socket that listens already, or that the VMM makes as it starts
};
template <>
struct Fields<SpawnArgs> {
  static constexpr std::string_view kName = "SpawnArgs";
  static constexpr auto kTable = field_table(
      field<&SpawnArgs::vm>("vm").required(), field<&SpawnArgs::incarnation>("incarnation").required(),
      field<&SpawnArgs::argv>("argv").required().doc("The first is an absolute path."),
      field<&SpawnArgs::env>("env").doc("The whole environment; the host adds QARAX_VM, by which it finds its own."),
      field<&SpawnArgs::fd_targets>("fd_targets")
          .doc("The number in the process of each descriptor of the call, in their order: 3 to 1023, each once."),
      field<&SpawnArgs::console_connect>("console_connect")
          .doc("Unix stream socket on which the VMM serves its serial console, now or later: the host connects and "
               "keeps log and attach. Empty: no console."));
};
QARAX_FIELDS_COMPLETE(SpawnArgs);

struct ProcessArgs {
  std::string vm{};
  std::int64_t incarnation = 0;
};
template <>
struct Fields<ProcessArgs> {
  static constexpr std::string_view kName = "ProcessArgs";
  static constexpr auto kTable =
      field_table(field<&ProcessArgs::vm>("vm").required(), field<&ProcessArgs::incarnation>("incarnation").required());
};
QARAX_FIELDS_COMPLETE(ProcessArgs);

// pid and start_time (field 22 of /proc/<pid>/stat) together name a process for as long as the host is up.
struct Process {
  std::int32_t pid = 0;
  std::int64_t start_time = 0;
  bool alive = false;
  std::optional<ExitInfo> exit{};  // set once it has ended
};
template <>
struct Fields<Process> {
  static constexpr std::string_view kName = "Process";
  static constexpr auto kTable = field_table(field<&Process::pid>("pid"), field<&Process::start_time>("start_time"),
                                             field<&Process::alive>("alive"), field<&Process::exit>("exit"));
};
QARAX_FIELDS_COMPLETE(Process);

struct SignalArgs {
  ProcessArgs process{};
  std::int32_t signal = 0;
};
template <>
struct Fields<SignalArgs> {
  static constexpr std::string_view kName = "SignalArgs";
  static constexpr auto kTable = field_table(field<&SignalArgs::process>("process").flat(),
                                             field<&SignalArgs::signal>("signal").required().min(1).max(64));
};
QARAX_FIELDS_COMPLETE(SignalArgs);

struct ClaimArgs {
  std::string vm{};
  std::string kind{};
  std::string name{};
};
template <>
struct Fields<ClaimArgs> {
  static constexpr std::string_view kName = "ClaimArgs";
  static constexpr auto kTable = field_table(
      field<&ClaimArgs::vm>("vm").required(),
      field<&ClaimArgs::kind>("kind").required().doc("process, cgroup, socket, file, tap, mount or volume."),
      field<&ClaimArgs::name>("name").required());
};
QARAX_FIELDS_COMPLETE(ClaimArgs);

struct RunArgs {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};
  std::string until{};              // success once the output contains this, the process is then killed; empty: wait
  std::int64_t max_output = 65536;  // bytes kept of stdout and stderr together
};
template <>
struct Fields<RunArgs> {
  static constexpr std::string_view kName = "RunArgs";
  static constexpr auto kTable = field_table(
      field<&RunArgs::argv>("argv").required().doc("The first is an absolute path."),
      field<&RunArgs::env>("env").doc("The whole environment."),
      field<&RunArgs::until>("until").doc(
          "Ended, successfully, as soon as its output contains this; empty: its exit is waited for."),
      field<&RunArgs::max_output>("max_output").min(0).max(1048576).doc("Bytes kept of stdout and stderr together."));
};
QARAX_FIELDS_COMPLETE(RunArgs);

struct RunResult {
  ExitInfo exit{};
  std::string output{};
  bool matched = false;    // `until` was seen
  bool timed_out = false;  // killed at the deadline
};
template <>
struct Fields<RunResult> {
  static constexpr std::string_view kName = "RunResult";
  static constexpr auto kTable =
      field_table(field<&RunResult::exit>("exit"), field<&RunResult::output>("output"),
                  field<&RunResult::matched>("matched"), field<&RunResult::timed_out>("timed_out"));
};
QARAX_FIELDS_COMPLETE(RunResult);

}  // namespace qarax
