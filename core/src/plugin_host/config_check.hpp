// Checks a plugin's config against its config_schema, before its create runs.
#pragma once

#include <string_view>

#include "qarax/plugin/fields.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// `schema`: JSON Schema of an object of scalar properties. Known keywords: type, properties, required,
// additionalProperties (true or false), title, description, $schema and, of a property: type (string, integer, number,
// boolean, or an array of those and null), enum, minimum, maximum, minLength, maxLength, default, title, description,
// examples, format. Any other keyword is an error, since a rule that isn't checked would be silently broken.
// `config`: JSON; "null" counts as {}. INVALID_ARGUMENT with every problem and its pointer; FAILED_PRECONDITION if the
// schema itself is at fault.
Status check_plugin_config(std::string_view schema, std::string_view config);

// Returns `config` plus those members of `offers` that it lacks and that a property of the schema takes. If the schema
// or the config can't be read, returns `config` as it is; check_plugin_config reports that.
RawJson with_offers(std::string_view schema, const RawJson& config, const RawJson& offers);

}  // namespace qarax::core
