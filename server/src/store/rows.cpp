#include "rows.hpp"

#include <Poco/Data/RecordSet.h>
#include <Poco/Data/Statement.h>

#include "qarax/core/addresses.hpp"
#include "qarax/core/enum_name.hpp"
#include "row_values.hpp"

namespace qarax::server::rows {

namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::RecordSet;
using Poco::Data::Statement;

// `unread`, if not null, receives the members that T doesn't know.
template <class T>
T document(const std::string& text, const std::string& where, std::string* unread = nullptr) {
  const auto parsed = json::parse(text);
  if (!parsed) throw BadRow(where + ": " + std::string(Fields<T>::kName) + ": " + parsed.error().message);
  auto decoded = decode<T>(*parsed, Unknown::ignore, text);
  if (!decoded) throw BadRow(where + ": " + decoded.error().message);
  if (unread != nullptr) *unread = unread::of<T>(*parsed, text);
  return std::move(*decoded);
}

std::vector<std::string> texts(const std::string& json, const std::string& where) {
  const auto parsed = json::parse(json);
  const json::Array* array = parsed ? parsed->as_array() : nullptr;
  if (array == nullptr) throw BadRow(where + ": not a list of texts");
  std::vector<std::string> out;
  for (const json::Value& one : *array)
    if (const std::string* text = one.as_string()) out.push_back(*text);
  return out;
}

SnapshotStatus status_of(const std::string& name) {
  if (const auto status = enum_named<SnapshotStatus>(name)) return *status;
  throw BadRow("snapshots: unknown status " + name);
}

core::Action action_of(const std::string& name) {
  if (const auto action = core::action_named(name)) return *action;
  throw BadRow("jobs: unknown action " + name);
}

}  // namespace

std::vector<VmRecord> read_vms(Session& session) {
  Statement select = session.statement();
  select << "SELECT id, ordinal, name, description, hypervisor, spec, resolved, boot_source_id, host_id, incarnation, "
            "revision, desired, observed, "
            "created_at, updated_at, restart, tags, draft_since, edition FROM vms ORDER BY ordinal",
      now;
  const RecordSet set(select);
  std::vector<VmRecord> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row) {
    VmRecord vm;
    vm.id = text(set, 0, row);
    const std::string where = "vms " + vm.id;
    vm.order = number(set, 1, row);
    vm.name = text(set, 2, row);
    vm.description = optional_text(set, 3, row);
    vm.hypervisor = text(set, 4, row);
    vm.spec = document<VmSpec>(text(set, 5, row), where, &vm.unread.spec);
    if (const auto resolved = optional_text(set, 6, row))
      vm.resolved = document<VmSpec>(*resolved, where, &vm.unread.resolved);
    vm.boot_source_id = optional_text(set, 7, row);
    vm.host_id = optional_text(set, 8, row);
    vm.incarnation = number(set, 9, row);
    vm.revision = number(set, 10, row);
    vm.desired = document<Desired>(text(set, 11, row), where);
    vm.observed = document<Observed>(text(set, 12, row), where);
    vm.created_at = text(set, 13, row);
    vm.updated_at = text(set, 14, row);
    vm.restart = document<Restart>(text(set, 15, row), where, &vm.unread.restart);
    vm.tags = texts(text(set, 16, row), where);
    vm.draft_since = number(set, 17, row);
    vm.edition = number(set, 18, row);
    out.push_back(std::move(vm));
  }
  return out;
}

std::vector<HostRecord> read_hosts(Session& session) {
  Statement select = session.statement();
  select << "SELECT id, name, address, port, host_user, node_id, needs_adopt FROM hosts", now;
  const RecordSet set(select);
  std::vector<HostRecord> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row) {
    HostRecord host;
    host.id = text(set, 0, row);
    host.name = text(set, 1, row);
    host.address = core::bare_address(text(set, 2, row));  // older servers stored IPv6 addresses with brackets
    host.port = number(set, 3, row);
    host.host_user = text(set, 4, row);
    host.node_id = text(set, 5, row);
    host.needs_adopt = text(set, 6, row);
    out.push_back(std::move(host));
  }
  return out;
}

std::int64_t read_order_lead(Session& session) { return session.numbers<1>("SELECT order_lead FROM event_counter")[0]; }

std::vector<JobRecord> read_unfinished_jobs(Session& session) {
  Statement select = session.statement();
  select
      << "SELECT id, vm_id, revision, action, incarnation, timeout_ms, request_id, before, arguments FROM jobs WHERE "
         "state = 'running'",
      now;
  const RecordSet set(select);
  std::vector<JobRecord> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row) {
    if (host_action_named(text(set, 3, row))) continue;
    JobRecord job;
    job.id = text(set, 0, row);
    job.vm_id = text(set, 1, row);
    job.revision = number(set, 2, row);
    job.action = action_of(text(set, 3, row));
    job.incarnation = number(set, 4, row);
    job.timeout_ms = number(set, 5, row);
    job.request_id = text(set, 6, row);
    job.before = document<Desired>(text(set, 7, row), "jobs " + job.id);
    job.arguments = document<JobArguments>(text(set, 8, row), "jobs " + job.id);
    out.push_back(std::move(job));
  }
  return out;
}

std::vector<Reservation> read_reservations(Session& session) {
  Statement select = session.statement();
  select << "SELECT vm_id, host_id, incarnation, amount FROM reservations WHERE class = 'memory'", now;
  const RecordSet set(select);
  std::vector<Reservation> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row)
    out.push_back({text(set, 0, row), text(set, 1, row), number(set, 2, row), number(set, 3, row)});
  return out;
}

