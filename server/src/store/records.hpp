// The server's records: immutable snapshots of rows, shared between the store's memory and its readers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"
#include "restart.hpp"
#include "unread.hpp"

namespace qarax::server {

enum class Origin { user, guest, policy };  // who asked for the desired state

struct Desired {
  VmState state = VmState::created;
  Origin origin = Origin::user;
  std::int64_t revision = 0;
};

// Where the observed state comes from: the node's report, or the server's conclusion because it heard nothing.
enum class Source { server, node };

// What the node saw last. Observed and desired state never overwrite each other.
struct Observed {
  VmStatus status{};
  Source source = Source::server;
  std::string observed_at{};    // the node's clock
  std::string unknown_since{};  // set while the state is unknown
  std::string session{};
  std::int64_t seq = 0;
  std::int64_t incarnation = 0;
  std::string hypervisor{};       // the one that runs it, set by the first start
  std::string fallback_reason{};  // why `hypervisor` isn't the requested one
  std::string keep{};  // VmReport.keep: fingerprint of the words that the node keeps for a server that has lost the VM
  std::int64_t keep_edition = 0;  // edition of what the node keeps
};

struct VmRecord {
  std::string id;
  std::string name;
  std::optional<std::string> description;
  std::vector<std::string> tags;
  std::string hypervisor;  // as requested, or the node's default once the VM is placed
  VmSpec spec;
  std::optional<VmSpec> resolved;  // frozen at the first start
  // Incarnation after which `spec`, and with it `resolved`, was edited; the next start freezes the machine anew. 0: no
  // edit is pending.
  std::int64_t draft_since = 0;
  std::optional<std::string> boot_source_id;
  std::optional<std::string> host_id;  // chosen by the first start
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;  // of the latest job or edit of the spec
  // Number of the version that the node is to keep (keep.hpp). It is on disk before a node hears of it. 0: written by
  // an older server.
  std::int64_t edition = 0;
  Desired desired;
  Observed observed;
  Restart restart;
  std::string activity;  // what the unfinished job does: start, stop, …; empty: there is none
  std::string job_id;    // of that job
  std::string created_at;
  std::string updated_at;
  Unread unread;
  std::int64_t order = 0;  // order of creation; no other VM of this database ever has it
  // Changes with every change of the record. Not stored, so only valid while this server runs.
  std::uint64_t version = 0;
};
using VmPtr = std::shared_ptr<const VmRecord>;

// The edition of the record's next version. It is also above the edition that the node holds, which may come from a
// server with a later state of this database.
inline std::int64_t next_edition(const VmRecord& vm) { return std::max(vm.edition, vm.observed.keep_edition) + 1; }

enum class HostStatus { unknown, down, installing, installation_failed, initializing, up };

struct HostRecord {
  std::string id;
  std::string name;
  std::string address;
  std::int64_t port = 0;
  std::string host_user;
  std::string node_id;      // pinned at the first contact
  std::string needs_adopt;  // the node's proof that this database was set back, or kAwaited; empty: none
  bool heard = false;       // its node has told this server all that it knows; in memory only
  HostStatus status = HostStatus::unknown;
  std::string status_reason;
  std::optional<core::NodeInfo> info;  // from the last contact
  std::string last_seen;
  std::uint64_t version = 0;  // as VmRecord::version
};
using HostPtr = std::shared_ptr<const HostRecord>;

// In HostRecord::needs_adopt of a host that wasn't heard yet when another one proved that the database was set back: it
// may prove the same. Stored, so that a restart forgets nothing of it. No proof reads like this; it is never shown.
inline constexpr std::string_view kAwaited = "awaited";
inline bool is_awaited(const HostRecord& host) { return host.needs_adopt == kAwaited; }

enum class JobState { running, completed, failed, superseded, cancelled };

// Further arguments of an action.
struct JobArguments {
  core::ResizeCommand resize{};
  std::string snapshot{};  // id of the snapshot that is taken, restored or deleted
  std::string name{};      // of the snapshot that is taken; empty: the store chooses one
};

struct JobRecord {
  std::string id;
  std::string vm_id;
  std::int64_t revision = 0;
  core::Action action = core::Action::start;
  JobState state = JobState::running;
  std::int64_t incarnation = 0;
  std::int64_t timeout_ms = 0;  // of a stop: time that the guest gets
  std::string request_id;
  Desired before;  // restored if the job fails or is cancelled
  JobArguments arguments{};
};

enum class SnapshotStatus { creating, ready, failed };  // failed: its job was superseded; there may be leftovers

struct SnapshotRecord {
  std::string id;
  std::string vm_id;
  std::string name;  // unique among the VM's
  SnapshotStatus status = SnapshotStatus::creating;
  std::string hypervisor;  // took the snapshot; no other can restore it
  VmSpec spec;             // the VM's at that time, which a restore brings back
  VmSpec resolved;
  std::int64_t size = 0;  // bytes on its host, once it is ready
  std::string created_at;
  Unread unread{};
};
using SnapshotPtr = std::shared_ptr<const SnapshotRecord>;

// Host memory that a VM has reserved, from the transaction of its start until its end is confirmed, also where its
// record was forgotten meanwhile.
struct Reservation {
  std::string vm_id;  // of a forgotten VM a name that stands for it
  std::string host_id;
  std::int64_t incarnation = 0;
  std::int64_t memory = 0;  // bytes, with the VMM's overhead
};

}  // namespace qarax::server

