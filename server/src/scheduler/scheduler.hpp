// Chooses the host for a VM: a pure function of the VM's needs and the hosts' state, without side effects.
#pragma once

#include <string>
#include <vector>

#include "job_store.hpp"

namespace qarax::server {

struct Candidate {
  HostPtr host;
  std::int64_t reserved = 0;  // bytes of the host's memory that are reserved
  bool reachable = true;      // whether a command would get there now
  // Bytes that starts under way will reserve: other hosts are preferred, but none is refused for it.
  std::int64_t promised = 0;
};

struct PlacementRequest {
  std::string vm_name;
  std::string hypervisor;  // empty: each host's default
  VmSpec spec;
  // The VM's machine was made for `hypervisor` at its first start: a node's fallback doesn't apply.
  bool frozen = false;
};

// The host with the most free memory among those that fit; promised memory counts as taken. A node's fallback is taken
// only where no host has what was asked for, or may have it soon: a VM keeps the hypervisor that it was given first.
// FAILED_PRECONDITION "no-host-fits" (or "hypervisor-unavailable", if only the hypervisor is missing; INVALID_ARGUMENT
// "validation", if no plugin takes the VM's config; UNAVAILABLE "plugin-loading", if a host is still loading what the
// VM needs, or trying whether it works), with one detail for each host that says why not.
Result<Placement> place(const PlacementRequest& request, const std::vector<Candidate>& candidates);

// Checked before a VM is created: could any host ever take it? A host that was never heard of counts as one that could;
// what is reserved or down at present doesn't matter. The same errors as place().
Status could_fit(const PlacementRequest& request, const std::vector<HostPtr>& hosts);

// Checks the size only: for a VM that exists, whose hypervisor may be one that could not start it now.
Status could_have_size(const PlacementRequest& request, const std::vector<HostPtr>& hosts);

// What a VM that names no hypervisor and was never placed would get: the default of the first host that is up and has
// one, else core::kDefaultHypervisor. Never empty: REST shows a hypervisor of every VM.
std::string assumed_hypervisor(const std::vector<HostPtr>& hosts);

// The name that clients are shown: `known` is compat.hypervisor_names, and where it isn't empty its first name stands
// for every name that isn't among them.
std::string shown_hypervisor(const std::string& name, const std::vector<std::string>& known);

}  // namespace qarax::server
