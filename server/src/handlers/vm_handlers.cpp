#include "handlers/vm_handlers.hpp"

#include <algorithm>

#include "api/new_vm.hpp"
#include "handlers/console_reply.hpp"
#include "handlers/vm_reply.hpp"
#include "http/json_body.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

class VmHandlers {
 public:
  VmHandlers(const Store& store, Operations& operations, VmRenderer& renderer)
      : store_(store), operations_(operations), renderer_(renderer) {}

  http::Response list(const http::Request& request) const {
    std::vector<VmPtr> vms = store_.vms();
    if (request.query.empty()) return http::Response::json(renderer_.list(vms));
    const auto status = request.query_value("status");
    if (status && std::find(std::begin(EnumNames<VmState>::kNames), std::end(EnumNames<VmState>::kNames), *status) ==
                      std::end(EnumNames<VmState>::kNames))
      return refuse(request, make_error(Code::invalid_argument,
                                        "\"" + std::string(*status) +
                                            "\" is no status; there are unknown, created, running, paused, shutdown",
                                        "bad-query"));
    const auto name = request.query_value("name");
    const auto host = request.query_value("host_id");
    if (host && !core::is_uuid(*host))
      return refuse(request, make_error(Code::invalid_argument, "host_id: \"" + std::string(*host) + "\" is not a UUID",
                                        "bad-uuid"));
    const std::string host_id = host ? core::to_lower(*host) : std::string();
    std::erase_if(vms, [&](const VmPtr& vm) {
      return (name && vm->name != *name) || (status && to_string(vm->observed.status.state) != *status) ||
             (host && vm->host_id.value_or("") != host_id);
    });
    return http::Response::json(renderer_.list(vms));
  }

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
    auto vm = operations_.create_vm(input, request.request_id);
    if (!vm) return refuse(request, std::move(vm).error());
    const std::string& id = (*vm)->id;
    return created(request, "/vms/" + id, id, prefers_json(request) ? renderer_.one(*vm) : std::string());
  }

  http::Response get(const http::Request& request) const {
    return with_vm(request, store_, [&](const VmPtr& vm) { return http::Response::json(renderer_.one(vm)); });
  }

  http::Response act(const http::Request& request, core::Action action) {
    return with_vm(request, store_, [&](const VmPtr& vm) {
      ActionCall call;
      call.vm_id = vm->id;
      call.action = action;
      return carry_out(request, operations_, call,
                       [&](const ActionResult& result) { return http::Response::json(renderer_.one(result.vm)); });
    });
  }

  http::Response remove(const http::Request& request) {
    auto forget = flag_of(request, "forget");
    if (!forget) return refuse(request, std::move(forget).error());
    return with_vm(request, store_, [&](const VmPtr& vm) {
      ActionCall call;
      call.vm_id = vm->id;
      call.action = core::Action::remove;
      call.request_id = request.request_id;
      call.forget = *forget;
      auto result = operations_.act(call);
      return result ? http::Response::empty() : refuse(request, std::move(result).error());
    });
  }

  http::Response console(const http::Request& request) {
    auto tail = count_of(request, "tail");
    if (!tail) return refuse(request, std::move(tail).error());
    auto follow = flag_of(request, "follow");
    if (!follow) return refuse(request, std::move(follow).error());
    return with_vm(request, store_, [&](const VmPtr& vm) {
      auto reader = operations_.console(*vm, tail->value_or(0), *follow, request.request_id);
      if (!reader) return refuse(request, std::move(reader).error());
      return *follow ? console_stream(request, std::move(*reader)) : console_text(request, **reader);
    });
  }

 private:
  const Store& store_;
  Operations& operations_;
  VmRenderer& renderer_;
};

}  // namespace

void add_vm_routes(http::Router& router, const Store& store, Operations& operations, VmRenderer& renderer) {
  const auto handlers = std::make_shared<VmHandlers>(store, operations, renderer);
  using http::Request;
  router.add("GET", "/vms", [handlers](const Request& r) { return handlers->list(r); });
  router.add("POST", "/vms", [handlers](const Request& r) { return handlers->create(r); });
  router.add("GET", "/vms/{id}", [handlers](const Request& r) { return handlers->get(r); });
  router.add("DELETE", "/vms/{id}", [handlers](const Request& r) { return handlers->remove(r); });
  router.add("GET", "/vms/{id}/console", [handlers](const Request& r) { return handlers->console(r); });
  constexpr std::pair<const char*, core::Action> kActions[] = {
      {"start", core::Action::start},   {"stop", core::Action::stop},     {"pause", core::Action::pause},
      {"resume", core::Action::resume}, {"reboot", core::Action::reboot}, {"force-stop", core::Action::force_stop}};
  for (const auto& [name, action] : kActions)
    router.add("POST", std::string("/vms/{id}/") + name,
               [handlers, action = action](const Request& r) { return handlers->act(r, action); });
}

}  // namespace qarax::server
