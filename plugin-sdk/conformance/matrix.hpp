// The capability matrix: a Markdown page whose rows come from reports.
#pragma once

#include <string>
#include <vector>

#include "report.hpp"

namespace qarax::conformance {

// `page` with the rows of `reports`; rows without a report stay (those from the lab).
std::string with_reports(const std::string& page, const std::vector<Report>& reports);
// Where `page` differs from `reports`, one sentence each. A VMM version missing on the page only goes to `notes` if the
// page has another version for the same plugin, because each distribution has its own.
std::vector<std::string> stale(const std::string& page, const std::vector<Report>& reports,
                               std::vector<std::string>& notes);

}  // namespace qarax::conformance
