/*
 * DRAFT: qarax.network/1. Same rules as qarax/plugin/abi.h; see draft/storage_1.h for what a draft is.
 *
 * Objects. A network and a port are named by their UUIDs; a port belongs to one network interface of one VM. Handles
 * work as in abi.h. All calls are idempotent.
 *
 * Ownership. Interfaces, bridges and rules that the plugin makes have names with a prefix of its own and are claimed
 * first (kind "tap"), so that after a restart they can be told from the host's own. The plugin uses what the
 * administrator made and never changes or removes it.
 */
#ifndef QARAX_PLUGIN_DRAFT_NETWORK_1_H
#define QARAX_PLUGIN_DRAFT_NETWORK_1_H

#include "qarax/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QARAX_NETWORK_1 "qarax.network/1"
/* clang-format off */
/*
 * [object] the network, or for ports the port; list is [any]. All required.
 *
 *   ensure_network  args {network, name, kind, options, handle} → {handle, mtu}
 *                   Makes the network or brings it into the requested state. What is already right isn't touched, so
 *                   that running ports lose no packet.
 *
 *   remove_network  args {network, handle} → nothing
 *                   A network that doesn't exist is success. FAILED_PRECONDITION while it has ports, naming them.
 *
 *   attach_port     args {port, network, network_handle, vm, incarnation, mac, mtu, queues, rate_limits}
 *                   → exactly one of
 *                     {tap: name, mtu}         the device exists, is up, and is used by this VM only
 *                     {fds: [index…], mtu}     one tap descriptor per queue (put_fd)
 *                     {vhost_user: path, mtu}  a listening socket
 *                   plus {handle} and, if the plugin assigns addresses, {addresses: [{address, prefix, gateway}]}.
 *                   With "mac-filter" in features, the port only lets out packets from the given MAC.
 *                   RESOURCE_EXHAUSTED: no address or device is left; the message says which.
 *
 *   detach_port     args {port, handle, vm, incarnation} → nothing
 *                   A port that doesn't exist is success. Frees device, rules and address.
 *
 *   list            args {after, limit} → {networks: [{network, handle}], ports: [{port, network, vm, device}], next}
 *                   What really exists, not what was requested: the host finds leftovers with it.
 */
/* clang-format on */
typedef struct qarax_network_1 {
  size_t size;
  qarax_slot ensure_network;
  qarax_slot remove_network;
  qarax_slot attach_port;
  qarax_slot detach_port;
  qarax_slot list;
} qarax_network_1;

#ifdef __cplusplus
}
#endif

#endif
