#include "database_url.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

std::string refusal(std::string_view url) {
  const auto parsed = parse_database_url(url);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(DatabaseUrl, EveryPartIsReadAndDecoded) {
  const auto url = parse_database_url("postgresql://us%65r:p%40%2F%3a'\\w=%25@[::1]:5433/d%C3%A4?sslmode=require");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@/:'\\w=%");
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, "5433");
  EXPECT_EQ(url->database, "d\xc3\xa4");
  EXPECT_EQ(url->shown(), "postgres://user@[::1]:5433/d\xc3\xa4");
  EXPECT_TRUE(url->conninfo().starts_with("host='::1' port='5433' user='user' password='p@/:\\'\\\\w=%' dbname='d"));
  EXPECT_NE(url->conninfo().find(" sslmode='require' connect_timeout='5'"), std::string::npos);
}

TEST(DatabaseUrl, PortAndPasswordMayBeMissing) {
  const auto url = parse_database_url("postgres://u@%2Frun%2Fpostgresql/d");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->host, "/run/postgresql");
  EXPECT_EQ(url->port, "5432");
  EXPECT_EQ(url->conninfo().find("password"), std::string::npos);
}

TEST(DatabaseUrl, WhatIsWrongIsSaid) {
  EXPECT_NE(refusal("postgres://u:p@h").find("expected sqlite:///absolute/path or postgres://"), std::string::npos);
  EXPECT_NE(refusal("postgres://h/d").find("expected"), std::string::npos);
  EXPECT_NE(refusal("postgres://:p@h/d").find("user is missing"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a@b@h/d").find("%40"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a/b@h/d").find("%2F"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a:b@h/d").find("%3A"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a#b@h/d").find("%23"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a%4@h/d").find("password has a %"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a%00@h/d").find("control character"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:a%20b@h/d").find("blank"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@/d").find("host"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@a,b/d").find("one host"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@::1/d").find("[::1]"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h:0/d").find("port"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h:70000/d").find("port"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h:/d").find("port"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h/").find("name is missing"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h/d/e").find("has a /"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h/d?options=x").find("unknown option"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h/d?sslmode=maybe").find("verify-full"), std::string::npos);
  EXPECT_NE(refusal("postgres://u:p@h/d?sslkey=k").find("absolute"), std::string::npos);
  EXPECT_NE(refusal("mysql://x").find("expected"), std::string::npos);
  EXPECT_NE(refusal("sqlite://x.db").find("sqlite:///absolute/path"), std::string::npos);
}

TEST(DatabaseUrl, NoMessageHoldsThePassword) {
  for (const char* url :
       {"postgres://u:hunter2@h", "postgres://u:hunter2%@h/d", "postgres://u:hunter2 @h/d", "postgress://u:hunter2@h/d",
        "postgres://u:hunter2@h:x/d", "postgres://u:hunter2@a@h/d", "postgres://u:a/hunter2@h/d",
        "postgres://u:a?hunter2=1@h/d", "postgres://u:p@h/d?hunter2=1", "postgres://u:hunter2@h/d"}) {
    EXPECT_EQ(refusal(url).find("hunter2"), std::string::npos) << url;
    const auto parsed = parse_database_url(url);
    EXPECT_EQ((parsed ? parsed->shown() : "").find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace qarax::server