namespace qarax {
template <>
struct EnumNames<server::Origin> {
  static constexpr std::string_view kNames[] = {"user", "guest", "policy"};
  static constexpr server::Origin kUnknown = server::Origin::user;
};
template <>
struct EnumNames<server::Source> {
  static constexpr std::string_view kNames[] = {"server", "node"};
  static constexpr server::Source kUnknown = server::Source::server;
};
template <>
struct EnumNames<server::HostStatus> {
  static constexpr std::string_view kNames[] = {"unknown",      "down", "installing", "installation_failed",
                                                "initializing", "up"};
  static constexpr server::HostStatus kUnknown = server::HostStatus::unknown;
};
template <>
struct EnumNames<server::JobState> {
  static constexpr std::string_view kNames[] = {"running", "completed", "failed", "superseded", "cancelled"};
  static constexpr server::JobState kUnknown = server::JobState::running;
};
template <>
struct EnumNames<server::SnapshotStatus> {
  static constexpr std::string_view kNames[] = {"creating", "ready", "failed"};
  static constexpr server::SnapshotStatus kUnknown = server::SnapshotStatus::failed;
};
template <>
struct Fields<server::JobArguments> {
  using T = server::JobArguments;
  static constexpr std::string_view kName = "JobArguments";
  static constexpr auto kTable =
      field_table(field<&T::resize>("resize").flat(), field<&T::snapshot>("snapshot"), field<&T::name>("name"));
};
QARAX_FIELDS_COMPLETE(server::JobArguments);
template <>
struct Fields<server::Desired> {
  using T = server::Desired;
  static constexpr std::string_view kName = "Desired";
  static constexpr auto kTable =
      field_table(field<&T::state>("state").required(), field<&T::origin>("origin"), field<&T::revision>("revision"));
};
QARAX_FIELDS_COMPLETE(server::Desired);
template <>
struct Fields<server::Observed> {
  using T = server::Observed;
  static constexpr std::string_view kName = "Observed";
  static constexpr auto kTable = field_table(
      field<&T::status>("status").required(), field<&T::source>("source"), field<&T::observed_at>("observed_at"),
      field<&T::unknown_since>("unknown_since"), field<&T::session>("session"), field<&T::seq>("seq"),
      field<&T::incarnation>("incarnation"), field<&T::hypervisor>("hypervisor"),
      field<&T::fallback_reason>("fallback_reason"), field<&T::keep>("keep"), field<&T::keep_edition>("keep_edition"));
};
QARAX_FIELDS_COMPLETE(server::Observed);
}  // namespace qarax
