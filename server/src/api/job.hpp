// A job as REST shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/system.hpp"
#include "store/job.hpp"

namespace qarax::api {

struct Job {
  std::string id{};
  std::string action{};
  server::JobState state = server::JobState::running;
  std::int32_t progress = 0;
  std::optional<server::JobProgress> progress_detail{};
  bool cancellable = false;
  std::optional<std::string> vm_id{};
  std::optional<std::string> vm_name{};
  std::optional<std::string> host_id{};
  std::vector<server::JobStep> steps{};
  std::optional<std::string> result{};
  RawJson outcome{};
  std::optional<Problem> error{};
  std::int64_t revision = 0;
  std::int64_t incarnation = 0;
  std::string request_id{};
  std::string owner{};
  std::int64_t term = 0;
  std::string created_at{};
  std::optional<std::string> finished_at{};
};

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::Job> {
  using T = api::Job;
  static constexpr std::string_view kName = "Job";
  static constexpr auto kTable = field_table(
      field<&T::id>("id").required().format("uuid").doc("What 202 and Location name."),
      field<&T::action>("action").required().doc(
          "create, start, stop, …, delete, add-host, edit-host, remove-host, init-host, adopt-host, adopt-vm, "
          "remove-unmanaged, collect-leftovers."),
      field<&T::state>("state").required().doc("superseded: a job of higher precedence took its place."),
      field<&T::progress>("progress")
          .required()
          .doc("Percent of its steps that are done, and of the one under way "
               "as far as that is known."),
      field<&T::progress_detail>("progress_detail")
          .nullable()
          .doc("How far its node is with the step under way; null where it doesn't tell."),
      field<&T::cancellable>("cancellable").required().doc("Whether DELETE could still end it."),
      field<&T::vm_id>("vm_id").nullable().format("uuid").doc("The VM it is about; it may be gone by now."),
      field<&T::vm_name>("vm_name").nullable().doc("Its name then."),
      field<&T::host_id>("host_id").nullable().format("uuid").doc("The host that carries it out, or that was added."),
      field<&T::steps>("steps").required().doc("What it has done so far, in order."),
      field<&T::result>("result").nullable().doc("Path of what it made or changed, once it is completed."),
      field<&T::outcome>("outcome").doc("What came of it beside that, once it is completed: of collect-leftovers "
                                        "{leftovers}, as its POST answers them; "
                                        "of adopt-host the plan. Null: nothing."),
      field<&T::error>("error").nullable().doc("Why it failed: what its caller was or would have been answered."),
      field<&T::revision>("revision").required().doc("Of the VM: each of its jobs has the next one."),
      field<&T::incarnation>("incarnation").required().doc("Of the VM: each of its starts has the next one."),
      field<&T::request_id>("request_id").required().doc("X-Request-Id of the request that asked for it."),
      field<&T::owner>("owner").required().doc("The activation of the server that carries it out, or did."),
      field<&T::term>("term").required().doc("Of that activation."),
      field<&T::created_at>("created_at").required().doc("UTC."),
      field<&T::finished_at>("finished_at").nullable().doc("UTC; null while it is under way."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Job);
