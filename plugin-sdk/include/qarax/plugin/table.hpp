// Reading a sized table from the other side of the border: a slot exists if `size` covers it and it isn't null.
#pragma once

#include <cstddef>

namespace qarax::plugin {

// The slot's value, or null when the other side is older than the slot. Reads nothing beyond table->size.
template <class Table, class Slot>
Slot slot_of(const Table* table, Slot Table::*member) {
  if (table == nullptr) return nullptr;
  const auto* begin = reinterpret_cast<const char*>(table);
  const auto* end = reinterpret_cast<const char*>(&(table->*member)) + sizeof(Slot);
  return static_cast<std::size_t>(end - begin) <= table->size ? table->*member : nullptr;
}

}  // namespace qarax::plugin
