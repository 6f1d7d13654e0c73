// GET /vms: filters and pages.
#pragma once

#include "handlers/answer.hpp"
#include "handlers/vm_renderer.hpp"
#include "store/reads.hpp"

namespace qarax::server {

// Takes ?name= &status= &host_id= &tags= (a VM must have all of them) &limit= &cursor=. Up to a thousand rows, in the
// order of creation.
Answer list_vms(const http::Request& request, const StoreReads& store, VmRenderer& renderer);

}  // namespace qarax::server
