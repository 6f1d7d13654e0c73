// --hash-token: what listen.token_sha256 takes for a token.
#pragma once

#include <istream>
#include <string>

#include "qarax/result.hpp"

namespace qarax::server {

// Of the token in the first line of `in`. INVALID_ARGUMENT if there is none, or one short enough to be guessed.
Result<std::string> token_hash(std::istream& in);

}  // namespace qarax::server
