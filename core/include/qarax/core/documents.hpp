// The documents that server and node exchange inside the protobuf envelope (core/proto): JSON by the SDK's field
// tables. N±1 understand each other: members that aren't known are ignored, but those of a machine (VmSpec, a resize).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/ids.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_spec.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::core {

// What a start needs beside its ids. `hypervisor`: the plugin's short name.
struct StartCommand {
  std::string name{};
  std::string hypervisor{};
  VmSpec spec{};
  std::optional<VmSpec> resolved{};             // frozen at the first start; absent before
  std::optional<std::string> boot_source_id{};  // absent: the node's default boot source
  RawJson keep{};        // the server's own words about the VM: kept as they are, given back by Survey
  bool resolve = false;  // `resolved` was changed since: what is new in it is to be frozen too
  std::int64_t keep_edition =
      0;  // of name and keep: later ones have higher numbers; 0: an older server, which has none
};

struct StopCommand {
  std::int64_t timeout_ms = 0;
};

// What stays absent stays as it is.
struct ResizeCommand {
  std::optional<std::int32_t> vcpus{};
  std::optional<std::int64_t> memory{};  // bytes
};

struct SnapshotCommand {
  std::string id{};  // UUID, the server's
  std::string name{};
};

// A start that goes on where the snapshot left off: spec, hardware and boot files are the snapshot's.
struct RestoreCommand {
  StartCommand start{};
  std::string snapshot{};
};

// Names in Hello's `features`: what an older node or server doesn't know isn't asked of it.
inline constexpr std::string_view kFeatureResize = "resize";
inline constexpr std::string_view kFeatureSnapshot = "snapshot";
inline constexpr std::string_view kFeatureCounters = "counters";
inline constexpr std::string_view kFeatureSurvey = "survey";
inline constexpr std::string_view kFeatureResolve = "resolve";
inline constexpr std::string_view kFeatureVmmLog = "vmm-log";
inline constexpr std::string_view kFeatureCancel = "cancel";
inline constexpr std::string_view kFeatureKeep = "keep";
inline constexpr std::string_view kFeatureConsole = "console";
inline constexpr std::string_view kFeaturePosition = "position";
inline constexpr std::string_view kFeatures[] = {kFeatureResize,  kFeatureSnapshot, kFeatureCounters, kFeatureSurvey,
                                                 kFeatureResolve, kFeatureVmmLog,   kFeatureCancel,   kFeatureKeep,
                                                 kFeatureConsole, kFeaturePosition};
// Of AttachConsole's initial metadata.
inline constexpr const char* kConsoleOpen = "qarax-console-open";

// A snapshot as its node keeps it.
struct SnapshotFacts {
  std::string id{};
  std::int64_t size = 0;  // bytes
};

// What the node says of one VM. (session, seq) order reports: an older one never overwrites a newer one.
struct VmReport {
  std::string vm{};
  std::string name{};
  std::string hypervisor{};
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;  // highest that the node has seen for it
  std::string session{};
  std::int64_t seq = 0;
  std::string observed_at{};  // RFC 3339, for people
  VmStatus status{};
  std::optional<VmSpec> resolved{};
  bool missing = false;                     // the node has no folder for it: proves nothing, the VM is unknown
  bool deleted = false;                     // a tombstone: the node deleted it by command
  std::optional<SnapshotFacts> snapshot{};  // that this very command has taken
  std::string keep{};                       // fingerprint_of_keep() of what the node has; empty: it doesn't say
  std::int64_t keep_edition = 0;            // of that; 0: it has none
};

// How far the command under way is, as its plugin tells it. It is never kept on disk and proves nothing.
struct CommandProgress {
  std::string vm{};
  std::int64_t revision = 0;  // of the command
  std::string step{};         // the plugin's own name for what it does
  std::int64_t done = 0;      // of `total`, in the plugin's own unit
  std::int64_t total = 0;     // 0: the plugin doesn't know it
};

// Tells whether a node keeps what the server wants back of a VM: its name and the words that go along with a start.
inline std::string fingerprint_of_keep(std::string_view name, const RawJson& keep) {
  return fingerprint(std::string(name).append("\n").append(keep.text));
}

// A whole snapshot that a node has the files of: enough to list it anew.
struct KeptSnapshot {
  std::string id{};
  std::string name{};
  std::string created_at{};
  std::string hypervisor{};
  VmSpec spec{};
  VmSpec resolved{};
  std::int64_t size = 0;  // bytes
};

