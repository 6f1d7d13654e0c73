// Text for people: aligned columns and "name: value" lists. Text from a server or a guest is first made harmless for a
// terminal.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qarax::cli {

// `text` on one line that can't command a terminal: control characters become spaces, invalid UTF-8 U+FFFD.
std::string printable(std::string_view text);

// The state in its colour (green: up, running; yellow: paused, unknown; red: down), unchanged if `colour` is false.
std::string coloured_state(const std::string& state, bool colour);

class Table {
 public:
  explicit Table(std::vector<std::string> headers);
  // As many cells as there are headers; an empty one shows as "-".
  void add(std::vector<std::string> cells);
  // Header line and rows, columns two spaces apart, no trailing spaces. `colour` paints the column STATUS.
  std::string text(bool colour) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first row is the headers
};

// One line per pair, with the values aligned; pairs with an empty value are left out.
std::string field_list(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace qarax::cli
