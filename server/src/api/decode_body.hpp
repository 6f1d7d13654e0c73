// What a new object and a changed one have in common: the same document, decoded and checked under the name that the
// caller's request has. Of decode.cpp and patch.cpp alone.
#pragma once

#include <string_view>

#include "api/host.hpp"
#include "api/new_vm.hpp"

namespace qarax::api {

// `source`: the text that `value` was parsed from, empty where it wasn't.
Result<NewVm> decode_vm_body(std::string_view document, const json::Value& value, std::string_view source);
Result<NewHost> decode_host_body(std::string_view document, const json::Value& value);

}  // namespace qarax::api
