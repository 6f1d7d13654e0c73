#include "scheduler.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "qarax/core/default_hypervisor.hpp"
#include "qarax/core/enum_name.hpp"
#include "qarax/core/options_check.hpp"

namespace qarax::server {

namespace {

using core::PluginState;

// What prevents the placement: the requested hypervisor, the requested config, or the host's own size and state.
enum class About { host, hypervisor, config };

struct Refusal {
  About about = About::host;
  std::string text;
  std::string pointer{};     // JSON pointer to the member that is the cause
  bool passes = false;       // passes by itself soon
  bool of_fallback = false;  // what stands in for the requested hypervisor can't run the VM, either
};

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes / (std::int64_t{1} << 20)) + " MiB"; }

const core::PluginInfo* find_plugin(const core::NodeInfo& node, const std::string& name) {
  for (const auto& plugin : node.plugins)
    if (plugin.name == name) return &plugin;
  return nullptr;
}

// Whether the plugin doesn't know yet if it can be used, as where it needs KVM and its trial runs or is repeated: a VM
// placed on it now could be bound to a useless plugin.
bool is_on_trial(const core::PluginInfo& plugin) {
  return plugin.description && plugin.description->accelerator == "probing" &&
         !plugin.description->health_reason.empty();
}

// Lists the host's plugins, with the reasons why some can't be used.
std::string told_of(const core::NodeInfo& node) {
  std::string out;
  for (const auto& plugin : node.plugins) {
    out.append(out.empty() ? "" : ", ").append(plugin.name);
    if (plugin.state != PluginState::loaded)
      out.append(" (").append(to_string(plugin.state)).append(": " + plugin.reason + ")");
    else if (plugin.description && !plugin.description->healthy)
      out.append(" (can't be used: " + plugin.description->health_reason + ")");
  }
  return out.empty() ? "none" : out;
}

// Why a hypervisor can't run a VM there; empty: it can.
std::string unusable(const core::NodeInfo& node, const std::string& name) {
  const core::PluginInfo* plugin = find_plugin(node, name);
  if (plugin == nullptr) return "it has no hypervisor " + name + "; it has: " + told_of(node);
  if (plugin->state == PluginState::loading) return "hypervisor " + name + " can't be used yet: " + plugin->reason;
  if (plugin->state != PluginState::loaded) return "hypervisor " + name + " was refused: " + plugin->reason;
  if (is_on_trial(*plugin)) return "hypervisor " + name + " can't be used yet: " + plugin->description->health_reason;
  if (plugin->description && !plugin->description->healthy)
    return "hypervisor " + name + " can't be used: " + plugin->description->health_reason;
  return {};
}

// Checks the config against the plugin's schema. The plugin itself decides at the start, but objections of its schema
// are known now.
std::optional<Refusal> judge_config(const VmSpec& spec, const core::PluginInfo& plugin) {
  if (spec.config.text == "null" || !plugin.description) return std::nullopt;
  auto problems = core::find_problems(plugin.description->options_schema.text, spec.config.text, "/config");
  if (problems.empty()) return std::nullopt;
  ErrorDetail& first = problems.front();
  return Refusal{About::config, "hypervisor " + plugin.name + " doesn't take " + first.pointer + ": " + first.detail,
                 std::move(first.pointer)};
}

// Whether the plugin may be one that its node is still loading or trying.
bool may_come(const core::NodeInfo& node, const std::string& name) {
  const core::PluginInfo* plugin = find_plugin(node, name);
  if (plugin != nullptr) return plugin->state == PluginState::loading || is_on_trial(*plugin);
  return std::any_of(node.plugins.begin(), node.plugins.end(),
                     [](const auto& one) { return one.state == PluginState::loading; });
}

PluginLimits limits_of(const core::NodeInfo& node, const std::string& name) {
  const core::PluginInfo* plugin = find_plugin(node, name);
  return plugin != nullptr && plugin->description ? plugin->description->limits : PluginLimits{};
}

// Whether that hypervisor could run a VM of that size on the node. Its health is not looked at.
std::optional<Refusal> judge_size(const VmSpec& spec, const core::NodeInfo& node, const std::string& name) {
  const PluginLimits limits = limits_of(node, name);
  if (limits.max_vcpus > 0 && spec.max_vcpus > limits.max_vcpus)
    return Refusal{About::host,
                   name + " takes at most " + std::to_string(limits.max_vcpus) + " vCPUs, the VM asks for " +
                       std::to_string(spec.max_vcpus),
                   "/max_vcpus"};
  if (limits.max_memory > 0 && spec.memory_size > limits.max_memory)
    return Refusal{About::host,
                   name + " takes at most " + mebibytes(limits.max_memory) + " of memory, the VM asks for " +
                       mebibytes(spec.memory_size),
                   "/memory_size"};
  if (spec.memory_size > node.memory - limits.vmm_overhead)
    return Refusal{About::host,
                   "it has " + mebibytes(node.memory) + " of memory, the VM asks for " + mebibytes(spec.memory_size) +
                       (limits.vmm_overhead > 0 ? " and its VMM for " + mebibytes(limits.vmm_overhead) : ""),
                   "/memory_size"};
  return std::nullopt;
}

