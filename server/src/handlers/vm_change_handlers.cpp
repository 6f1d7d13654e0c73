#include "handlers/vm_change_handlers.hpp"

#include "api/vm_changes.hpp"
#include "handlers/conditional.hpp"
#include "handlers/vm_reply.hpp"
#include "http/json_body.hpp"
#include "qarax/core/ids.hpp"
#include "request_scope.hpp"

namespace qarax::server {

namespace {

api::Snapshot document_of(const SnapshotRecord& snapshot) {
  api::Snapshot out;
  out.id = snapshot.id;
  out.vm_id = snapshot.vm_id;
  out.name = snapshot.name;
  out.status = static_cast<api::SnapshotStatus>(snapshot.status);
  out.created_at = snapshot.created_at;
  out.hypervisor = snapshot.hypervisor;
  out.vcpus = snapshot.spec.boot_vcpus;
  out.memory_size = snapshot.spec.memory_size;
  out.size = snapshot.size;
  return out;
}

std::string text_of(const SnapshotRecord& snapshot) { return encode(document_of(snapshot), Defaults::write); }

class VmChangeHandlers {
 public:
  VmChangeHandlers(const StoreReads& store, Operations& operations, VmRenderer& renderer)
      : store_(store), operations_(operations), renderer_(renderer) {}

  http::Response resize(const http::Request& request) {
    if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
    auto body = api::decode_resize(request.body);
    if (!body) return refuse(request, std::move(body).error());
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) {
      ActionCall call = call_of(*vm, core::Action::resize);
      call.expected_version = expected(request, vm->version);
      call.arguments.resize = {body->desired_vcpus, body->desired_ram};
      return answer_vm(request, call);
    });
  }

  http::Response restore(const http::Request& request) {
    if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
    auto body = api::decode_restore(request.body);
    if (!body) return refuse(request, std::move(body).error());
    return with_vm(request, store_, [&](const VmPtr& vm) {
      ActionCall call = call_of(*vm, core::Action::restore);
      call.arguments.snapshot = core::to_lower(body->snapshot_id);
      return answer_vm(request, call);
    });
  }

  http::Response take(const http::Request& request) {
    if (const auto problem = http::check_json_body(request, http::BodyRule::optional))
      return http::problem_response(request, *problem);
    auto body = api::decode_new_snapshot(request.body);
    if (!body) return refuse(request, std::move(body).error());
    return with_vm(request, store_, [&](const VmPtr& vm) {
      ActionCall call = call_of(*vm, core::Action::snapshot);
      call.arguments.snapshot = RequestScope::new_id();
      call.arguments.name = body->name.value_or("");
      return carry_out(request, operations_, call, [&](const ActionResult&) {
        const SnapshotPtr taken = store_.snapshot(call.arguments.snapshot);
        if (!taken) return refuse(request, no_such_snapshot(vm->name, call.arguments.snapshot));
        auto response = http::Response::json(text_of(*taken), 201);
        response.headers.set("Location", "/vms/" + vm->id + "/snapshots/" + taken->id);
        return response;
      });
    });
  }

  http::Response list(const http::Request& request) const {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      const auto name = request.query_value("name");
      std::string out = "[";
      for (const SnapshotPtr& snapshot : store_.snapshots(vm->id)) {
        if (name && snapshot->name != *name) continue;
        out.append(out.size() > 1 ? "," : "").append(text_of(*snapshot));
      }
      return http::Response::json(out + "]");
    });
  }

  http::Response get(const http::Request& request) const {
    return with_snapshot(request,
                         [&](const VmPtr&, const SnapshotPtr& snapshot) { return show(request, text_of(*snapshot)); });
  }

  http::Response remove(const http::Request& request) {
    return while_matched(request, [&] {
      return with_snapshot(request, [&](const VmPtr& vm, const SnapshotPtr& snapshot) {
        if (auto refusal = refuse_unmatched(request, tag_of_document(text_of(*snapshot)))) return std::move(*refusal);
        ActionCall call = call_of(*vm, core::Action::drop_snapshot);
        // Every change of a snapshot is a job of its VM, so the VM's version covers it.
        call.expected_version = expected(request, vm->version);
        call.arguments.snapshot = snapshot->id;
        return carry_out(request, operations_, call, [](const ActionResult&) { return http::Response::empty(); });
      });
    });
  }

  http::Response metrics(const http::Request& request) {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      auto counters = operations_.counters(vm->id);
      if (!counters) return refuse(request, std::move(counters).error());
      return http::Response::json(encode(api::VmMetrics{vm->id, std::move(counters->counters)}, Defaults::write));
    });
  }

 private:
  static ActionCall call_of(const VmRecord& vm, core::Action action) {
    ActionCall call;
    call.vm_id = vm.id;
    call.action = action;
    return call;
  }
  http::Response answer_vm(const http::Request& request, const ActionCall& call) {
    return carry_out(request, operations_, call, [&](const ActionResult& result) {
      return http::Response::json(renderer_.one(result.vm)).with("ETag", renderer_.etag(result.vm));
    });
  }
  template <class Use>
  http::Response with_snapshot(const http::Request& request, Use use) const {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      const std::string given(request.param("snapshot_id"));
      if (!core::is_uuid(given))
        return refuse(request,
                      make_error(Code::invalid_argument, "\"" + given.substr(0, 80) + "\" is not a UUID", "bad-uuid"));
      const SnapshotPtr snapshot = store_.snapshot(core::to_lower(given));
      if (!snapshot || snapshot->vm_id != vm->id) return refuse(request, no_such_snapshot(vm->name, given));
      return use(vm, snapshot);
    });
  }

  const StoreReads& store_;
  Operations& operations_;
  VmRenderer& renderer_;
};

constexpr bool same_names() {
  using Ours = EnumNames<SnapshotStatus>;
  using Shown = EnumNames<api::SnapshotStatus>;
  if (std::size(Ours::kNames) != std::size(Shown::kNames)) return false;
  for (std::size_t i = 0; i < std::size(Ours::kNames); ++i)
    if (Ours::kNames[i] != Shown::kNames[i]) return false;
  return true;
}
static_assert(same_names());

}  // namespace

void add_vm_change_routes(http::Router& router, const StoreReads& store, Operations& operations, VmRenderer& renderer) {
  const auto handlers = std::make_shared<VmChangeHandlers>(store, operations, renderer);
  using http::Request;
  router.add("PUT", "/vms/{id}/resize", [handlers](const Request& r) { return handlers->resize(r); });
  router.add("POST", "/vms/{id}/restore", [handlers](const Request& r) { return handlers->restore(r); });
  router.add("GET", "/vms/{id}/snapshots", [handlers](const Request& r) { return handlers->list(r); });
  router.add("POST", "/vms/{id}/snapshots", [handlers](const Request& r) { return handlers->take(r); });
  router.add("GET", "/vms/{id}/snapshots/{snapshot_id}", [handlers](const Request& r) { return handlers->get(r); });
  router.add("DELETE", "/vms/{id}/snapshots/{snapshot_id}",
             [handlers](const Request& r) { return handlers->remove(r); });
  router.add(
      "GET", "/vms/{id}/metrics", [handlers](const Request& r) { return handlers->metrics(r); },
      http::Access::authenticated, http::Pace::may_wait);
}

}  // namespace qarax::server
