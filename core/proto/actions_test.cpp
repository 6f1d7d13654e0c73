#include "qarax/node/v1/actions.hpp"

#include <gtest/gtest.h>

namespace qarax::node::v1 {
namespace {

TEST(Actions, EachGoesThereAndComesBack) {
  for (const core::Action action : core::kActions)
    EXPECT_EQ(from_proto(to_proto(action)), action) << core::to_string(action);
}

TEST(Actions, TheProtocolHasNoOthers) {
  const auto* codes = Action_descriptor();
  for (int i = 0; i < codes->value_count(); ++i) {
    const auto code = static_cast<Action>(codes->value(i)->number());
    EXPECT_EQ(from_proto(code).has_value(), code != ACTION_UNSPECIFIED) << codes->value(i)->name();
  }
  EXPECT_EQ(from_proto(static_cast<Action>(1000)), std::nullopt);
}

}  // namespace
}  // namespace qarax::node::v1
