// components/schemas of the OpenAPI document, generated from the field tables.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace qarax::api {

struct NamedSchema {
  std::string name;
  json::Value schema;
};

// Every document of the API, in the order of the file. In documents that only the server writes, every member that is
// always written is `required`: generated clients then rely on it and raise an error if it is missing.
std::vector<NamedSchema> all_schemas();

// The root's x-problems: every problem's type, status, title and hint.
json::Value problem_list();

}  // namespace qarax::api
