#include "handlers/vm_renderer.hpp"

#include <mutex>
#include <utility>

#include "handlers/document_parts.hpp"
#include "qarax/core/ids.hpp"
#include "scheduler.hpp"

namespace qarax::server {

namespace {

constexpr std::size_t kSpareEntries = 256;  // entries of deleted VMs allowed before the cache is swept

std::optional<std::string> drift_of(const VmRecord& vm) {
  if (!drifts(vm)) return std::nullopt;
  std::string text = "asked for: " + std::string(to_string(vm.desired.state)) +
                     ", seen: " + std::string(to_string(vm.observed.status.state));
  const Restart& restart = vm.restart;
  if (wants_restart(vm))
    text += "; it is about to be started again";
  else if (restart.policy != RestartPolicy::never && restart.limit > 0 && restart.count >= restart.limit)
    text += "; " + std::to_string(restart.count) + " restarts in a row are its limit";
  return text;
}

EntityTag tag_of(const VmRecord& vm, api::Vm shown) {
  EntityTag out;
  shown.observed_at.reset();
  out.seen = core::fingerprint(encode(shown, Defaults::write));
  // Reset what its node reports and what follows from that.
  shown.status = VmState::unknown;
  shown.status_reason.reset();
  shown.exit.reset();
  shown.accelerator.reset();
  shown.accelerator_evidence.reset();
  shown.observed_source = Source::server;
  shown.unknown_since.reset();
  shown.drift.reset();
  // The default hypervisor wasn't asked for; it depends on which host is up.
  if (vm.hypervisor.empty()) {
    shown.hypervisor.clear();
    shown.effective_hypervisor.reset();
    shown.fallback_reason.reset();
  }
  out.asked = core::fingerprint(encode(shown, Defaults::write) + std::to_string(vm.revision));
  const bool unheard = vm.observed.status.state == VmState::unknown && vm.observed.source == Source::server;
  out.is_known = !unheard && !vm.hypervisor.empty();
  return out;
}

}  // namespace

VmRenderer::VmRenderer(const StoreReads& store, std::vector<std::string> known_hypervisors)
    : store_(store), known_(std::move(known_hypervisors)) {}

std::string VmRenderer::default_hypervisor() const { return assumed_hypervisor(store_.hosts()); }

api::Vm VmRenderer::document(const VmRecord& vm, const std::string& default_hypervisor) const {
  api::Vm out;
  out.id = vm.id;
  out.name = vm.name;
  out.status = vm.observed.status.state;
  out.hypervisor = vm.hypervisor.empty() ? default_hypervisor : vm.hypervisor;
  out.spec = vm.spec;
  out.host_id = vm.host_id;
  out.boot_source_id = vm.boot_source_id;
  out.description = vm.description;
  out.tags = vm.tags;
  out.desired_status = vm.desired.state;
  out.desired_origin = vm.desired.origin;
  out.drift = drift_of(vm);
  out.activity = unless_empty(vm.activity);
  out.status_reason = unless_empty(vm.observed.status.status_reason);
  out.exit = vm.observed.status.exit;
  out.accelerator = unless_empty(vm.observed.status.accelerator);
  out.accelerator_evidence = unless_empty(vm.observed.status.accelerator_evidence);
  out.incarnation = vm.incarnation;
  out.observed_at = unless_empty(vm.observed.observed_at);
  out.observed_source = vm.observed.source;
  out.unknown_since = unless_empty(vm.observed.unknown_since);
  out.restart_policy = vm.restart.policy;
  out.restart_limit = static_cast<std::int32_t>(vm.restart.limit);
  out.restart_count = static_cast<std::int32_t>(vm.restart.count);
  out.created_at = vm.created_at;
  out.updated_at = vm.updated_at;
  if (!vm.observed.fallback_reason.empty()) {
    out.effective_hypervisor = vm.observed.hypervisor;
    out.fallback_reason = vm.observed.fallback_reason;
  }
  if (std::string shown = shown_hypervisor(out.hypervisor, known_); shown != out.hypervisor) {
    const std::string asked = std::exchange(out.hypervisor, std::move(shown));
    // effective_hypervisor still names what really runs the VM.
    if (!out.effective_hypervisor) out.effective_hypervisor = asked;
    out.fallback_reason = (out.fallback_reason ? *out.fallback_reason + "; " : "") +
                          "the server's compat.hypervisor_names leaves " + asked +
                          " out, for clients that know a fixed list of names";
  }
  return out;
}

VmRenderer::RenderedPtr VmRenderer::rendered(const VmPtr& vm, const std::string& default_hypervisor) {
  const bool assumed = vm->hypervisor.empty();
  {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(vm->id);
    if (found != entries_.end() && found->second.version == vm->version &&
        (!assumed || found->second.assumed_hypervisor == default_hypervisor))
      return found->second.rendered;
  }
  api::Vm shown = document(*vm, default_hypervisor);
  std::string text = encode(shown, Defaults::write);
  auto made = std::make_shared<const Rendered>(Rendered{std::move(text), tag_of(*vm, std::move(shown))});
  const std::unique_lock lock(mutex_);
  Entry& entry = entries_[vm->id];
  // A slower thread with an older record must not overwrite a newer entry.
  if (entry.rendered == nullptr || entry.version <= vm->version)
    entry = {vm->version, assumed ? default_hypervisor : std::string(), made};
  return made;
}

std::string VmRenderer::one(const VmPtr& vm) {
  return rendered(vm, vm->hypervisor.empty() ? default_hypervisor() : std::string())->text;
}

EntityTag VmRenderer::tag(const VmPtr& vm) {
  return rendered(vm, vm->hypervisor.empty() ? default_hypervisor() : std::string())->tag;
}

std::string VmRenderer::list(const std::vector<VmPtr>& vms, std::size_t all) {
  const std::string fallback = default_hypervisor();
  std::vector<RenderedPtr> parts;
  parts.reserve(vms.size());
  std::size_t size = 2;
  for (const VmPtr& vm : vms) {
    parts.push_back(rendered(vm, fallback));
    size += parts.back()->text.size() + 1;
  }
  std::string out;
  out.reserve(size);
  out.push_back('[');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out.push_back(',');
    out.append(parts[i]->text);
  }
  out.push_back(']');
  prune(all);
  return out;
}

void VmRenderer::prune(std::size_t all) {
  {
    const std::shared_lock lock(mutex_);
    if (entries_.size() <= all + kSpareEntries) return;
  }
  const std::unique_lock lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return store_.vm(entry.first) == nullptr; });
}

}  // namespace qarax::server
