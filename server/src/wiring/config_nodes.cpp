#include "wiring/config_nodes.hpp"

#include <Poco/Net/StreamSocket.h>

#include <algorithm>

#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {

bool is_at(const HostRecord& host, const NodeEntry& node) {
  return host.address == node.address && host.port == node.port;
}

// Finds the host of `node` under its former port; null if there is none. A host at the address of another config entry
// only shares the name. A host that still answers was moved by somebody who didn't update the config.
HostPtr moved_host(const NodeEntry& node, const std::vector<NodeEntry>& nodes, const std::vector<HostPtr>& hosts,
                   const std::function<bool(const HostRecord&)>& answers) {
  for (const HostPtr& host : hosts)
    if (host->name == node.name && host->address == node.address &&
        std::none_of(nodes.begin(), nodes.end(), [&](const NodeEntry& one) { return is_at(*host, one); }) &&
        !answers(*host))
      return host;
  return nullptr;
}

}  // namespace

bool answers_tcp(const HostRecord& host) {
  try {
    Poco::Net::StreamSocket socket;
    socket.connect(Poco::Net::SocketAddress(host.address, static_cast<Poco::UInt16>(host.port)), Poco::Timespan(1, 0));
    return true;
  } catch (const Poco::Exception&) {
    return false;
  }
}

void register_nodes(const std::vector<NodeEntry>& nodes, const StoreReads& store, Operations& operations,
                    const std::function<bool(const HostRecord&)>& answers) {
  const auto log = core::logger("server");
  for (const NodeEntry& node : nodes) {
    const std::vector<HostPtr> hosts = store.hosts();
    if (std::any_of(hosts.begin(), hosts.end(), [&](const HostPtr& host) { return is_at(*host, node); })) continue;
    NewHostInput input;
    input.name = node.name;
    input.address = node.address;
    input.port = node.port;
    const HostPtr moved = moved_host(node, nodes, hosts, answers);
    const auto done =
        moved
            ? operations.edit_host({moved->id, "{\"port\":" + std::to_string(node.port) + "}", std::nullopt, "config"})
            : operations.add_host(input);
    if (done && moved)
      log->info("a host moves to the port that its node has in the config host={} name={} from={} to={}", moved->id,
                node.name, moved->port, node.port);
    if (!done)
      log->warn("a node of the config isn't registered: {} address={} port={}", done.error().message, node.address,
                node.port);
  }
}

}  // namespace qarax::server