// What a node keeps of a VM that it was given: enough to define it anew.
struct KeptVm {
  VmReport report{};
  VmSpec spec{};  // of its last start, with what was resized since
  std::optional<std::string> boot_source_id{};
  RawJson keep{};         // StartCommand's, or what Keep has told since
  std::string problem{};  // why the rest can't be read; empty: it can
  std::vector<KeptSnapshot> snapshots{};
};

// Something that an agent made on its host and no VM owns.
struct Leftover {
  std::string kind{};
  std::string name{};
  std::string vm{};
  std::string why{};
  bool removed = false;
  std::string problem{};
};

struct PluginInfo {
  std::string name{};
  std::string id{};
  std::string version{};
  std::string path{};
  std::string kind{};    // hypervisor
  std::string state{};   // loaded, loading, refused
  std::string reason{};  // of a refusal, or what its loading waits for
  std::string step{};    // of the handshake that refused it, or that it is at
  std::vector<std::string> interfaces{};
  std::optional<Description> description{};
};

// The host's facts. Bytes; counts.
struct NodeInfo {
  std::string node_id{};
  std::string machine_id{};
  std::string boot_id{};  // boot_id, PID namespace and start time of its pid 1: one string, compared whole
  std::string session{};
  std::string version{};
  std::string hostname{};
  std::string kernel{};
  std::string cpu_model{};
  std::string architecture{};
  std::int32_t cpus = 0;
  std::int64_t memory = 0;
  std::string unix_socket{};  // the node's gRPC socket, for a server on the same machine
  std::string default_hypervisor{};
  std::map<std::string, std::string> fallback{};  // hypervisor asked for → what runs the VM where that can't
  std::vector<PluginInfo> plugins{};
  bool stopping = false;  // the host is being shut down: nothing is started here any more
};

}  // namespace qarax::core