// Whether a hypervisor of the node, which may still be loading, takes the VM's size and config.
std::optional<Refusal> judge_spec(const VmSpec& spec, const core::NodeInfo& node, const std::string& name) {
  auto refusal = judge_size(spec, node, name);
  const core::PluginInfo* plugin = find_plugin(node, name);
  return refusal || plugin == nullptr ? std::move(refusal) : judge_config(spec, *plugin);
}

// Checks what doesn't change with the load: hypervisor, size and config. A Refusal has `passes` set if a plugin is
// still being loaded or tried. Sets `placement` if the host fits now, or may fit when that is over.
std::optional<Refusal> judge_host(const PlacementRequest& request, const HostRecord& host, Placement& placement) {
  const core::NodeInfo& node = *host.info;
  std::string name = request.hypervisor.empty() ? node.default_hypervisor : request.hypervisor;
  const auto place_on = [&] {
    placement.host_id = host.id;
    placement.hypervisor = name;
    placement.memory = request.spec.memory_size + limits_of(node, name).vmm_overhead;
    placement.capacity = node.memory;
  };
  // Only for a VM that the host can then take.
  const auto wait_for_it = [&](std::string why) {
    place_on();
    auto refusal = judge_spec(request.spec, node, name);
    return refusal ? std::move(*refusal) : Refusal{About::host, std::move(why), {}, true};
  };
  if (name.empty()) {
    if (may_come(node, name)) return wait_for_it("it has no default hypervisor yet: " + told_of(node));
    return Refusal{About::hypervisor, "it has no hypervisor for VMs that name none; it has: " + told_of(node)};
  }
  if (std::string why = unusable(node, name); !why.empty()) {
    if (may_come(node, name)) return wait_for_it(std::move(why));
    // Only if the node's operator configured it; the VM shows the reason for as long as it exists.
    const auto other = node.fallback.find(name);
    if (other == node.fallback.end() || request.frozen) return Refusal{About::hypervisor, why};
    if (std::string why_other = unusable(node, other->second); !why_other.empty())
      return Refusal{About::hypervisor, why + "; nor its fallback: " + why_other};
    placement.fallback_reason = "the node's config says fallback." + name + ": " + other->second + ", because " + why;
    name = other->second;
  }
  place_on();
  auto refusal = judge_spec(request.spec, node, name);
  if (refusal && !placement.fallback_reason.empty()) {
    refusal->text = placement.fallback_reason + "; but " + refusal->text;
    refusal->of_fallback = true;
  }
  return refusal;
}

// Checks also what changes with the load. A host that has no memory left is nothing to wait for.
std::optional<Refusal> judge_candidate(const PlacementRequest& request, const Candidate& candidate,
                                       Placement& placement) {
  const HostRecord& host = *candidate.host;
  if (host.status != HostStatus::up || !candidate.reachable || !host.info) {
    const std::string state(core::enum_name(host.status));
    return Refusal{About::host, "it is " + state + (host.status_reason.empty() ? "" : ": " + host.status_reason)};
  }
  if (host.info->stopping) return Refusal{About::host, "it is being shut down"};
  auto refusal = judge_host(request, host, placement);
  if (refusal && !refusal->passes) return refusal;
  const std::int64_t free = placement.capacity - candidate.reserved;
  if (free < placement.memory)
    return Refusal{About::host,
                   "it has " + mebibytes(free) + " of memory left, the VM takes " + mebibytes(placement.memory)};
  return refusal;
}

