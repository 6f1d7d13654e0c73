#include "qarax/core/cut.hpp"

#include <string_view>
#include <utility>

#include "qarax/core/clock.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::core {

namespace {

constexpr std::string_view kLeftOut = "…";

bool begins_a_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

void cut_it(std::string& text) { text = cut_text(std::move(text)); }

void cut_words(std::vector<std::string>& words) {
  if (words.size() > kMostWords) words.resize(kMostWords);
  for (std::string& word : words) word = cut_text(std::move(word), kLongestWord);
}

}  // namespace

std::string cut_text(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most - kLeftOut.size();
  while (end > 0 && !begins_a_character(text[end])) --end;
  text.resize(end);
  return text.append(kLeftOut);
}

std::string cut_log(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t begin = text.size() - (most - kLeftOut.size());
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

void cut_to_fit(Error& error, std::size_t most) {
  constexpr std::size_t kShort = 64;
  const auto is_too_long = [&] { return encode(error).size() > most; };
  const auto halve = [&](std::string& text, auto how) {
    while (text.size() > kShort && is_too_long()) {
      const std::size_t half = text.size() / 2;
      text = how(std::move(text), half);
    }
  };
  // A message that takes all the room would cost everything else, and its beginning says most.
  if (is_too_long()) error.message = cut_text(std::move(error.message), most / 4);
  halve(error.log_tail, cut_log);
  if (is_too_long()) error.causes.clear();  // the message has their words, too
  while (!error.details.empty() && is_too_long()) error.details.pop_back();
  halve(error.hint, cut_text);
  halve(error.message, cut_text);
  halve(error.step, cut_text);
  halve(error.reason, cut_text);
}

void cut(VmStatus& status) {
  cut_it(status.status_reason);
  cut_it(status.accelerator);
  cut_it(status.accelerator_evidence);
  cut_words(status.can);
  if (!status.exit) return;
  status.exit->log_tail = cut_log(std::move(status.exit->log_tail));
  // Clients read it as a time, and fail on anything else.
  if (status.exit->at && !is_rfc3339(*status.exit->at)) status.exit->at.reset();
}

void cut(Description& description) {
  cut_it(description.health_reason);
  cut_it(description.vmm_path);
  cut_it(description.vmm_version);
  cut_it(description.accelerator);
  cut_it(description.accelerator_evidence);
  cut_words(description.features);
  cut_words(description.boot_modes);
}

}  // namespace qarax::core
