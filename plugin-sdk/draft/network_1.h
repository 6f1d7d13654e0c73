/*
 * DRAFT: qarax.network/1. Same rules as qarax/plugin/abi.h; see draft/storage_1.h for what a draft is.
 *
 * Objects. A network and a port are named by their UUIDs; a port belongs to one network interface of one VM. Handles as
 * everywhere. All calls are idempotent.
 *
 * Who may touch what. Interfaces, bridges and rules that the plugin makes carry a name of its own prefix and are
 * claimed first (kind "tap"), so that a restart can tell ours from the host's. What the administrator made is used,
 * never changed or removed.
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
 *                   Makes it or brings it into the asked state; what is right already isn't touched, so that running
 *                   ports lose no packet.
 *
 *   remove_network  args {network, handle} → nothing
 *                   Gone is success; FAILED_PRECONDITION with the ports that are left.
 *
 *   attach_port     args {port, network, network_handle, vm, incarnation, mac, mtu, queues, rate_limits}
 *                   → exactly one of
 *                     {tap: name, mtu}         the device exists, is up, and is the VM's alone
 *                     {fds: [index…], mtu}     one tap descriptor a queue (put_fd)
 *                     {vhost_user: path, mtu}  a listening socket
 *                   with {handle, addresses: [{address, prefix, gateway}]} where the plugin assigns them.
 *                   The given MAC is the only one that the port lets out, where features has "mac-filter".
 *                   RESOURCE_EXHAUSTED: no address or device left, saying which.
 *
 *   detach_port     args {port, handle, vm, incarnation} → nothing
 *                   Gone is success. Frees device, rules and address.
 *
 *   list            args {after, limit} → {networks: [{network, handle}], ports: [{port, network, vm, device}], next}
 *                   What is there in truth, not what was asked: the host finds leftovers with it.
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
