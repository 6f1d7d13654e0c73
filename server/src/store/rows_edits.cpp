// Statements for users' edits of VMs and hosts.
#include <Poco/Data/Statement.h>

#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

using namespace Poco::Data::Keywords;

bool is_name_taken(Session& session, const VmRecord& vm) {
  std::string name = vm.name;
  std::string id = vm.id;
  std::int64_t others = 0;
  session << "SELECT COUNT(*) FROM vms WHERE project_id = 'default' AND name = $1 AND id <> $2", use(name), use(id),
      into(others), now;
  return others != 0;
}

void edit_vm(Session& session, const VmRecord& vm) {
  std::string id = vm.id;
  std::string name = vm.name;
  Poco::Nullable<std::string> description = nullable(vm.description);
  std::string hypervisor = vm.hypervisor;
  std::string spec = spec_text(vm);
  Poco::Nullable<std::string> resolved = resolved_text(vm);
  std::int64_t draft = vm.draft_since;
  Poco::Nullable<std::string> boot_source = nullable(vm.boot_source_id);
  std::string tags = encode(vm.tags);
  std::string restart = restart_text(vm);
  std::int64_t revision = vm.revision;
  std::string observed = encode(vm.observed);
  std::string at = vm.updated_at;
  std::int64_t edition = vm.edition;
  session
      << "UPDATE vms SET name = $1, description = $2, hypervisor = $3, spec = $4, resolved = $5, draft_since = $6, "
         "boot_source_id = $7, tags = $8, revision = $9, observed = $10, updated_at = $11, restart = $12, edition = "
         "$13 WHERE id = $14",
      use(name), use(description), use(hypervisor), use(spec), use(resolved), use(draft), use(boot_source), use(tags),
      use(revision), use(observed), use(at), use(restart), use(edition), use(id), now;
}

bool is_name_taken(Session& session, const HostRecord& host) {
  std::string name = host.name;
  std::string id = host.id;
  std::int64_t others = 0;
  session << "SELECT COUNT(*) FROM hosts WHERE name = $1 AND id <> $2", use(name), use(id), into(others), now;
  return others != 0;
}

void edit_host(Session& session, const HostRecord& host) {
  std::string id = host.id;
  std::string name = host.name;
  std::string address = host.address;
  std::int64_t port = host.port;
  std::string user = host.host_user;
  session << "UPDATE hosts SET name = $1, address = $2, port = $3, host_user = $4 WHERE id = $5", use(name),
      use(address), use(port), use(user), use(id), now;
}

void delete_host(Session& session, const std::string& host_id) {
  std::string id = host_id;
  session << "DELETE FROM tombstones WHERE host_id = $1", use(id), now;
  session << "DELETE FROM hosts WHERE id = $1", use(id), now;
}

}  // namespace qarax::server::rows
