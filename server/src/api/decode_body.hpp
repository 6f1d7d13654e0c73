// Decoding and checks shared by new and patched objects. `document` is the name of the request's document, used in
// error messages. Only for decode.cpp and patch.cpp.
#pragma once

#include <string_view>

#include "api/host.hpp"
#include "api/new_vm.hpp"

namespace qarax::api {

// `source`: the text that `value` was parsed from, empty if it wasn't parsed. `kept_config`: the config of the VM that
// is patched, whose depth isn't judged again; an older server accepted more. Empty: the VM is new.
Result<NewVm> decode_vm_body(std::string_view document, const json::Value& value, std::string_view source,
                             std::string_view kept_config = {});
Result<NewHost> decode_host_body(std::string_view document, const json::Value& value);

}  // namespace qarax::api
