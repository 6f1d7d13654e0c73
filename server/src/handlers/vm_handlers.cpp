#include "handlers/vm_handlers.hpp"

#include "api/new_vm.hpp"
#include "handlers/console_attach.hpp"
#include "handlers/console_reply.hpp"
#include "handlers/diagnosis.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/vm_list.hpp"
#include "handlers/vm_reply.hpp"
#include "http/json_body.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

class VmHandlers {
 public:
  VmHandlers(Store& store, Operations& operations, VmRenderer& renderer)
      : store_(store), operations_(operations), renderer_(renderer) {}

  Answer list(const http::Request& request) const { return list_vms(request, store_, renderer_); }

  Answer create(const http::Request& request) {
    QARAX_CHECK(http::check_json_body(request));
    QARAX_TRY(auto body, api::decode_new_vm(request.body));
    NewVmInput input;
    input.name = std::move(body.name);
    input.description = std::move(body.description);
    input.hypervisor = body.hypervisor.value_or("");
    if (body.boot_source_id) input.boot_source_id = core::to_lower(*body.boot_source_id);
    input.spec = std::move(body.spec);
    input.restart = {body.restart_policy, body.restart_limit, 0};
    input.tags = std::move(body.tags);
    QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
    if (dry) return dry_run_reply(operations_.dry_runs().create_vm(input));
    QARAX_TRY(const VmPtr vm, operations_.create_vm(input, request.request_id));
    auto response =
        created(request, "/vms/" + vm->id, vm->id, prefers_json(request) ? renderer_.one(vm) : std::string());
    response.headers.set("ETag", renderer_.etag(vm));
    return response;
  }

  Answer get(const http::Request& request) const {
    QARAX_TRY(const auto wait, wait_of(request));
    QARAX_TRY(VmPtr vm, vm_of(request, store_));
    if (wait) {
      QARAX_TRY(vm, wait_for(*wait, *vm, 0));
    }
    return show(request, renderer_.etag(vm), renderer_.one(vm));
  }

