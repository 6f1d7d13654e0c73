// The schema's history. SQLite and PostgreSQL share one text, in which INTEGER becomes BIGINT on PostgreSQL, because
// SQLite's has 64 bits. Each migration is one transaction; expand first, contract later. Never change one that was
// released.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace qarax::server {

struct Migration {
  std::int64_t number;
  std::int64_t min_reader;  // the oldest schema version whose server may still use the database afterwards
  std::string_view sql;     // statements separated by ";\n"
};

std::span<const Migration> migrations();

}  // namespace qarax::server
