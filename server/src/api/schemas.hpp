// components/schemas of the OpenAPI document, made from the field tables.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace qarax::api {

struct NamedSchema {
  std::string name;
  json::Value schema;
};

// Every document of the API, in the order of the file. Of a document that only the server writes, all members that it
// always writes are `required`: clients raise when one is missing, and rely on it otherwise.
std::vector<NamedSchema> all_schemas();

// The root's x-problems: every problem's type, status, title and hint.
json::Value problem_list();

}  // namespace qarax::api
