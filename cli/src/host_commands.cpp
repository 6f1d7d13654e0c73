#include "build_revision.hpp"
#include "commands.hpp"
#include "problem.hpp"
#include "sizes.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

std::string address_of(const json::Value& host) {
  const std::string address = text_of(host, "address");
  const auto port = integer_of(host, "port");
  const bool bare_v6 = address.find(':') != std::string::npos && !address.starts_with('[');
  return (bare_v6 ? "[" + address + "]" : address) + (port ? ":" + std::to_string(*port) : "");
}

void add_plugin_row(Table& table, const std::string& host, const json::Value& plugin) {
  const json::Value nothing;
  const json::Value* found = plugin.find("description");
  const json::Value& about = found == nullptr ? nothing : *found;
  const bool loaded = text_of(plugin, "state") == "loaded";
  const bool healthy = loaded && (found == nullptr || flag_of(about, "healthy"));
  const std::string reason = loaded ? text_of(about, "health_reason") : text_of(plugin, "reason");
  table.add({host, text_of(plugin, "name"), text_of(plugin, "kind"), text_of(plugin, "version"),
             loaded ? (healthy ? "ready" : "not healthy") : text_of(plugin, "state"), text_of(about, "accelerator"),
             reason.empty() ? text_of(about, "accelerator_evidence") : reason});
}

// The host that was named, or all hosts, each as a document of its own.
Result<std::vector<Document>> chosen_hosts(const Context& context) {
  std::vector<Document> chosen;
  if (!context.arguments.target.empty()) {
    QARAX_TRY(Document one, find_host(context.api, context.arguments.target));
    chosen.push_back(std::move(one));
    return chosen;
  }
  QARAX_TRY(const Document all, context.api.get_all("/hosts"));
  for (std::size_t i = 0; i < element_count(all); ++i) chosen.push_back(element(all, i));
  return chosen;
}

constexpr const char* kNoHosts =
    "no hosts yet: start qarax-node on one and register it\n  next: qarax add-host NAME ADDRESS\n";

void say_host(const Context& context, const Document& host) {
  if (context.arguments.json()) {
    context.out << host.text << '\n';
    return;
  }
  const std::string reason = text_of(host.value, "status_reason");
  context.out << printable(text_of(host.value, "name")) << " is " << printable(text_of(host.value, "status"))
              << (reason.empty() ? "" : ": " + printable(reason)) << '\n';
}

// The first members of an object, which the caller goes on with.
std::string own_version() {
  std::string out = R"({"version":")" QARAX_VERSION "\"";
  if (!build_revision().empty()) out.append(R"(,"revision":")").append(build_revision()).append("\"");
  return out;
}

}  // namespace

Status hosts(const Context& context) {
  QARAX_TRY(const Document all, context.api.get_all("/hosts"));
  if (context.arguments.json()) {
    context.out << all.text << '\n';
    return Ok{};
  }
  if (element_count(all) == 0) {
    context.note << kNoHosts;
    return Ok{};
  }
  Table table({"NAME", "STATUS", "ADDRESS", "CPUS", "MEMORY", "HYPERVISOR", "ACCELERATOR", "REASON"});
  for (std::size_t i = 0; i < element_count(all); ++i) {
    const json::Value host = element(all, i).value;
    const auto cpus = integer_of(host, "cpus");
    const auto memory = integer_of(host, "memory");
    table.add({text_of(host, "name"), text_of(host, "status"), address_of(host), cpus ? std::to_string(*cpus) : "",
               memory ? format_size(*memory) : "", text_of(host, "default_hypervisor"), text_of(host, "accelerator"),
               text_of(host, "status_reason")});
  }
  context.out << table.text(context.colour);
  return Ok{};
}

Status add_host(const Context& context) {
  const Arguments& arguments = context.arguments;
  json::Object body{{"name", json::Value(arguments.target)},
                    {"address", json::Value(arguments.address.address)},
                    {"port", json::Value(arguments.address.port)}};
  QARAX_TRY(
      Reply reply,
      context.api.call({.method = "POST", .path = "/hosts", .body = json::to_text(json::Value(std::move(body)))}));
  QARAX_TRY(const Document host, parse_document(std::move(reply.body)));
  say_made(context, host, "added", "init-host");
  return Ok{};
}

Status init_host(const Context& context) {
  QARAX_TRY(const Document host, find_host(context.api, context.arguments.target));
  QARAX_TRY(Reply reply, context.api.call({.method = "POST", .path = host_path(host.value, "/init")}));
  QARAX_TRY(const Document now, parse_document(std::move(reply.body)));
  say_host(context, now);
  return Ok{};
}

Status delete_host(const Context& context) {
  QARAX_TRY(const Document host, find_host(context.api, context.arguments.target));
  QARAX_CHECK(context.api.call(
      {.method = "DELETE", .path = host_path(host.value, context.arguments.forget ? "?forget=true" : "")}));
  const std::string name = text_of(host.value, "name");
  if (context.arguments.json())
    context.out << json::to_text(json::Value(json::Object{{"id", json::Value(text_of(host.value, "id"))},
                                                          {"name", json::Value(name)},
                                                          {"deleted", json::Value(true)}}))
                << '\n';
  else
    context.out << printable(name) << " is deleted\n";
  return Ok{};
}

Status plugins(const Context& context) {
  QARAX_TRY(const std::vector<Document> chosen, chosen_hosts(context));
  Table table({"HOST", "NAME", "KIND", "VERSION", "STATE", "ACCELERATOR", "WHY"});
  std::string documents;
  for (const Document& host : chosen) {
    const std::string id = text_of(host.value, "id");
    const std::string name = text_of(host.value, "name");
    QARAX_TRY(const Document found, context.api.get("/hosts/" + percent_encoded(id) + "/plugins"));
    for (std::size_t i = 0; i < element_count(found); ++i) add_plugin_row(table, name, element(found, i).value);
    documents += documents.empty() ? "[{" : ",{";
    documents += "\"host_id\":" + json::to_text(json::Value(id)) + ",\"host\":" + json::to_text(json::Value(name)) +
                 ",\"plugins\":" + found.text + "}";
  }
  if (context.arguments.json())
    context.out << (documents.empty() ? "[" : documents) << "]\n";
  else if (chosen.empty())
    context.note << kNoHosts;
  else
    context.out << table.text(context.colour);
  return Ok{};
}

Status version(const Context& context) {
  const bool json = context.arguments.json();
  // Print the CLI's own version first: it doesn't need the server.
  if (!json) context.out << "qarax " << version_with(QARAX_VERSION, build_revision()) << '\n' << std::flush;
  QARAX_TRY(const Document server, context.api.get("/version"));
  if (json)
    context.out << own_version() << ",\"server\":" << server.text << "}\n";
  else
    context.out << printable(text_of(server.value, "name") + " " +
                             version_with(text_of(server.value, "version"), text_of(server.value, "revision")) +
                             " at " + context.api.endpoint().url + ", API " + text_of(server.value, "api_version"))
                << '\n';
  return Ok{};
}

}  // namespace qarax::cli
