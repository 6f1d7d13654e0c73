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

  http::Response list(const http::Request& request) const { return list_vms(request, store_, renderer_); }

  http::Response create(const http::Request& request) {
    if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
    auto body = api::decode_new_vm(request.body);
    if (!body) return refuse(request, std::move(body).error());
    NewVmInput input;
    input.name = std::move(body->name);
    input.description = std::move(body->description);
    input.hypervisor = body->hypervisor.value_or("");
    if (body->boot_source_id) input.boot_source_id = core::to_lower(*body->boot_source_id);
    input.spec = std::move(body->spec);
    input.restart = {body->restart_policy, body->restart_limit, 0};
    input.tags = std::move(body->tags);
    auto dry = flag_of(request, "dry_run");
    if (!dry) return refuse(request, std::move(dry).error());
    if (*dry) return dry_run_reply(request, operations_.dry_runs().create_vm(input));
    auto vm = operations_.create_vm(input, request.request_id);
    if (!vm) return refuse(request, std::move(vm).error());
    const std::string& id = (*vm)->id;
    auto response = created(request, "/vms/" + id, id, prefers_json(request) ? renderer_.one(*vm) : std::string());
    response.headers.set("ETag", renderer_.etag(*vm));
    return response;
  }

  http::Response get(const http::Request& request) const {
    auto wait = wait_of(request);
    if (!wait) return refuse(request, std::move(wait).error());
    return with_vm(request, store_, [&](VmPtr vm) {
      if (*wait) {
        auto waited = wait_for(**wait, *vm, 0);
        if (!waited) return refuse(request, std::move(waited).error());
        vm = std::move(*waited);
      }
      return show(request, renderer_.etag(vm), renderer_.one(vm));
    });
  }

  http::Response edit(const http::Request& request) {
    if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
    auto dry = flag_of(request, "dry_run");
    if (!dry) return refuse(request, std::move(dry).error());
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) {
      const EditCall call{vm->id, request.body, expected(request, vm->version), request.request_id};
      if (*dry) return dry_run_reply(request, operations_.dry_runs().edit_vm(call));
      auto changed = operations_.edit_vm(call);
      return changed ? document(*changed) : refuse(request, std::move(changed).error());
    });
  }

  http::Response start(const http::Request& request) {
    auto wait = wait_of(request);
    if (!wait) return refuse(request, std::move(wait).error());
    if (*wait && prefers_async(request))
      return refuse(
          request,
          make_error(Code::invalid_argument,
                     "wait_for and Prefer: respond-async exclude each other; GET the VM with wait_for", "bad-query"));
    auto started = act(request, core::Action::start);
    if (!*wait || started.status != 200 || started.content_type == kDryRunType) return started;
    return with_vm(request, store_, [&](const VmPtr& vm) {
      auto waited = wait_for(**wait, *vm, vm->incarnation);
      return waited ? document(*waited) : refuse(request, std::move(waited).error());
    });
  }

  http::Response act(const http::Request& request, core::Action action) {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      ActionCall call;
      call.vm_id = vm->id;
      call.action = action;
      return carry_out(request, operations_, call, [&](const ActionResult& result) { return document(result.vm); });
    });
  }

  http::Response remove(const http::Request& request) {
    auto forget = flag_of(request, "forget");
    if (!forget) return refuse(request, std::move(forget).error());
    auto dry = flag_of(request, "dry_run");
    if (!dry) return refuse(request, std::move(dry).error());
    return with_matched_vm(request, store_, renderer_, [&](const VmPtr& vm) {
      ActionCall call;
      call.vm_id = vm->id;
      call.action = core::Action::remove;
      call.request_id = request.request_id;
      call.forget = *forget;
      call.respond_async = prefers_async(request);
      call.expected_version = expected(request, vm->version);
      if (*dry) return dry_run_reply(request, operations_.dry_runs().act(call));
      auto result = operations_.act(call);
      if (!result) return refuse(request, std::move(result).error());
      return result->pending ? accepted(result->job_id) : http::Response::empty();
    });
  }

  http::Response diagnosis(const http::Request& request) {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      return http::Response::json(
          encode(diagnose(vm, store_, operations_, renderer_, request.request_id), Defaults::write));
    });
  }

  http::Response attach(const http::Request& request) { return attach_console(request, store_, operations_); }

  http::Response console(const http::Request& request) {
    auto tail = count_of(request, "tail");
    if (!tail) return refuse(request, std::move(tail).error());
    auto follow = flag_of(request, "follow");
    if (!follow) return refuse(request, std::move(follow).error());
    return with_vm(request, store_, [&](const VmPtr& vm) {
      auto reader = operations_.console(*vm, tail->value_or(0), *follow, request.request_id);
      if (!reader) return refuse(request, std::move(reader).error());
      return *follow ? console_stream(request, std::move(*reader)) : console_text(request, std::move(*reader));
    });
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
  router.add("GET", "/vms", [handlers](const Request& r) { return handlers->list(r); });
  router.add("POST", "/vms", [handlers](const Request& r) { return handlers->create(r); });
  router.add(
      "GET", "/vms/{id}", [handlers](const Request& r) { return handlers->get(r); }, http::Access::authenticated,
      http::Pace::quick_without_query);
  router.add("PATCH", "/vms/{id}", [handlers](const Request& r) { return handlers->edit(r); });
  router.add("DELETE", "/vms/{id}", [handlers](const Request& r) { return handlers->remove(r); });
  router.add(
      "GET", "/vms/{id}/diagnosis", [handlers](const Request& r) { return handlers->diagnosis(r); },
      http::Access::authenticated, http::Pace::may_wait);
  router.add(
      "GET", "/vms/{id}/console", [handlers](const Request& r) { return handlers->console(r); },
      http::Access::authenticated, http::Pace::may_wait);
  router.add(
      "GET", "/vms/{id}/console/attach", [handlers](const Request& r) { return handlers->attach(r); },
      http::Access::authenticated, http::Pace::may_wait);
  router.add("POST", "/vms/{id}/start", [handlers](const Request& r) { return handlers->start(r); });
  constexpr std::pair<const char*, core::Action> kActions[] = {{"stop", core::Action::stop},
                                                               {"pause", core::Action::pause},
                                                               {"resume", core::Action::resume},
                                                               {"reboot", core::Action::reboot},
                                                               {"force-stop", core::Action::force_stop}};
  for (const auto& [name, action] : kActions)
    router.add("POST", std::string("/vms/{id}/") + name,
               [handlers, action = action](const Request& r) { return handlers->act(r, action); });
}

}  // namespace qarax::server
