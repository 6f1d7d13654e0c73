// Where a VM goes: a pure function of what it asks for and what the hosts are. It decides nothing else and keeps
// nothing.
#pragma once

#include <string>
#include <vector>

#include "store.hpp"

namespace qarax::server {

struct Candidate {
  HostPtr host;
  std::int64_t reserved = 0;  // bytes of its memory that are taken
  bool reachable = true;      // a command would get there now
  std::int64_t promised = 0;  // bytes that others are about to take: another host is preferred, none is refused for it
};

struct PlacementRequest {
  std::string vm_name;
  std::string hypervisor;  // empty: each host's default
  VmSpec spec;
};

// The host with the most free memory among those that fit, what is promised counted as taken. FAILED_PRECONDITION
// "no-host-fits" (or "hypervisor-unavailable", where the hypervisor is all that's missing; INVALID_ARGUMENT
// "validation", where no plugin takes the VM's config; UNAVAILABLE "plugin-loading", where a host still loads what the
// VM asks for), with one detail a host: why not.
Result<Placement> place(const PlacementRequest& request, const std::vector<Candidate>& candidates);

// Before a VM is created: could any host ever take it? Hosts that were never heard of may; what is taken or down now
// doesn't count. The same errors as place().
Status could_fit(const PlacementRequest& request, const std::vector<HostPtr>& hosts);

// What a VM that names no hypervisor and was never placed would get: the default of the first host that is up and has
// one, else core::kDefaultHypervisor. Never empty: REST shows a hypervisor of every VM.
std::string assumed_hypervisor(const std::vector<HostPtr>& hosts);

}  // namespace qarax::server
