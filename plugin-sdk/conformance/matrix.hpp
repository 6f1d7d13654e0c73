// The capability matrix: a Markdown page whose rows come from reports.
#pragma once

#include <string>
#include <vector>

#include "report.hpp"

namespace qarax::conformance {

// `page` with the rows of `reports` in it; rows that no report is about stay (what was made in the lab).
std::string with_reports(const std::string& page, const std::vector<Report>& reports);
// Why `page` doesn't say what `reports` say: a sentence each. A VMM version that the page doesn't have is only noted in
// `notes`, as long as it has another of the same plugin: each distribution has its own.
std::vector<std::string> stale(const std::string& page, const std::vector<Report>& reports,
                               std::vector<std::string>& notes);

}  // namespace qarax::conformance
