// Statements for users' edits of VMs and hosts.
#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

bool is_name_taken(Session& session, const VmRecord& vm) {
  const auto [others] = session.numbers<1>(
      "SELECT COUNT(*) FROM vms WHERE project_id = 'default' AND name = $1 AND id <> $2", vm.name, vm.id);
  return others != 0;
}

void edit_vm(Session& session, const VmRecord& vm) {
  session.run(
      "UPDATE vms SET name = $1, description = $2, hypervisor = $3, spec = $4, resolved = $5, draft_since = $6, "
      "boot_source_id = $7, tags = $8, revision = $9, observed = $10, updated_at = $11, restart = $12, edition = $13 "
      "WHERE id = $14",
      vm.name, nullable(vm.description), vm.hypervisor, spec_text(vm), resolved_text(vm), vm.draft_since,
      nullable(vm.boot_source_id), encode(vm.tags), vm.revision, encode(vm.observed), vm.updated_at, restart_text(vm),
      vm.edition, vm.id);
}

bool is_name_taken(Session& session, const HostRecord& host) {
  const auto [others] =
      session.numbers<1>("SELECT COUNT(*) FROM hosts WHERE name = $1 AND id <> $2", host.name, host.id);
  return others != 0;
}

void edit_host(Session& session, const HostRecord& host) {
  session.run("UPDATE hosts SET name = $1, address = $2, port = $3, host_user = $4 WHERE id = $5", host.name,
              host.address, host.port, host.host_user, host.id);
}

void delete_host(Session& session, const std::string& id) {
  session.run("DELETE FROM tombstones WHERE host_id = $1", id);
  session.run("DELETE FROM hosts WHERE id = $1", id);
}

}  // namespace qarax::server::rows
