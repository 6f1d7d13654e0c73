// Finds VMs and hosts by name or id.
#include <algorithm>

#include "context.hpp"
#include "problem.hpp"

namespace qarax::cli {

namespace {

// nullopt if there is none: a name may look like an id, so the caller tries the name too.
Result<std::optional<Document>> by_id(ApiClient& api, const std::string& collection, const std::string& id) {
  if (!is_uuid(id)) return std::optional<Document>();
  auto found = api.get(collection + "/" + id);
  if (found) return std::optional(std::move(*found));
  if (found.error().code == Code::not_found) return std::optional<Document>();
  return std::move(found).error();
}

Result<std::optional<Document>> by_name(ApiClient& api, const std::string& collection, const std::string& name) {
  QARAX_TRY(const Document all, api.get(collection + "?name=" + percent_encoded(name)));
  for (std::size_t i = 0; i < element_count(all); ++i)
    if (Document one = element(all, i); text_of(one.value, "name") == name) return std::optional(std::move(one));
  return std::optional<Document>();
}

// Refuses a word that is the id of one object and the name of another: otherwise the wrong one might be stopped or
// deleted.
Result<Document> find(ApiClient& api, const std::string& collection, const std::string& name_or_id, Error missing) {
  QARAX_TRY(auto with_id, by_id(api, collection, name_or_id));
  QARAX_TRY(auto with_name, by_name(api, collection, name_or_id));
  if (!with_id && !with_name) return missing;
  if (!with_id) return std::move(*with_name);
  if (!with_name || text_of(with_name->value, "id") == name_or_id) return std::move(*with_id);
  return make_error(Code::failed_precondition, name_or_id + " is the id of " + text_of(with_id->value, "name") +
                                                   " and the name of " + text_of(with_name->value, "id") + ": say " +
                                                   text_of(with_id->value, "name") + " or " +
                                                   text_of(with_name->value, "id"));
}

}  // namespace

Result<Document> find_vm(ApiClient& api, const std::string& name_or_id) {
  return find(api, "/vms", name_or_id,
              make_error(Code::not_found, "no VM has the name or id " + name_or_id, std::string(kVmNotFound)));
}

Result<Document> find_host(ApiClient& api, const std::string& name_or_id) {
  return find(api, "/hosts", name_or_id,
              make_error(Code::not_found, "no host has the name or id " + name_or_id, std::string(kHostNotFound)));
}

bool has_console(ApiClient& api, const json::Value& vm) {
  const auto plugins = api.get("/hosts/" + percent_encoded(text_of(vm, "host_id")) + "/plugins");
  if (!plugins) return true;
  for (std::size_t i = 0; i < element_count(*plugins); ++i) {
    const Document plugin = element(*plugins, i);
    if (text_of(plugin.value, "name") != hypervisor_of(vm)) continue;
    const json::Value* about = plugin.value.find("description");
    const json::Value* features = about == nullptr ? nullptr : about->find("features");
    // A plugin without a list of features doesn't tell what it lacks.
    if (features == nullptr || features->as_array() == nullptr || features->as_array()->empty()) return true;
    return std::any_of(features->as_array()->begin(), features->as_array()->end(), [](const json::Value& feature) {
      return feature.as_string() != nullptr && *feature.as_string() == "console";
    });
  }
  return true;
}

}  // namespace qarax::cli
