#include "api_client.hpp"

#include "text.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr std::size_t kMostWords = 512;

// An error's body is text, in newer versions a JSON array of causes, outermost first.
std::string words_of(const plugin::HttpReply& reply) {
  std::string out;
  const auto parsed = json::parse(reply.body);
  if (const auto* causes = parsed ? parsed->as_array() : nullptr) {
    for (const auto& cause : *causes)
      if (cause.as_string() != nullptr) out.append(out.empty() ? "" : ": ").append(*cause.as_string());
  } else {
    out = reply.body;
  }
  return out.empty() ? "status " + std::to_string(reply.status) : out;
}

// v53.0 has a status for it, v44.0 only the words, which differ in a letter's case.
bool still_unplugs_vcpus(const plugin::HttpReply& reply, const std::string& words) {
  return reply.status == 429 || words.find("pending removed vcpu") != std::string::npos ||
         words.find("pending removed vCPU") != std::string::npos;
}

Error refused(const std::string& what, const plugin::HttpReply& reply) {
  const std::string all = words_of(reply);
  const std::string words = json::repair_utf8(std::string_view(all).substr(0, kMostWords));
  if (still_unplugs_vcpus(reply, all)) {
    Error error = make_error(Code::unavailable,
                             "the guest hasn't let go of vCPUs yet that were taken from it before; try again: " + words,
                             "unavailable");
    error.retryable = true;
    return error;
  }
  return make_error(reply.status == 404 ? Code::not_found : Code::failed_precondition,
                    "Cloud Hypervisor refused " + what + ": " + words, "vmm-refused");
}

std::optional<std::int64_t> number(const json::Value& config, const char* section, const char* member) {
  const auto* object = config.find(section);
  const auto* value = object != nullptr ? object->find(member) : nullptr;
  return value != nullptr && value->as_int() != nullptr ? std::optional(*value->as_int()) : std::nullopt;
}

}  // namespace

Status ApiClient::put(const plugin::Call& call, const std::string& what, const std::string& body,
                      const std::vector<int>& fds) const {
  QARAX_TRY(const plugin::HttpReply reply, http_.request(call, "PUT", "/api/v1/" + what, body, most_ms_, fds));
  if (reply.status / 100 == 2) return Ok{};
  return refused(what, reply);
}

Status ApiClient::create_and_boot(const plugin::Call& call, const std::string& vm_config) const {
  QARAX_TRY(plugin::UnixHttpConnection connection, http_.connect());
  QARAX_TRY(const plugin::HttpReply created, connection.request(call, "PUT", "/api/v1/vm.create", vm_config, most_ms_));
  if (created.status / 100 != 2) return refused("vm.create", created);
  QARAX_TRY(const plugin::HttpReply booted, connection.request(call, "PUT", "/api/v1/vm.boot", "", most_ms_));
  if (booted.status / 100 != 2) return refused("vm.boot", booted);
  return Ok{};
}

Result<json::Value> ApiClient::get(const plugin::Call& call, const std::string& what) const {
  QARAX_TRY(const plugin::HttpReply reply, http_.request(call, "GET", "/api/v1/" + what, "", most_ms_));
  if (reply.status / 100 != 2) return refused(what, reply);
  auto parsed = json::parse(reply.body);
  if (!parsed || parsed->as_object() == nullptr)
    return make_error(Code::internal, "Cloud Hypervisor answered " + what + " with no JSON object");
  return parsed;
}

Result<std::string> ApiClient::ping(const plugin::Call& call) const {
  QARAX_TRY(const json::Value said, get(call, "vmm.ping"));
  const auto* version = said.find("version");
  if (version == nullptr || version->as_string() == nullptr)
    return make_error(Code::internal, "Cloud Hypervisor's vmm.ping has no version");
  return *version->as_string();
}

Result<Info> ApiClient::info(const plugin::Call& call) const {
  auto said = get(call, "vm.info");
  if (!said) {
    Error error = std::move(said).error();
    // v44.0 answers 500 where newer ones answer 404.
    if (error.message.find("VM is not created") != std::string::npos) error.code = Code::not_found;
    return error;
  }
  const auto* state = said->find("state");
  if (state == nullptr || state->as_string() == nullptr)
    return make_error(Code::internal, "Cloud Hypervisor's vm.info has no state");
  Info out;
  out.state = *state->as_string();
  if (const auto* config = said->find("config")) {
    out.vcpus = number(*config, "cpus", "boot_vcpus");
    out.memory = number(*config, "memory", "size");
    if (const auto more = number(*config, "memory", "hotplugged_size"); more && out.memory) *out.memory += *more;
  }
  if (const auto* tree = said->find("device_tree"); tree != nullptr && tree->as_object() != nullptr)
    for (const auto& [id, node] : *tree->as_object()) out.devices.push_back(id);
  return out;
}

Result<std::string> ApiClient::state(const plugin::Call& call) const {
  QARAX_TRY(Info said, info(call));
  return std::move(said.state);
}

Status ApiClient::remove_device(const plugin::Call& call, const std::string& id) const {
  return put(call, "vm.remove-device", json::to_text(json::Value(json::Object{{"id", json::Value(id)}})));
}

Status ApiClient::resize_disk(const plugin::Call& call, const std::string& id, std::int64_t size) const {
  const json::Object body{{"id", json::Value(id)}, {"desired_size", json::Value(size)}};
  return put(call, "vm.resize-disk", json::to_text(json::Value(body)));
}

Status ApiClient::snapshot(const plugin::Call& call, const std::string& folder) const {
  const json::Object body{{"destination_url", json::Value("file://" + folder)}};
  return put(call, "vm.snapshot", json::to_text(json::Value(body)));
}

Status ApiClient::restore(const plugin::Call& call, const std::string& folder, bool prefault) const {
  const json::Object body{{"source_url", json::Value("file://" + folder)}, {"prefault", json::Value(prefault)}};
  return put(call, "vm.restore", json::to_text(json::Value(body)));
}

Status ApiClient::resize(const plugin::Call& call, std::optional<std::int32_t> vcpus,
                         std::optional<std::int64_t> memory) const {
  json::Object body;
  if (vcpus) body.emplace_back("desired_vcpus", json::Value(std::int64_t{*vcpus}));
  if (memory) body.emplace_back("desired_ram", json::Value(*memory));
  return put(call, "vm.resize", json::to_text(json::Value(std::move(body))));
}

Result<std::map<std::string, std::int64_t>> ApiClient::counters(const plugin::Call& call) const {
  QARAX_TRY(const json::Value said, get(call, "vm.counters"));
  std::map<std::string, std::int64_t> out;
  for (const auto& [device, values] : *said.as_object())
    if (const auto* object = values.as_object())
      for (const auto& [name, value] : *object)
        if (value.as_int() != nullptr) out[std::string(device).append(".").append(name)] = *value.as_int();
  return out;
}

}  // namespace qarax::cloud_hypervisor
