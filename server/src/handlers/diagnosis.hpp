// GET /vms/{id}/diagnosis.
#pragma once

#include "api/diagnosis.hpp"
#include "handlers/operations.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

// Collects what the store knows and what the node can still tell. Missing information becomes a note, never an error.
api::Diagnosis diagnose(const VmPtr& vm, Store& store, Operations& operations, const VmRenderer& renderer,
                        const std::string& request_id);

}  // namespace qarax::server
