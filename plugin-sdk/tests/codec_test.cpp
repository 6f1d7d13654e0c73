// Documents: what decoding accepts, what it refuses and at which pointer, and what encoding leaves out.
#include <gtest/gtest.h>

#include "qarax/plugin/call_args.hpp"

namespace qarax {

enum class Colour { unknown, red, blue };
template <>
struct EnumNames<Colour> {
  static constexpr std::string_view kNames[] = {"unknown", "red", "blue"};
  static constexpr Colour kUnknown = Colour::unknown;
};
struct Wheel {
  std::int32_t size = 1;
};
template <>
struct Fields<Wheel> {
  static constexpr std::string_view kName = "Wheel";
  static constexpr auto kTable = field_table(field<&Wheel::size>("size").min(1).max(9));
};
QARAX_FIELDS_COMPLETE(Wheel);
struct Car {
  std::string name{};
  std::int32_t seats = 4;
  std::int64_t weight = 0;
  bool electric = false;
  double length = 0;
  Colour colour = Colour::unknown;
  std::vector<Wheel> wheels{};
  std::optional<std::int32_t> owner{};
  std::optional<std::int32_t> plate{};
  std::map<std::string, std::string> labels{};
  RawJson extra{};
};
template <>
struct Fields<Car> {
  static constexpr std::string_view kName = "Car";
  static constexpr auto kTable =
      field_table(field<&Car::name>("name").required().min(1).max(8), field<&Car::seats>("seats").min(1).max(100),
                  field<&Car::weight>("weight"), field<&Car::electric>("electric"), field<&Car::length>("length"),
                  field<&Car::colour>("colour"), field<&Car::wheels>("wheels"), field<&Car::owner>("owner").nullable(),
                  field<&Car::plate>("plate"), field<&Car::labels>("labels"), field<&Car::extra>("extra"));
};
QARAX_FIELDS_COMPLETE(Car);
static_assert(detail::has_members<Car, 11>());
static_assert(!detail::has_members<Car, 10>(), "one that has no row is noticed");
static_assert(!detail::has_members<Car, 12>());

namespace {

struct Bad {
  const char* text;
  const char* pointer;
  const char* detail;
};

TEST(Codec, CountsCharactersAndNotBytes) {
  EXPECT_TRUE(decode<Car>(R"({"name":"éééééééé"})"));
  EXPECT_FALSE(decode<Car>(R"({"name":"ééééééééé"})"));
}

TEST(Codec, Refuses) {
  const Bad cases[] = {
      {R"({})", "/name", "is required"},
      {R"({"name":null})", "/name", "expected a string, got null"},
      {R"({"name":""})", "/name", "must not be empty"},
      {R"({"name":"123456789"})", "/name", "longer than 8 characters"},
      {R"({"name":1})", "/name", "expected a string, got integer"},
      {R"({"name":"x","seats":4294967298})", "/seats", "4294967298 doesn't fit into 32 bits"},
      {R"({"name":"x","seats":-4294967294})", "/seats", "-4294967294 doesn't fit into 32 bits"},
      {R"({"name":"x","seats":2.9})", "/seats", "expected an integer, got a number that isn't a whole one in range"},
      {R"({"name":"x","seats":2.0})", "/seats", "expected an integer, got a number that isn't a whole one in range"},
      {R"({"name":"x","seats":1e1})", "/seats", "expected an integer, got a number that isn't a whole one in range"},
      {R"({"name":"x","seats":true})", "/seats", "expected an integer, got boolean"},
      {R"({"name":"x","seats":"4"})", "/seats", "expected an integer, got string"},
      {R"({"name":"x","seats":null})", "/seats", "expected an integer, got null"},
      {R"({"name":"x","seats":0})", "/seats", "0 is below the minimum of 1"},
      {R"({"name":"x","seats":101})", "/seats", "101 is above the maximum of 100"},
      {R"({"name":"x","weight":9223372036854775808})", "/weight",
       "expected an integer, got a number that isn't a whole one in range"},
      {R"({"name":"x","electric":1})", "/electric", "expected a boolean, got integer"},
      {R"({"name":"x","electric":"true"})", "/electric", "expected a boolean, got string"},
      {R"({"name":"x","length":"1"})", "/length", "expected a number, got string"},
      {R"({"name":"x","colour":"green"})", "/colour", "\"green\" is not one of unknown, red, blue"},
      {R"({"name":"x","colour":1})", "/colour", "expected a string, got integer"},
      {R"({"name":"x","wheels":{}})", "/wheels", "expected an array, got object"},
      {R"({"name":"x","wheels":[{"size":1},{"size":10}]})", "/wheels/1/size", "10 is above the maximum of 9"},
      {R"({"name":"x","wheels":[{"sise":1}]})", "/wheels/0/sise", "unknown member"},
      {R"({"name":"x","wheels":[null]})", "/wheels/0", "expected an object, got null"},
      {R"({"name":"x","owner":"me"})", "/owner", "expected an integer, got string"},
      {R"({"name":"x","labels":{"a/b":1}})", "/labels/a~1b", "expected a string, got integer"},
      {R"({"name":"x","color":"red"})", "/color", "unknown member"},
      {R"([])", "", "expected an object, got array"},
      {R"(null)", "", "expected an object, got null"},
  };
  for (const auto& each : cases) {
    const auto car = decode<Car>(each.text);
    ASSERT_FALSE(car) << each.text;
    EXPECT_EQ(car.error().reason, "validation");
    EXPECT_EQ(car.error().details.at(0).pointer, each.pointer) << each.text;
    EXPECT_EQ(car.error().details.at(0).detail, each.detail) << each.text;
    EXPECT_EQ(car.error().message,
              std::string("Car ") + (*each.pointer == 0 ? "document" : each.pointer) + ": " + each.detail);
  }
}

TEST(Codec, AllProblemsAtOnce) {
  const auto car = decode<Car>(R"({"seats":0,"electric":3,"x":1})");
  ASSERT_FALSE(car);
  EXPECT_EQ(car.error().details.size(), 4u);
  EXPECT_EQ(car.error().message, "Car /name: is required (and 3 more)");
}

TEST(Codec, NoMoreProblemsThanAnybodyReads) {
  std::string wheels;
  for (int i = 0; i < 100'000; ++i) wheels += i == 0 ? "1" : ",1";
  const auto car = decode<Car>(R"({"name":"x","wheels":[)" + wheels + "]}");
  ASSERT_FALSE(car);
  ASSERT_EQ(car.error().details.size(), 65u);
  EXPECT_EQ(car.error().details.at(63).pointer, "/wheels/63");
  EXPECT_EQ(car.error().details.back().detail, "and more");
  EXPECT_EQ(car.error().message, "Car /wheels/0: expected an object, got integer (and at least 64 more)");
}

TEST(Codec, NotJson) {
  const auto car = decode<Car>("{\"name\":\"x\"");
  ASSERT_FALSE(car);
  EXPECT_EQ(car.error().reason, "bad-json");
  EXPECT_EQ(car.error().message, "Car: not a valid JSON document: expected ',' or '}' at byte 11");
}

TEST(Codec, LenientTowardsNewerPlugins) {
  const auto car = decode<Car>(R"({"name":"x","colour":"ultraviolet","wings":2,"wheels":[{"size":2,"spikes":true}]})",
                               Unknown::ignore);
  ASSERT_TRUE(car) << car.error().message;
  EXPECT_EQ(car->colour, Colour::unknown);
  EXPECT_EQ(car->wheels.at(0).size, 2);
  EXPECT_FALSE(decode<Car>(R"({"name":"x","seats":"4"})", Unknown::ignore)) << "a wrong type stays wrong";
}

TEST(Codec, Nulls) {
  const auto car = decode<Car>(R"({"name":"x","owner":null,"extra":null})");
  ASSERT_TRUE(car);
  EXPECT_FALSE(car->owner);
  EXPECT_EQ(car->extra.text, "null");
}

TEST(Codec, ANullOfAPluginIsAnAbsentMember) {
  const auto car = decode<Car>(
      R"({"name":"x","seats":null,"weight":null,"electric":null,"length":null,"colour":null,"wheels":[{"size":null}],)"
      R"("owner":null,"plate":null,"labels":null,"extra":null})",
      Unknown::ignore);
  ASSERT_TRUE(car) << car.error().message;
  EXPECT_EQ(encode(*car), R"({"name":"x","wheels":[{}]})");
  EXPECT_FALSE(decode<Car>(R"({"name":null})", Unknown::ignore)) << "a member that is required";
  EXPECT_FALSE(decode<Car>(R"({"name":"x","wheels":[null]})", Unknown::ignore)) << "an element isn't a member";
}

TEST(Codec, DefaultsAreOmittedOrWritten) {
  Car car;
  car.name = "x";
  EXPECT_EQ(encode(car), R"({"name":"x"})");
  EXPECT_EQ(encode(car, Defaults::write),
            R"({"name":"x","seats":4,"weight":0,"electric":false,"length":0.0,"colour":"unknown","wheels":[],)"
            R"("owner":null,"labels":{},"extra":null})");
  car.plate = 0;
  EXPECT_EQ(encode(car), R"({"name":"x","plate":0})") << "an optional that is set is never a default";
}

TEST(Codec, RoundTrip) {
  const std::string text =
      R"({"name":"x","seats":100,"weight":-9223372036854775808,"electric":true,"length":2.5,"colour":"blue",)"
      R"("wheels":[{"size":2},{"size":9}],"owner":7,"labels":{"a":"b\n"},"extra":{"big":18446744073709551615,"e":"\u00e9"}})";
  const auto car = decode<Car>(text);
  ASSERT_TRUE(car) << car.error().message;
  EXPECT_EQ(encode(*car), text) << "RawJson keeps its own spelling";
}

TEST(Codec, FlatMembersStandInTheParent) {
  const auto stop = decode<StopArgs>(R"({"vm":"a","incarnation":2,"mode":"force","handle":{"v":1.50}})");
  ASSERT_TRUE(stop) << stop.error().message;
  EXPECT_EQ(stop->vm.vm, "a");
  EXPECT_EQ(stop->vm.handle.text, R"({"v":1.50})");
  EXPECT_EQ(encode(*stop), R"({"vm":"a","incarnation":2,"handle":{"v":1.50},"mode":"force"})");
  EXPECT_EQ(decode<StopArgs>(R"({"vm":"a","incarnation":2,"mode":"kindly"})").error().details.at(0).pointer, "/mode");
}

TEST(Codec, ErrorDocument) {
  const auto error = decode_error(
      R"({"code":"from the future","message":"m","details":[{"pointer":"/a","detail":"d"}],"retryable":true,"new":1})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Code::unknown);
  EXPECT_EQ(error->message, "m");
  EXPECT_EQ(error->details.at(0).pointer, "/a");
  EXPECT_TRUE(error->retryable);
  EXPECT_FALSE(decode_error("nonsense"));
  EXPECT_FALSE(decode_error(R"({"message":7})"));
}

}  // namespace
}  // namespace qarax
