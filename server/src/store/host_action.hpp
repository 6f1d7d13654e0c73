// Actions of jobs at a host's node other than those of its VMs.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>

namespace qarax::server {

// Each is idempotent, so that a server can go on with the ones that its predecessor left unfinished.
enum class HostAction { adopt_host, adopt_vm, remove_unmanaged, collect_leftovers, init_host };

inline constexpr HostAction kHostActions[] = {HostAction::adopt_host, HostAction::adopt_vm,
                                              HostAction::remove_unmanaged, HostAction::collect_leftovers,
                                              HostAction::init_host};

struct HostActionTraits {
  std::string_view name;  // at REST, in job rows and logs
  HostAction action;
  // Carried out even while changes are refused because the database was set back. Otherwise the host couldn't be
  // connected to, and so not be adopted. Jobs that end processes there must wait: a VM that this server doesn't know
  // may be one that the database has lost.
  bool while_read_only = false;
};

inline constexpr HostActionTraits kHostActionTraits[] = {
    {.name = "adopt-host", .action = HostAction::adopt_host},
    {.name = "adopt-vm", .action = HostAction::adopt_vm},
    {.name = "remove-unmanaged", .action = HostAction::remove_unmanaged},
    {.name = "collect-leftovers", .action = HostAction::collect_leftovers},
    {.name = "init-host", .action = HostAction::init_host, .while_read_only = true},
};

// For static_assert: true if the table has a row for each action, in the order of kHostActions.
template <class Row, std::size_t N>
constexpr bool has_a_row_for_each_host_action(const Row (&table)[N]) {
  if (N != std::size(kHostActions)) return false;
  for (std::size_t i = 0; i < N; ++i)
    if (table[i].action != kHostActions[i] || static_cast<std::size_t>(kHostActions[i]) != i) return false;
  return true;
}
static_assert(has_a_row_for_each_host_action(kHostActionTraits));

constexpr const HostActionTraits& traits_of(HostAction action) {
  return kHostActionTraits[static_cast<std::size_t>(action)];
}

constexpr std::string_view to_string(HostAction action) { return traits_of(action).name; }
constexpr bool is_made_while_read_only(HostAction action) { return traits_of(action).while_read_only; }

// nullopt: that is no action at a host.
constexpr std::optional<HostAction> host_action_named(std::string_view name) {
  for (const HostActionTraits& one : kHostActionTraits)
    if (one.name == name) return one.action;
  return std::nullopt;
}

}  // namespace qarax::server
