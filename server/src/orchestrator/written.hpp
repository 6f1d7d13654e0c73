// A VM's record as a request of the REST API.
#pragma once

#include "api/new_vm.hpp"
#include "records.hpp"

namespace qarax::server {

// The request that would create this VM.
api::NewVm written(const VmRecord& vm);

}  // namespace qarax::server
