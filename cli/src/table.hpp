// Text for people: aligned columns, aligned "name: value" lists. What comes from a server or a guest is made harmless
// for a terminal first.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qarax::cli {

// `text` on one line that can't command a terminal: control characters become spaces, invalid UTF-8 U+FFFD.
std::string printable(std::string_view text);

// A state with its colour (green up or running, yellow paused or unknown, red down); as it is where `colour` is false.
std::string coloured_state(const std::string& state, bool colour);

class Table {
 public:
  explicit Table(std::vector<std::string> headers);
  // As many cells as there are headers; an empty one shows as "-".
  void add(std::vector<std::string> cells);
  // Header line and rows, columns two spaces apart, no trailing spaces. `colour` paints the column STATUS.
  std::string text(bool colour) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first is the headers
};

// One line a pair, the values below each other; pairs with an empty value are left out.
std::string field_list(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace qarax::cli