  Answer edit(const http::Request& request) {
    QARAX_CHECK(http::check_json_body(request));
    QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) -> Answer {
      const EditCall call{vm->id, request.body, expected(request, vm->version), request.request_id};
      if (dry) return dry_run_reply(operations_.dry_runs().edit_vm(call));
      QARAX_TRY(const VmPtr changed, operations_.edit_vm(call));
      return document(changed);
    });
  }

  Answer start(const http::Request& request) {
    QARAX_TRY(const auto wait, wait_of(request));
    if (wait && prefers_async(request))
      return make_error(Code::invalid_argument,
                        "wait_for and Prefer: respond-async exclude each other; GET the VM with wait_for", "bad-query");
    QARAX_TRY(auto started, act(request, core::Action::start));
    if (!wait || started.status != 200 || started.content_type == kDryRunType) return started;
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    QARAX_TRY(const VmPtr waited, wait_for(*wait, *vm, vm->incarnation));
    return document(waited);
  }

  Answer act(const http::Request& request, core::Action action) {
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    ActionCall call;
    call.vm_id = vm->id;
    call.action = action;
    return carry_out(request, operations_, call, [&](const ActionResult& result) { return document(result.vm); });
  }

  Answer remove(const http::Request& request) {
    QARAX_TRY(const bool forget, flag_of(request, "forget"));
    QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) -> Answer {
      ActionCall call;
      call.vm_id = vm->id;
      call.action = core::Action::remove;
      call.request_id = request.request_id;
      call.forget = forget;
      call.respond_async = prefers_async(request);
      call.expected_version = expected(request, vm->version);
      if (dry) return dry_run_reply(operations_.dry_runs().act(call));
      QARAX_TRY(const ActionResult result, operations_.act(call));
      return result.pending ? accepted(result.job_id) : http::Response::empty();
    });
  }

  Answer diagnosis(const http::Request& request) {
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    return http::Response::json(
        encode(diagnose(vm, store_, operations_, renderer_, request.request_id), Defaults::write));
  }

  Answer attach(const http::Request& request) { return attach_console(request, store_, operations_); }

  Answer console(const http::Request& request) {
    QARAX_TRY(const auto tail, count_of(request, "tail"));
    QARAX_TRY(const bool follow, flag_of(request, "follow"));
    QARAX_TRY(const VmPtr vm, vm_of(request, store_));
    QARAX_TRY(auto reader, operations_.console(*vm, tail.value_or(0), follow, request.request_id));
    return follow ? console_stream(std::move(reader)) : console_text(std::move(reader));
  }

 private:
  // What ?wait_for= asks for; nullopt if absent.
  static Result<std::optional<WaitCall>> wait_of(const http::Request& request) {
    const auto what = request.query_value("wait_for");
    if (!what) return std::optional<WaitCall>();
    constexpr std::string_view kConsole = "console:";
    constexpr std::size_t kLongest = 1024;
    WaitCall call;
    if (what->starts_with(kConsole)) call.text = what->substr(kConsole.size());
    const bool good = call.text.empty() ? *what == "running" : call.text.size() <= kLongest;
    if (!good)
      return make_error(Code::invalid_argument,
                        "the query's wait_for takes running, or console: and a text of up to 1024 bytes, got \"" +
                            std::string(what->substr(0, 80)) + "\"",
                        "bad-query");
    QARAX_TRY(call.timeout, duration_of(request, "timeout", call.timeout, std::chrono::hours(1)));
    call.request_id = request.request_id;
    return std::optional<WaitCall>(std::move(call));
  }
  Result<VmPtr> wait_for(WaitCall call, const VmRecord& vm, std::int64_t incarnation) const {
    call.vm_id = vm.id;
    call.incarnation = incarnation;
    return operations_.wait_for(call);
  }

  http::Response document(const VmPtr& vm) const {
    return http::Response::json(renderer_.one(vm)).with("ETag", renderer_.etag(vm));
  }

  Store& store_;
  Operations& operations_;
  VmRenderer& renderer_;
};

}  // namespace

void add_vm_routes(http::Router& router, Store& store, Operations& operations, VmRenderer& renderer) {
  const auto handlers = std::make_shared<VmHandlers>(store, operations, renderer);
  using http::Request;
  router.add("GET", "/vms", answering([handlers](const Request& r) { return handlers->list(r); }));
  router.add("POST", "/vms", answering([handlers](const Request& r) { return handlers->create(r); }));
  router.add("GET", "/vms/{id}", answering([handlers](const Request& r) { return handlers->get(r); }),
             http::Access::authenticated, http::Pace::quick_without_query);
  router.add("PATCH", "/vms/{id}", answering([handlers](const Request& r) { return handlers->edit(r); }));
  router.add("DELETE", "/vms/{id}", answering([handlers](const Request& r) { return handlers->remove(r); }));
  router.add("GET", "/vms/{id}/diagnosis", answering([handlers](const Request& r) { return handlers->diagnosis(r); }),
             http::Access::authenticated, http::Pace::may_wait);
  router.add("GET", "/vms/{id}/console", answering([handlers](const Request& r) { return handlers->console(r); }),
             http::Access::authenticated, http::Pace::may_wait);
  router.add("GET", "/vms/{id}/console/attach", answering([handlers](const Request& r) { return handlers->attach(r); }),
             http::Access::authenticated, http::Pace::may_wait);
  router.add("POST", "/vms/{id}/start", answering([handlers](const Request& r) { return handlers->start(r); }));
  constexpr std::pair<const char*, core::Action> kActions[] = {{"stop", core::Action::stop},
                                                               {"pause", core::Action::pause},
                                                               {"resume", core::Action::resume},
                                                               {"reboot", core::Action::reboot},
                                                               {"force-stop", core::Action::force_stop}};
  for (const auto& [name, action] : kActions)
    router.add("POST", std::string("/vms/{id}/") + name,
               answering([handlers, action = action](const Request& r) { return handlers->act(r, action); }));
}

}  // namespace qarax::server
