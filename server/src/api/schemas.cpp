#include "api/schemas.hpp"

#include "api/adopt.hpp"
#include "api/diagnosis.hpp"
#include "api/dry_run.hpp"
#include "api/host.hpp"
#include "api/job.hpp"
#include "api/new_vm.hpp"
#include "api/system.hpp"
#include "api/vm.hpp"
#include "api/vm_changes.hpp"
#include "http/problem_catalogue.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/plugin/schema.hpp"
#include "store/event.hpp"

namespace qarax::api {

namespace {

// The members that encode(…, Defaults::write) writes for every value.
template <class T>
void always_written(json::Array& out) {
  detail::for_each_field<T>([&](const auto& f) {
    using M = typename std::remove_cvref_t<decltype(f)>::Type;
    if constexpr (Document<M>) {
      if (f.is_flat) return always_written<M>(out);
    }
    if (!detail::IsOptional<M>::value || f.is_nullable) out.emplace_back(std::string(f.name));
  });
}

template <class T>
NamedSchema request() {
  return {std::string(Fields<T>::kName), *json::parse(json_schema<T>())};
}

template <class T>
NamedSchema response() {
  NamedSchema out = request<T>();
  json::Array names;
  always_written<T>(names);
  json::Object& members = *out.schema.as_object();
  std::erase_if(members, [](const json::Member& member) { return member.first == "required"; });
  members.emplace_back("required", json::Value(std::move(names)));
  return out;
}

// The schema that PATCH accepts: every member is optional, and null resets it to its default.
template <class T>
NamedSchema patch(std::string name) {
  NamedSchema out = request<T>();
  out.name = std::move(name);
  json::Object& members = *out.schema.as_object();
  std::erase_if(members, [](const json::Member& member) { return member.first == "required"; });
  for (auto& [key, value] : members) {
    if (key != "properties") continue;
    for (auto& [property, schema] : *value.as_object()) {
      json::Object& facts = *schema.as_object();
      const bool any = schema.find("type") == nullptr && schema.find("$ref") == nullptr;
      if (any || schema.find("oneOf") != nullptr) continue;
      json::Object typed;
      json::Object described;
      for (auto& fact : facts) (fact.first == "description" ? described : typed).push_back(std::move(fact));
      json::Array either;
      either.emplace_back(std::move(typed));
      either.emplace_back(json::Object{{"type", json::Value(std::string("null"))}});
      described.insert(described.begin(), {"oneOf", json::Value(std::move(either))});
      facts = std::move(described);
    }
  }
  return out;
}

}  // namespace

std::vector<NamedSchema> all_schemas() {
  std::vector<NamedSchema> out;
  out.push_back(request<NewVm>());
  out.push_back(patch<NewVm>("VmPatch"));
  out.push_back(request<CpuTopology>());
  out.push_back(response<Vm>());
  out.push_back(response<ExitInfo>());
  out.push_back(request<VmResize>());
  out.push_back(request<NewSnapshot>());
  out.push_back(request<Restore>());
  out.push_back(response<Snapshot>());
  out.push_back(response<VmMetrics>());
  out.push_back(response<Counter>());
  out.push_back(request<NewHost>());
  out.push_back(patch<NewHost>("HostPatch"));
  out.push_back(response<Host>());
  out.push_back(response<HostPlugin>());
  out.push_back(response<core::PluginInfo>());
  out.push_back(response<Description>());
  out.push_back(response<PluginLimits>());
  out.push_back(response<AdoptPlan>());
  out.push_back(response<AdoptVm>());
  out.push_back(response<Job>());
  out.push_back(response<server::JobStep>());
  out.push_back(response<server::JobProgress>());
  out.push_back(response<server::Event>());
  out.push_back(response<core::Leftover>());
  out.push_back(response<Accepted>());
  out.push_back(response<DryRun>());
  out.push_back(response<Diagnosis>());
  out.push_back(response<DesiredState>());
  out.push_back(response<ObservedState>());
  out.push_back(response<VmSpec>());
  out.push_back(response<Version>());
  out.push_back(response<Ready>());
  out.push_back(response<Check>());
  out.push_back(response<ProblemError>());
  out.push_back(response<Problem>());
  return out;
}

json::Value problem_list() {
  json::Array out;
  for (const http::ProblemKind& kind : http::problem_catalogue()) {
    json::Object one;
    one.emplace_back("type", json::Value(std::string(http::kProblemBase).append(kind.slug)));
    one.emplace_back("status", json::Value(static_cast<std::int64_t>(kind.status)));
    one.emplace_back("title", json::Value(std::string(kind.title)));
    if (!kind.hint.empty()) one.emplace_back("hint", json::Value(std::string(kind.hint)));
    out.emplace_back(std::move(one));
  }
  return json::Value(std::move(out));
}

}  // namespace qarax::api