Error no_host(const PlacementRequest& request, const std::vector<std::pair<std::string, Refusal>>& refusals) {
  const auto all_about = [&](About what) {
    return !refusals.empty() &&
           std::all_of(refusals.begin(), refusals.end(), [&](const auto& r) { return r.second.about == what; });
  };
  const bool hypervisor = all_about(About::hypervisor);
  const bool config = all_about(About::config);
  // A refusal that passes by itself makes a later retry worthwhile.
  const bool passes = std::any_of(refusals.begin(), refusals.end(), [](const auto& r) { return r.second.passes; });
  const Code code = passes ? Code::unavailable : config ? Code::invalid_argument : Code::failed_precondition;
  Error error = make_error(code, "no host can take VM " + request.vm_name + (passes ? " yet" : ""),
                           passes       ? "plugin-loading"
                           : config     ? "validation"
                           : hypervisor ? "hypervisor-unavailable"
                                        : "no-host-fits");
  error.step = "placement";
  if (hypervisor && !request.hypervisor.empty()) error.message += " with hypervisor " + request.hypervisor;
  if (hypervisor && request.frozen && !passes)
    error.hint = "The VM's machine was made for hypervisor " + request.hypervisor +
                 " at its first start, and no fallback takes its place: make it usable on the host again, or create "
                 "another VM.";
  if (!passes && std::any_of(refusals.begin(), refusals.end(), [](const auto& r) { return r.second.of_fallback; }))
    error.hint = "Make the hypervisor that the VM asks for usable on the host, or give the VM what the fallback takes.";
  if (refusals.empty())
    error.message += ": no host is registered; add one with POST /hosts (qarax add-host NAME ADDRESS)";
  for (const auto& [host, refusal] : refusals) {
    error.message.append(&host == &refusals.front().first ? ": " : "; ").append(host).append(": ").append(refusal.text);
    error.details.push_back({hypervisor ? "/hypervisor" : refusal.pointer, "host " + host + ": " + refusal.text});
  }
  return error;
}

}  // namespace

Result<Placement> place(const PlacementRequest& request, const std::vector<Candidate>& candidates) {
  std::vector<std::pair<std::string, Refusal>> refusals;
  std::vector<std::pair<std::string, Refusal>> fallbacks;
  std::optional<Placement> best;
  // A VM keeps the hypervisor that it was given first, so what it asked for comes before any amount of memory.
  std::pair<bool, std::int64_t> best_rank;
  for (const Candidate& candidate : candidates) {
    const std::string& name = candidate.host->name;
    Placement placement;
    if (auto refusal = judge_candidate(request, candidate, placement)) {
      refusals.emplace_back(name, std::move(*refusal));
      continue;
    }
    const bool is_asked_for = placement.fallback_reason.empty();
    if (!is_asked_for)
      fallbacks.emplace_back(
          name, Refusal{About::host, placement.fallback_reason +
                                         "; it isn't taken while another host may soon have what was asked for"});
    const std::pair rank(is_asked_for, placement.capacity - candidate.reserved - candidate.promised);
    if (!best || rank > best_rank) {
      best = std::move(placement);
      best_rank = rank;
    }
  }
  const bool waits = std::any_of(refusals.begin(), refusals.end(), [](const auto& r) { return r.second.passes; });
  if (best && (best_rank.first || !waits)) return std::move(*best);
  std::move(fallbacks.begin(), fallbacks.end(), std::back_inserter(refusals));
  return no_host(request, refusals);
}

Status could_fit(const PlacementRequest& request, const std::vector<HostPtr>& hosts) {
  std::vector<std::pair<std::string, Refusal>> refusals;
  for (const HostPtr& host : hosts) {
    Placement unused;
    if (!host->info) return Ok{};
    auto refusal = judge_host(request, *host, unused);
    if (!refusal || refusal->passes) return Ok{};
    refusals.emplace_back(host->name, std::move(*refusal));
  }
  if (refusals.empty()) return Ok{};
  return no_host(request, refusals);
}

Status could_have_size(const PlacementRequest& request, const std::vector<HostPtr>& hosts) {
  std::vector<std::pair<std::string, Refusal>> refusals;
  for (const HostPtr& host : hosts) {
    if (!host->info) return Ok{};
    const core::NodeInfo& node = *host->info;
    auto refusal =
        judge_size(request.spec, node, request.hypervisor.empty() ? node.default_hypervisor : request.hypervisor);
    if (!refusal) return Ok{};
    refusals.emplace_back(host->name, std::move(*refusal));
  }
  if (refusals.empty()) return Ok{};
  return no_host(request, refusals);
}

std::string assumed_hypervisor(const std::vector<HostPtr>& hosts) {
  for (const HostPtr& host : hosts)
    if (host->status == HostStatus::up && host->info && !host->info->default_hypervisor.empty())
      return host->info->default_hypervisor;
  return std::string(core::kDefaultHypervisor);
}

std::string shown_hypervisor(const std::string& name, const std::vector<std::string>& known) {
  return known.empty() || std::find(known.begin(), known.end(), name) != known.end() ? name : known.front();
}

}  // namespace qarax::server
