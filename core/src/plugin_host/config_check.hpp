// A plugin's config against its config_schema, before any of its code runs.
#pragma once

#include <string_view>

#include "qarax/plugin/fields.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// `schema`: JSON Schema of an object of scalar properties. Known keywords: type, properties, required,
// additionalProperties (true or false), title, description, $schema and, of a property: type (string, integer, number,
// boolean, or an array of those and null), enum, minimum, maximum, minLength, maxLength, default, title, description,
// examples, format. Any other one is an error: a rule that isn't checked would be a promise broken in silence.
// `config`: JSON; "null" counts as {}. INVALID_ARGUMENT with every problem and its pointer; FAILED_PRECONDITION when
// the schema itself is at fault.
Status check_plugin_config(std::string_view schema, std::string_view config);

// `config` with those members of `offers` that it lacks and that the schema's properties have. A schema or config that
// can't be read is left to check_plugin_config.
RawJson with_offers(std::string_view schema, const RawJson& config, const RawJson& offers);

}  // namespace qarax::core
