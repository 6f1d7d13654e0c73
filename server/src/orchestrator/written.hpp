// A record in the words of who asked for it.
#pragma once

#include "api/new_vm.hpp"
#include "records.hpp"

namespace qarax::server {

// What a client could have written to get this VM.
api::NewVm written(const VmRecord& vm);

}  // namespace qarax::server
