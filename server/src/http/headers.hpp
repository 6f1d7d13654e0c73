// Header fields in the order received, in one flat buffer: few allocations per request, none when reused.
// A value type; returned views are valid until the next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qarax::http {

class Headers {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  void add(std::string_view name, std::string_view value);
  // Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  // Keeps the memory for the next request.
  void clear() noexcept;

  // The value of the first field of that name; names compare case-insensitively.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
  // The values of all fields of that name as one list (RFC 9110 5.3): for fields that are lists.
  std::optional<std::string> joined(std::string_view name) const;
  std::size_t count(std::string_view name) const noexcept;

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  Field operator[](std::size_t index) const noexcept;

 private:
  struct Entry {
    std::uint32_t at;
    std::uint32_t name_size;
    std::uint32_t value_size;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

}  // namespace qarax::http
