#include "qarax/core/cut.hpp"

#include <string_view>
#include <utility>

namespace qarax::core {

namespace {

constexpr std::string_view kLeftOut = "…";

bool begins_a_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

void cut_it(std::string& text) { text = cut_text(std::move(text)); }

}  // namespace

std::string cut_text(std::string text) {
  if (text.size() <= kLongestText) return text;
  std::size_t end = kLongestText - kLeftOut.size();
  while (end > 0 && !begins_a_character(text[end])) --end;
  text.resize(end);
  return text.append(kLeftOut);
}

std::string cut_log(std::string text) {
  if (text.size() <= kLongestText) return text;
  std::size_t begin = text.size() - (kLongestText - kLeftOut.size());
  while (begin < text.size() && !begins_a_character(text[begin])) ++begin;
  return std::string(kLeftOut).append(text, begin);
}

void cut(Error& error) {
  cut_it(error.message);
  cut_it(error.reason);
  cut_it(error.hint);
  cut_it(error.step);
  error.log_tail = cut_log(std::move(error.log_tail));
  if (error.details.size() > kMostDetails) error.details.resize(kMostDetails);
  for (ErrorDetail& detail : error.details) {
    cut_it(detail.pointer);
    cut_it(detail.detail);
  }
  if (error.causes.size() > kMostDetails) error.causes.resize(kMostDetails);
  for (std::string& cause : error.causes) cut_it(cause);
}

void cut(VmStatus& status) {
  cut_it(status.status_reason);
  cut_it(status.accelerator);
  cut_it(status.accelerator_evidence);
  if (status.exit) status.exit->log_tail = cut_log(std::move(status.exit->log_tail));
}

void cut(Description& description) {
  cut_it(description.health_reason);
  cut_it(description.vmm_path);
  cut_it(description.vmm_version);
  cut_it(description.accelerator);
  cut_it(description.accelerator_evidence);
}

}  // namespace qarax::core
