#include "handlers/vm_change_handlers.hpp"

#include "api/vm_changes.hpp"
#include "handlers/conditional.hpp"
#include "handlers/document_parts.hpp"
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

  Answer resize(const http::Request& request) {
    QARAX_CHECK(http::check_json_body(request));
    QARAX_TRY(const auto body, api::decode_resize(request.body));
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) {
      ActionCall call = call_of(*vm, core::Action::resize);
      call.expected_version = expected(request, vm->version);
      call.arguments.resize = {body.desired_vcpus, body.desired_ram};
      return answer_vm(request, call);
    });
  }

  Answer restore(const http::Request& request) {
    QARAX_CHECK(http::check_json_body(request));
    QARAX_TRY(const auto body, api::decode_restore(request.body));
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    ActionCall call = call_of(*vm, core::Action::restore);
    call.arguments.snapshot = core::to_lower(body.snapshot_id);
    return answer_vm(request, call);
  }

  Answer take(const http::Request& request) {
    QARAX_CHECK(http::check_json_body(request, http::BodyRule::optional));
    QARAX_TRY(const auto body, api::decode_new_snapshot(request.body));
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    ActionCall call = call_of(*vm, core::Action::snapshot);
    call.arguments.snapshot = RequestScope::new_id();
    call.arguments.name = body.name.value_or("");
    return carry_out(request, operations_, call, [&](const ActionResult&) -> Answer {
      const SnapshotPtr taken = store_.snapshot(call.arguments.snapshot);
      if (!taken) return no_such_snapshot(vm->name, call.arguments.snapshot);
      auto response = http::Response::json(text_of(*taken), 201);
      response.headers.set("Location", "/vms/" + vm->id + "/snapshots/" + taken->id);
      return response;
    });
  }

  Answer list(const http::Request& request) const {
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    const auto name = request.query_value("name");
    std::string out = "[";
    for (const SnapshotPtr& snapshot : store_.snapshots(vm->id)) {
      if (name && snapshot->name != *name) continue;
      out.append(out.size() > 1 ? "," : "").append(text_of(*snapshot));
    }
    return http::Response::json(out + "]");
  }

  Answer get(const http::Request& request) const {
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    QARAX_TRY(const SnapshotPtr snapshot, snapshot_of(request, *vm));
    return show(request, text_of(*snapshot));
  }

  Answer remove(const http::Request& request) {
    return while_matched(request, [&]() -> Answer {
      QARAX_TRY(const VmPtr vm, vm_of(request, store_));
      QARAX_TRY(const SnapshotPtr snapshot, snapshot_of(request, *vm));
      if (auto refusal = refuse_unmatched(request, tag_of_document(text_of(*snapshot)))) return *std::move(refusal);
      ActionCall call = call_of(*vm, core::Action::drop_snapshot);
      // Every change of a snapshot is a job of its VM, so the VM's version covers it.
      call.expected_version = expected(request, vm->version);
      call.arguments.snapshot = snapshot->id;
      return carry_out(request, operations_, call, [](const ActionResult&) { return http::Response::empty(); });
    });
  }

  Answer metrics(const http::Request& request) {
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    QARAX_TRY(auto counters, operations_.counters(vm->id));
    return http::Response::json(encode(api::VmMetrics{vm->id, std::move(counters.counters)}, Defaults::write));
  }

 private:
  static ActionCall call_of(const VmRecord& vm, core::Action action) {
    ActionCall call;
    call.vm_id = vm.id;
    call.action = action;
    return call;
  }
  Answer answer_vm(const http::Request& request, const ActionCall& call) {
    return carry_out(request, operations_, call, [&](const ActionResult& result) {
      return http::Response::json(renderer_.one(result.vm)).with("ETag", renderer_.etag(result.vm));
    });
  }
  Result<SnapshotPtr> snapshot_of(const http::Request& request, const VmRecord& vm) const {
    QARAX_TRY(const std::string id, id_of(request, "snapshot_id"));
    SnapshotPtr snapshot = store_.snapshot(id);
    if (!snapshot || snapshot->vm_id != vm.id)
      return no_such_snapshot(vm.name, std::string(request.param("snapshot_id")));
    return snapshot;
  }

  const StoreReads& store_;
  Operations& operations_;
  VmRenderer& renderer_;
};

static_assert(same_names<SnapshotStatus, api::SnapshotStatus>());

}  // namespace

void add_vm_change_routes(http::Router& router, const StoreReads& store, Operations& operations, VmRenderer& renderer) {
  const auto handlers = std::make_shared<VmChangeHandlers>(store, operations, renderer);
  using http::Request;
  router.add("PUT", "/vms/{id}/resize", answering([handlers](const Request& r) { return handlers->resize(r); }));
  router.add("POST", "/vms/{id}/restore", answering([handlers](const Request& r) { return handlers->restore(r); }));
  router.add("GET", "/vms/{id}/snapshots", answering([handlers](const Request& r) { return handlers->list(r); }));
  router.add("POST", "/vms/{id}/snapshots", answering([handlers](const Request& r) { return handlers->take(r); }));
  router.add("GET", "/vms/{id}/snapshots/{snapshot_id}",
             answering([handlers](const Request& r) { return handlers->get(r); }));
  router.add("DELETE", "/vms/{id}/snapshots/{snapshot_id}",
             answering([handlers](const Request& r) { return handlers->remove(r); }));
  router.add("GET", "/vms/{id}/metrics", answering([handlers](const Request& r) { return handlers->metrics(r); }),
             http::Access::authenticated, http::Pace::may_wait);
}

}  // namespace qarax::server
