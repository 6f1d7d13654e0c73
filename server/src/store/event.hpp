// What happened to a VM, a host or a job, as the log stores it and REST shows it. Uses SDK types only, so that the API
// schemas are generated from it too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

struct Event {
  std::string type{};
  std::string timestamp{};
  std::optional<std::string> vm_id{};
  std::optional<std::string> vm_name{};
  std::optional<std::string> host_id{};
  std::optional<std::string> host_name{};
  std::optional<std::string> job_id{};
  std::optional<std::string> action{};
  std::optional<std::string> previous_status{};
  std::optional<std::string> new_status{};
  std::optional<std::string> reason{};
  std::vector<std::string> tags{};
};

}  // namespace qarax::server

template <>
struct qarax::Fields<qarax::server::Event> {
  using T = server::Event;
  static constexpr std::string_view kName = "Event";
  static constexpr auto kTable = field_table(
      field<&T::type>("type").required().doc(
          "vm.created, vm.changed, vm.status_changed, vm.deleted, host.added, host.changed, host.status_changed, "
          "host.removed, job.started, job.finished; more may come."),
      field<&T::timestamp>("timestamp").required().doc("When it was seen, UTC. The order is the id's."),
      field<&T::vm_id>("vm_id").format("uuid").doc("The VM it is about."),
      field<&T::vm_name>("vm_name").doc("Its name then."),
      field<&T::host_id>("host_id").format("uuid").doc("The host it is about, or that the VM is on."),
      field<&T::host_name>("host_name").doc("Of events about a host."),
      field<&T::job_id>("job_id").format("uuid").doc("The job that did it."),
      field<&T::action>("action").doc("What the job does: start, stop, …"),
      field<&T::previous_status>("previous_status").doc("Of the VM or the host, before."),
      field<&T::new_status>("new_status").doc("Of the VM, the host or the job, from now on."),
      field<&T::reason>("reason").doc("Why, where there is more to say than the status."),
      field<&T::tags>("tags").doc("Of the VM, then."));
};
QARAX_FIELDS_COMPLETE(qarax::server::Event);
