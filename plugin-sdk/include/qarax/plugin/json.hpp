// JSON for the documents that cross the plugin boundary: a strict reader and a writer that appends to a string.
// Standard library only (core/decisions/0003 says why the SDK has its own).
#pragma once

#include "qarax/plugin/json/parse.hpp"
#include "qarax/plugin/json/text.hpp"
#include "qarax/plugin/json/value.hpp"
#include "qarax/plugin/json/write.hpp"
