// What is stored for a request that came with an Idempotency-Key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

struct KeptHeader {
  std::string name{};
  std::string value{};
};

struct KeptAnswer {
  std::int32_t status = 0;
  std::string content_type{};
  std::vector<KeptHeader> headers{};
  std::string body{};
};

struct KeptKey {
  std::string key;
  std::string fingerprint;           // of the request
  std::string job_id;                // of the request's change; empty: no change yet, or one without a job
  std::optional<KeptAnswer> answer;  // nullopt: no final answer yet
};

}  // namespace qarax::server

namespace qarax {
template <>
struct Fields<server::KeptHeader> {
  using T = server::KeptHeader;
  static constexpr std::string_view kName = "KeptHeader";
  static constexpr auto kTable = field_table(field<&T::name>("name").required(), field<&T::value>("value").required());
};
QARAX_FIELDS_COMPLETE(server::KeptHeader);
template <>
struct Fields<server::KeptAnswer> {
  using T = server::KeptAnswer;
  static constexpr std::string_view kName = "KeptAnswer";
  static constexpr auto kTable =
      field_table(field<&T::status>("status").required(), field<&T::content_type>("content_type"),
                  field<&T::headers>("headers"), field<&T::body>("body"));
};
QARAX_FIELDS_COMPLETE(server::KeptAnswer);
}  // namespace qarax
