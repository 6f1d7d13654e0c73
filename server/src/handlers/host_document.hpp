// A host record as REST shows it.
#pragma once

#include "api/host.hpp"
#include "store/records.hpp"

namespace qarax::server {

api::Host host_document(const HostRecord& host);

}  // namespace qarax::server
