#include "refusals.hpp"

#include <utility>

namespace qarax::server {

namespace {

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

Error with_job(Error error, const std::string& job_id) {
  error.details.push_back({"/job_id", job_id});
  return error;
}

Error no_such_vm(const std::string& id) { return make_error(Code::not_found, "there is no VM " + id, "vm-not-found"); }

Error no_such_host(const std::string& id) {
  return make_error(Code::not_found, "there is no host " + id, "host-not-found");
}

Error no_such_job(const std::string& id) {
  return make_error(Code::not_found, "there is no job " + id + "; it never was, or it is no longer kept",
                    "job-not-found");
}

Error no_such_snapshot(const std::string& vm_name, const std::string& id, std::string_view which) {
  std::string text = "VM " + vm_name + " has no snapshot " + id;
  return make_error(Code::not_found, std::move(text.append(which)), "snapshot-not-found");
}

Error name_taken(std::string_view kind, const std::string& name, const std::string& of) {
  std::string text = "there is a ";
  text.append(kind).append(of).append(" named ").append(name);
  text.append(" already; names are unique: choose another one, or delete that ").append(kind);
  return make_error(Code::already_exists, std::move(text), "name-taken");
}

Error busy(const std::string& vm, std::string_view activity, const std::string& job_id, std::string_view way_out) {
  std::string text = "VM " + vm + " is busy with ";
  text.append(activity).append(" (job ").append(job_id).append("); ").append(way_out);
  return with_job(make_error(Code::aborted, std::move(text), "job-in-progress"), job_id);
}

Error overtaken(std::string_view kind, const std::string& name) {
  std::string text(kind);
  text.append(" ").append(name).append(" has changed since the version that If-Match names");
  return make_error(Code::aborted, std::move(text), "precondition-failed");
}

Error changed_meanwhile(const std::string& vm_name) {
  return make_error(Code::aborted, "VM " + vm_name + " was changed meanwhile", "changed");
}

Error memory_taken() {
  return make_error(Code::resource_exhausted, "the host's memory was taken by another VM meanwhile", "no-host-fits");
}

Error no_room_to_grow(const std::string& vm_name, const std::string& host, std::int64_t left, std::int64_t more) {
  const std::string why =
      "host " + host + ": it has " + mebibytes(left) + " of memory left, the VM asks for " + mebibytes(more) + " more";
  Error error = make_error(Code::failed_precondition, "VM " + vm_name + " can't grow: " + why, "no-host-fits");
  error.details.push_back({"/desired_ram", why});
  return error;
}

Error read_only(const std::string& why) {
  Error error = make_error(Code::unavailable, "nothing can be changed now: " + why, "read-only");
  error.retryable = true;
  return error;
}

}  // namespace qarax::server
