// The documents that server and node exchange inside the protobuf envelope (core/proto): JSON by the SDK's field
// tables. Versions N±1 understand each other: unknown members are ignored, except in what describes a machine (VmSpec,
// a resize).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/ids.hpp"
#include "qarax/core/plugin_state.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_spec.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::core {

// What a start needs besides the ids in CommandRequest. `hypervisor`: the plugin's short name.
struct StartCommand {
  std::string name{};
  std::string hypervisor{};
  VmSpec spec{};
  std::optional<VmSpec> resolved{};             // frozen at the first start; absent before
  std::optional<std::string> boot_source_id{};  // absent: the node's default boot source
  RawJson keep{};        // the server's own data about the VM: the node keeps it unread and returns it in Survey
  bool resolve = false;  // `resolved` was edited since the last start: the plugin resolves it again
  std::int64_t keep_edition =
      0;  // edition of name and keep, higher with each change; 0: from an older server, which has none
};

struct StopCommand {
  std::int64_t timeout_ms = 0;  // for the guest; 0: the node's default, so that "none" is 1
};

// An absent member leaves that size as it is.
struct ResizeCommand {
  std::optional<std::int32_t> vcpus{};
  std::optional<std::int64_t> memory{};  // bytes
};

struct SnapshotCommand {
  std::string id{};  // UUID, the server's
  std::string name{};
};

// A start that continues from a snapshot, with the snapshot's spec, hardware and boot files.
struct RestoreCommand {
  StartCommand start{};
  std::string snapshot{};
};

// Names in Hello's `features`: a peer is only asked for features that it has listed.
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
// Metadata key that the node sends once an AttachConsole stream is open.
inline constexpr const char* kConsoleOpen = "qarax-console-open";

// A snapshot as its node keeps it.
struct SnapshotFacts {
  std::string id{};
  std::int64_t size = 0;  // bytes
};

// A node's report about one VM. Within a session `seq` orders the reports: an older one never overwrites a newer one.
struct VmReport {
  std::string vm{};
  std::string name{};
  std::string hypervisor{};
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;  // highest that the node has seen for this VM
  std::string session{};
  std::int64_t seq = 0;
  std::string observed_at{};  // RFC 3339, for people
  VmStatus status{};
  std::optional<VmSpec> resolved{};
  bool missing = false;                     // the node has no folder for the VM: proves nothing, the VM is unknown
  bool deleted = false;                     // a tombstone: the node deleted the VM by command
  std::optional<SnapshotFacts> snapshot{};  // taken by the command that this report answers
  std::string keep{};                       // fingerprint_of_keep() of what the node has; empty: not reported
  std::int64_t keep_edition = 0;            // edition of what the node has; 0: none
};

// How far the command under way is, as its plugin tells it. It is never kept on disk and proves nothing.
struct CommandProgress {
  std::string vm{};
  std::int64_t revision = 0;  // of the command
  std::string step{};         // the plugin's own name for what it does
  std::int64_t done = 0;      // of `total`, in the plugin's own unit
  std::int64_t total = 0;     // 0: the plugin doesn't know it
};

// Fingerprint of a VM's name and StartCommand::keep. The server compares it to tell whether a node has the current
// ones.
inline std::string fingerprint_of_keep(std::string_view name, const RawJson& keep) {
  return fingerprint(std::string(name).append("\n").append(keep.text));
}

// A complete snapshot whose files a node has; enough for the server to list the snapshot again.
struct KeptSnapshot {
  std::string id{};
  std::string name{};
  std::string created_at{};
  std::string hypervisor{};
  VmSpec spec{};
  VmSpec resolved{};
  std::int64_t size = 0;  // bytes
};

// What a node keeps of a VM that it was given; enough for the server to define the VM again.
struct KeptVm {
  VmReport report{};
  VmSpec spec{};  // of the last start, with later resizes applied
  std::optional<std::string> boot_source_id{};
  RawJson keep{};         // from StartCommand, or from a later Keep
  std::string problem{};  // why the other members couldn't be read; empty: they could
  std::vector<KeptSnapshot> snapshots{};
};

// Something that an agent made on its host and that no VM owns any more.
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
  std::string kind{};  // hypervisor
  PluginState state = PluginState::unknown;
  std::string reason{};  // why the plugin was refused, or what its loading waits for
  std::string step{};    // the step of the handshake that refused the plugin, or that it has reached
  std::vector<std::string> interfaces{};
  std::optional<Description> description{};
};

// Facts about the host. `memory` in bytes.
struct NodeInfo {
  std::string node_id{};
  std::string machine_id{};
  std::string boot_id{};  // boot_identity(); only compared as a whole
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
  std::map<std::string, std::string> fallback{};  // requested hypervisor → the one that runs the VM if that can't
  std::vector<PluginInfo> plugins{};
  bool stopping = false;  // the host is being shut down: no VM is started here any more
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
