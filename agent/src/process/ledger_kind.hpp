// What can be claimed in a ledger, and what the agent does with each kind. The ledger keeps kinds as text, so it may
// also hold kinds of another version of the agent, which this table doesn't have.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::agent {

struct LedgerKind {
  std::string_view name;
  bool outlives_host;    // a loss of power leaves it where it is, so its record must survive that too
  bool found_by_search;  // what is left of this kind is found by searching the host, whatever the ledgers say
  // Whether a thing of that name is on the host. Null: nothing tells.
  bool (*is_there)(const std::string& name);
  // Removes the thing of that name; OK if it is gone already. Null: `name` alone doesn't tell how.
  Status (*remove)(const std::string& name);
};

std::span<const LedgerKind> ledger_kinds();
// nullptr: this agent doesn't know the kind.
const LedgerKind* ledger_kind(std::string_view name);
// The names of all kinds, for a message.
std::string known_kinds();

}  // namespace qarax::agent
