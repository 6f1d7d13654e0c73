// Hosts. Their status and facts are in memory only: a restarted server asks the nodes again.
#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "record_action.hpp"
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

Result<HostPtr> SqlStore::add_host(const NewHostInput& input) {
  HostRecord host;
  host.id = core::new_uuid();
  host.name = input.name;
  host.address = input.address;
  host.port = input.port;
  host.host_user = input.host_user;
  if (input.only_check) {
    QARAX_CHECK(db_->transact({.work = [&](Session& session) -> Status {
      if (rows::is_name_taken(session, host)) return name_taken("host", host.name);
      return Ok{};
    }}));
    return std::make_shared<const HostRecord>(std::move(host));
  }
  const std::string id = host.id;
  Job job = job_done_at_once(kAddHost);
  job.host_id = id;
  const std::string job_id = job.id;
  QARAX_CHECK(transact({.work = [&](Session& session) -> Status {
                          if (!rows::insert_host(session, host, now_text())) return name_taken("host", host.name);
                          rows::insert_job(session, job, {}, 0, ran_.seconds());
                          events_.add(events::host_added(host, job.id));
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              memory_.put(std::move(host));
                              book_.put(std::move(job));
                            }},
                       job_id));
  return memory_.host(id);
}

Status SqlStore::pin_node(const std::string& host_id, const std::string& node_id) {
  return db_->transact(
      {.keys = {"node " + node_id},
       .work = [&](Session& session) -> Status {
         for (const HostPtr& other : memory_.hosts())
           if (other->id != host_id && other->node_id == node_id)
             return make_error(
                 Code::already_exists,
                 "this node is host " + other->name + " already; a cloned data folder needs an identity of its own",
                 "node-taken");
         rows::pin_node(session, host_id, node_id);
         return Ok{};
       },
       .publish = [&] { memory_.update_host(host_id, [&](HostRecord& host) { host.node_id = node_id; }); },
       .while_read_only = true});
}

void SqlStore::update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                           const std::optional<core::NodeInfo>& info) {
  std::optional<Event> changed;
  memory_.update_host(host_id, [&](HostRecord& host) {
    const HostStatus before = std::exchange(host.status, status);
    host.status_reason = reason;
    if (info) host.info = info;
    if (status == HostStatus::up) host.last_seen = now_text();
    if (before != status) changed = events::host_status_changed(host, before);
  });
  if (changed) log_later({std::move(*changed)});
}

}  // namespace qarax::server
