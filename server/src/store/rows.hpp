// SQL statements, one function each, between rows and records. They throw Poco::Exception (from the database) or
// BadRow. One text for SQLite and PostgreSQL: parameters are $1, $2, … in order, and only SQL that both know is used.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "session.hpp"
#include "store.hpp"

namespace qarax::server::rows {

class BadRow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::vector<VmRecord> read_vms(Session& session);
std::vector<HostRecord> read_hosts(Session& session);
std::int64_t read_order_lead(Session& session);
std::vector<JobRecord> read_unfinished_jobs(Session& session);
std::vector<Reservation> read_reservations(Session& session);
std::vector<Tombstone> read_tombstones(Session& session);

std::vector<SnapshotRecord> read_snapshots(Session& session);  // in order of creation
void put_snapshot(Session& session, const SnapshotRecord& snapshot);
void delete_snapshot(Session& session, const std::string& id);
bool insert_vm(Session& session, const VmRecord& vm);  // false: the name is taken
void update_vm(Session& session, const VmRecord& vm);
bool is_name_taken(Session& session, const VmRecord& vm);  // by another VM
// Writes the columns of what Store::edit_vm changes; update_vm writes those that jobs and reports change.
void edit_vm(Session& session, const VmRecord& vm);
void delete_vm(Session& session, const std::string& id);
bool insert_host(Session& session, const HostRecord& host,
                 const std::string& at);  // false: the name is taken
bool is_name_taken(Session& session, const HostRecord& host);
void edit_host(Session& session, const HostRecord& host);
void delete_host(Session& session, const std::string& id);
void pin_node(Session& session, const std::string& host_id, const std::string& node_id);

// `ran`: RunningTime::seconds() now; the age of rows is measured by it alone.

// rows_jobs.cpp
std::optional<Job> read_job(Session& session, const std::string& id);
std::vector<Job> read_jobs(Session& session, const JobQuery& query);
void insert_job(Session& session, const Job& job, const Desired& desired_before, std::int64_t timeout_ms,
                std::int64_t ran, const JobArguments& arguments = {});
void finish_job(Session& session, const Job& job, std::int64_t ran);
void mark_cancelling(Session& session, const std::string& job_id);
void take_over_jobs(Session& session, const Activation& activation);
void prune_jobs(Session& session, std::int64_t keep, std::int64_t keep_s, std::int64_t ran);

// rows_keys.cpp
// Deletes the key that is bound to this job, so that the request can be made again, unless it has a final answer.
void release_key(Session& session, const std::string& job_id);
std::optional<KeptKey> read_key(Session& session, const std::string& key, std::int64_t keep_s, std::int64_t ran);
void put_key(Session& session, const KeptKey& kept, std::int64_t ran);
void prune_keys(Session& session, std::int64_t keep_s, std::int64_t ran);

void put_reservation(Session& session, const Reservation& reservation);
void delete_reservation(Session& session, const std::string& vm_id);
void insert_tombstone(Session& session, const Tombstone& stone, const std::string& at);
// rows_adopt.cpp
bool has_activation(Session& session, const std::string& id);
std::optional<std::int64_t> end_of_activation(Session& session, const std::string& id);
void set_needs_adopt(Session& session, const std::string& host_id, const std::string& proof);
// Updates, for an existing VM, those columns that otherwise only insert_vm and edit_vm write.
void redefine_vm(Session& session, const VmRecord& vm);
// Inserts the activation's row and begins an epoch of events for it.
void begin_activation(Session& session, const Activation& next);
// Writes the term of `next` and begins its activation.
void begin_term(Session& session, const Activation& next);
std::optional<std::int64_t> end_of_epoch(Session& session, std::int64_t epoch);

void delete_tombstone(Session& session, const std::string& vm_id);
void raise_tombstone(Session& session, const std::string& vm_id, std::int64_t revision);

}  // namespace qarax::server::rows
