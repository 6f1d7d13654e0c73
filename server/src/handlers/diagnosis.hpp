// GET /vms/{id}/diagnosis.
#pragma once

#include "api/diagnosis.hpp"
#include "handlers/operations.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

// From what the store knows and the node still tells; what can't be had is a note, never an error.
api::Diagnosis diagnose(const VmPtr& vm, Store& store, Operations& operations, const VmRenderer& renderer,
                        const std::string& request_id);

}  // namespace qarax::server