namespace qarax {

template <>
struct Fields<core::StartCommand> {
  using T = core::StartCommand;
  static constexpr std::string_view kName = "StartCommand";
  static constexpr auto kTable = field_table(
      field<&T::name>("name"), field<&T::hypervisor>("hypervisor").required(), field<&T::spec>("spec").required(),
      field<&T::resolved>("resolved"), field<&T::boot_source_id>("boot_source_id"), field<&T::keep>("keep"),
      field<&T::resolve>("resolve"), field<&T::keep_edition>("keep_edition").min(0));
};
QARAX_FIELDS_COMPLETE(core::StartCommand);

template <>
struct Fields<core::StopCommand> {
  static constexpr std::string_view kName = "StopCommand";
  static constexpr auto kTable = field_table(field<&core::StopCommand::timeout_ms>("timeout_ms").min(0));
};
QARAX_FIELDS_COMPLETE(core::StopCommand);

template <>
struct Fields<core::ResizeCommand> {
  using T = core::ResizeCommand;
  static constexpr std::string_view kName = "ResizeCommand";
  static constexpr auto kTable = field_table(field<&T::vcpus>("vcpus").min(1), field<&T::memory>("memory").min(1));
};
QARAX_FIELDS_COMPLETE(core::ResizeCommand);

template <>
struct Fields<core::SnapshotCommand> {
  using T = core::SnapshotCommand;
  static constexpr std::string_view kName = "SnapshotCommand";
  static constexpr auto kTable = field_table(field<&T::id>("id").required(), field<&T::name>("name"));
};
QARAX_FIELDS_COMPLETE(core::SnapshotCommand);

template <>
struct Fields<core::RestoreCommand> {
  using T = core::RestoreCommand;
  static constexpr std::string_view kName = "RestoreCommand";
  static constexpr auto kTable =
      field_table(field<&T::start>("start").flat(), field<&T::snapshot>("snapshot").required());
};
QARAX_FIELDS_COMPLETE(core::RestoreCommand);

template <>
struct Fields<core::SnapshotFacts> {
  using T = core::SnapshotFacts;
  static constexpr std::string_view kName = "SnapshotFacts";
  static constexpr auto kTable = field_table(field<&T::id>("id").required(), field<&T::size>("size").min(0));
};
QARAX_FIELDS_COMPLETE(core::SnapshotFacts);

template <>
struct Fields<core::VmReport> {
  using T = core::VmReport;
  static constexpr std::string_view kName = "VmReport";
  static constexpr auto kTable =
      field_table(field<&T::vm>("vm").required(), field<&T::name>("name"), field<&T::hypervisor>("hypervisor"),
                  field<&T::incarnation>("incarnation"), field<&T::revision>("revision"), field<&T::session>("session"),
                  field<&T::seq>("seq"), field<&T::observed_at>("observed_at"), field<&T::status>("status").required(),
                  field<&T::resolved>("resolved"), field<&T::missing>("missing"), field<&T::deleted>("deleted"),
                  field<&T::snapshot>("snapshot"), field<&T::keep>("keep"), field<&T::keep_edition>("keep_edition"));
};
QARAX_FIELDS_COMPLETE(core::VmReport);

template <>
struct Fields<core::CommandProgress> {
  using T = core::CommandProgress;
  static constexpr std::string_view kName = "CommandProgress";
  static constexpr auto kTable =
      field_table(field<&T::vm>("vm").required(), field<&T::revision>("revision"), field<&T::step>("step"),
                  field<&T::done>("done").min(0), field<&T::total>("total").min(0));
};
QARAX_FIELDS_COMPLETE(core::CommandProgress);

template <>
struct Fields<core::KeptSnapshot> {
  using T = core::KeptSnapshot;
  static constexpr std::string_view kName = "KeptSnapshot";
  static constexpr auto kTable =
      field_table(field<&T::id>("id").required(), field<&T::name>("name"), field<&T::created_at>("created_at"),
                  field<&T::hypervisor>("hypervisor").required(), field<&T::spec>("spec").required(),
                  field<&T::resolved>("resolved").required(), field<&T::size>("size"));
};
QARAX_FIELDS_COMPLETE(core::KeptSnapshot);

template <>
struct Fields<core::KeptVm> {
  using T = core::KeptVm;
  static constexpr std::string_view kName = "KeptVm";
  static constexpr auto kTable = field_table(field<&T::report>("report").required(), field<&T::spec>("spec"),
                                             field<&T::boot_source_id>("boot_source_id"), field<&T::keep>("keep"),
                                             field<&T::problem>("problem"), field<&T::snapshots>("snapshots"));
};
QARAX_FIELDS_COMPLETE(core::KeptVm);

template <>
struct Fields<core::Leftover> {
  using T = core::Leftover;
  static constexpr std::string_view kName = "Leftover";
  static constexpr auto kTable = field_table(
      field<&T::kind>("kind").required().doc("process, cgroup, folder, file, socket, tap, mount, …"),
      field<&T::name>("name").required().doc("Which one: a path, a pid, a device."),
      field<&T::vm>("vm").required().doc("The VM that it was made for; empty: for none."),
      field<&T::why>("why").required().doc("Why nobody owns it."),
      field<&T::removed>("removed").required().doc("Whether it was removed just now."),
      field<&T::problem>("problem").required().doc("Why it could not be removed; empty: it could, or wasn't to be."));
};
QARAX_FIELDS_COMPLETE(core::Leftover);

template <>
struct Fields<core::PluginInfo> {
  using T = core::PluginInfo;
  static constexpr std::string_view kName = "Plugin";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().doc(
          "Short name, as `hypervisor` of a VM; the file's name where it was refused unread."),
      field<&T::id>("id").doc("Reverse-DNS id."), field<&T::version>("version").doc("The plugin's own version."),
      field<&T::path>("path").doc("The file on the host."),
      field<&T::kind>("kind").doc("hypervisor, storage or network."),
      field<&T::state>("state").required().doc("loaded, loading or refused."),
      field<&T::reason>("reason").doc("Why it was refused, or what its loading waits for."),
      field<&T::step>("step").doc("The step of the handshake that refused it, or that it is at."),
      field<&T::interfaces>("interfaces").doc("Interface ids that it offers."),
      field<&T::description>("description").doc("What it said of itself and its VMM."));
};
QARAX_FIELDS_COMPLETE(core::PluginInfo);

template <>
struct Fields<core::NodeInfo> {
  using T = core::NodeInfo;
  static constexpr std::string_view kName = "NodeInfo";
  static constexpr auto kTable =
      field_table(field<&T::node_id>("node_id").required(), field<&T::machine_id>("machine_id"),
                  field<&T::boot_id>("boot_id"), field<&T::session>("session"), field<&T::version>("version"),
                  field<&T::hostname>("hostname"), field<&T::kernel>("kernel"), field<&T::cpu_model>("cpu_model"),
                  field<&T::architecture>("architecture"), field<&T::cpus>("cpus"), field<&T::memory>("memory"),
                  field<&T::unix_socket>("unix_socket"), field<&T::default_hypervisor>("default_hypervisor"),
                  field<&T::fallback>("fallback"), field<&T::plugins>("plugins"), field<&T::stopping>("stopping"));
};
QARAX_FIELDS_COMPLETE(core::NodeInfo);

}  // namespace qarax
