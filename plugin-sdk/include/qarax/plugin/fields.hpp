// Each document type has one field table. From it come strict decoding with JSON-pointer errors, encoding that appends
// to a string, and JSON Schema. A type is an aggregate struct whose member initialisers are the defaults:
//
//   struct Disk { std::string id; std::int64_t size = 0; };
//   template <> struct qarax::Fields<Disk> {
//     static constexpr std::string_view kName = "Disk";
//     static constexpr auto kTable = field_table(
//         field<&Disk::id>("id").required().doc("..."),
//         field<&Disk::size>("size").min(1).doc("Bytes."));
//   };
//   QARAX_FIELDS_COMPLETE(Disk);
//
// Member types: bool, int32_t, int64_t, double, std::string, RawJson, enums with an EnumNames table, document structs,
// std::vector and std::optional of those, std::map<std::string, std::string>. `null` decodes only into an optional or
// RawJson.
#pragma once

#include "qarax/plugin/fields/decode.hpp"
#include "qarax/plugin/fields/encode.hpp"
#include "qarax/plugin/fields/table.hpp"