std::vector<Tombstone> read_tombstones(Session& session) {
  Statement select = session.statement();
  select << "SELECT vm_id, host_id, revision, memory FROM tombstones", now;
  const RecordSet set(select);
  std::vector<Tombstone> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row)
    out.push_back({text(set, 0, row), text(set, 1, row), number(set, 2, row), number(set, 3, row)});
  return out;
}

bool insert_vm(Session& session, const VmRecord& vm) {
  return session.run(
             "INSERT INTO vms (id, ordinal, project_id, name, description, hypervisor, spec, boot_source_id, desired, "
             "observed, created_at, updated_at, restart, tags, edition) "
             "VALUES ($1, $2, 'default', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (project_id, "
             "name) DO NOTHING",
             vm.id, vm.order, vm.name, nullable(vm.description), vm.hypervisor, spec_text(vm),
             nullable(vm.boot_source_id), encode(vm.desired, Defaults::write), encode(vm.observed), vm.created_at,
             vm.created_at, restart_text(vm), encode(vm.tags), vm.edition) == 1;
}

void update_vm(Session& session, const VmRecord& vm) {
  session.post(
      "UPDATE vms SET hypervisor = $1, resolved = $2, host_id = $3, incarnation = $4, revision = $5, desired = $6, "
      "observed = $7, updated_at = $8, spec = $9, restart = $10, draft_since = $11, edition = $12 WHERE id = $13",
      vm.hypervisor, resolved_text(vm), nullable(vm.host_id), vm.incarnation, vm.revision,
      encode(vm.desired, Defaults::write), encode(vm.observed), vm.updated_at, spec_text(vm), restart_text(vm),
      vm.draft_since, vm.edition, vm.id);
}

void delete_vm(Session& session, const std::string& vm_id) {
  session.post("DELETE FROM snapshots WHERE vm_id = $1", vm_id);
  session.post("DELETE FROM vms WHERE id = $1", vm_id);
}

bool insert_host(Session& session, const HostRecord& host, const std::string& at) {
  return session.run(
             "INSERT INTO hosts (id, name, address, port, host_user, created_at) VALUES ($1, $2, $3, $4, $5, $6) "
             "ON CONFLICT (name) DO NOTHING",
             host.id, host.name, host.address, host.port, host.host_user, at) == 1;
}

void pin_node(Session& session, const std::string& host_id, const std::string& node_id) {
  session.run("UPDATE hosts SET node_id = $1 WHERE id = $2", node_id, host_id);
}

std::vector<SnapshotRecord> read_snapshots(Session& session) {
  Statement select = session.statement();
  select << "SELECT id, vm_id, name, status, hypervisor, spec, resolved, size, created_at FROM snapshots ORDER BY "
            "created_at, id",
      now;
  const RecordSet set(select);
  std::vector<SnapshotRecord> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row) {
    SnapshotRecord one;
    one.id = text(set, 0, row);
    const std::string where = "snapshots " + one.id;
    one.vm_id = text(set, 1, row);
    one.name = text(set, 2, row);
    one.status = status_of(text(set, 3, row));
    one.hypervisor = text(set, 4, row);
    one.spec = document<VmSpec>(text(set, 5, row), where, &one.unread.spec);
    one.resolved = document<VmSpec>(text(set, 6, row), where, &one.unread.resolved);
    one.size = number(set, 7, row);
    one.created_at = text(set, 8, row);
    out.push_back(std::move(one));
  }
  return out;
}

void put_snapshot(Session& session, const SnapshotRecord& snapshot) {
  session.run(
      "INSERT INTO snapshots (id, vm_id, name, status, hypervisor, spec, resolved, size, created_at) VALUES "
      "($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET status = excluded.status, "
      "size = excluded.size",
      snapshot.id, snapshot.vm_id, snapshot.name, std::string(core::enum_name(snapshot.status)), snapshot.hypervisor,
      unread::with(encode(snapshot.spec, Defaults::write), snapshot.unread.spec),
      unread::with(encode(snapshot.resolved, Defaults::write), snapshot.unread.resolved), snapshot.size,
      snapshot.created_at);
}

void delete_snapshot(Session& session, const std::string& id) {
  session.run("DELETE FROM snapshots WHERE id = $1", id);
}

void put_reservation(Session& session, const Reservation& reservation) {
  session.post(
      "INSERT INTO reservations (vm_id, host_id, incarnation, class, amount) VALUES ($1, $2, $3, 'memory', $4) "
      "ON CONFLICT (vm_id, class) DO UPDATE SET host_id = excluded.host_id, incarnation = excluded.incarnation, "
      "amount = excluded.amount",
      reservation.vm_id, reservation.host_id, reservation.incarnation, reservation.memory);
}

void delete_reservation(Session& session, const std::string& vm_id) {
  session.post("DELETE FROM reservations WHERE vm_id = $1", vm_id);
}

void insert_tombstone(Session& session, const Tombstone& stone, const std::string& at) {
  session.post(
      "INSERT INTO tombstones (vm_id, host_id, revision, memory, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (vm_id) "
      "DO UPDATE SET host_id = excluded.host_id, revision = excluded.revision, memory = excluded.memory, at = "
      "excluded.at",
      stone.vm_id, stone.host_id, stone.revision, stone.memory, at);
}

void delete_tombstone(Session& session, const std::string& vm_id) {
  session.post("DELETE FROM tombstones WHERE vm_id = $1", vm_id);
}

void raise_tombstone(Session& session, const std::string& vm_id, std::int64_t revision) {
  session.run("UPDATE tombstones SET revision = $1 WHERE vm_id = $2 AND revision < $1", revision, vm_id);
}

}  // namespace qarax::server::rows
