#include "table.hpp"

#include <gtest/gtest.h>

namespace qarax::cli {
namespace {

TEST(Table, AlignsItsColumns) {
  Table table({"NAME", "STATUS", "MEMORY"});
  table.add({"web", "running", "128M"});
  table.add({"a-longer-name", "", "2G"});
  EXPECT_EQ(table.text(false),
            "NAME           STATUS   MEMORY\n"
            "web            running  128M\n"
            "a-longer-name  -        2G\n");
}

TEST(Table, CountsCodePointsNotBytes) {
  Table table({"NAME", "X"});
  table.add({"näh", "1"});
  table.add({"nahe", "2"});
  EXPECT_EQ(table.text(false), "NAME  X\nnäh   1\nnahe  2\n");
}

TEST(Table, ColourChangesNoColumnAndOnlyTheStatus) {
  Table table({"NAME", "STATUS", "HOST"});
  table.add({"running", "running", "n1"});
  const std::string text = table.text(true);
  EXPECT_EQ(text, "NAME     STATUS   HOST\nrunning  \033[32mrunning\033[0m  n1\n");
}

TEST(Table, NothingInACellReachesTheTerminalAsACommand) {
  Table table({"NAME"});
  table.add({"\033]0;owned\007\nnext\xC2\x9B"});
  EXPECT_EQ(table.text(false), "NAME\n ]0;owned  next \n");
}

TEST(Printable, MarksWhatIsNotUtf8) { EXPECT_EQ(printable("a\xFFz"), "a\xEF\xBF\xBDz"); }

TEST(FieldList, AlignsAndLeavesOutWhatIsEmpty) {
  EXPECT_EQ(field_list({{"name", "web"}, {"a much longer name", ""}, {"status", "running"}}),
            "name:   web\nstatus: running\n");
}

}  // namespace
}  // namespace qarax::cli
