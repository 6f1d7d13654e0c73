// Job records as REST shows them.
#pragma once

#include <string>

#include "api/job.hpp"
#include "http/request.hpp"

namespace qarax::server {

api::Job job_document(const Job& job);

}  // namespace qarax::server
