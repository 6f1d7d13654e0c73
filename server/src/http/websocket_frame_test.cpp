// Frames as bytes: what a client may send, what it may not send, and what it gets.
#include "http/websocket_frame.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "http/testing/socket_frames.hpp"

namespace qarax::http {
namespace {

using testing::masked;

// Records what the reader reports, in words.
class Notes final : public FrameTaker {
 public:
  void take_data(std::string_view bytes) override { data.append(bytes); }
  void take_ping(std::string_view payload) override { said.push_back("ping " + std::string(payload)); }
  void take_pong(std::string_view payload) override { said.push_back("pong " + std::string(payload)); }
  void take_close(SocketClose close) override {
    said.push_back("close " + std::to_string(close.code) + " " + close.reason);
  }

  std::string data;
  std::vector<std::string> said;
};

constexpr std::size_t kLimit = 70'000;

// The code of the fault in `bytes`, 0 if there is none. Feeds them at once and byte by byte; both must agree.
int fault_of(std::string_view bytes, Notes* notes = nullptr) {
  Notes at_once;
  Notes slowly;
  FrameReader one(kLimit);
  FrameReader other(kLimit);
  const auto fault = one.feed(bytes, at_once);
  std::optional<SocketClose> late;
  for (std::size_t i = 0; i < bytes.size() && !late; ++i) late = other.feed(bytes.substr(i, 1), slowly);
  EXPECT_EQ(at_once.said, slowly.said);
  EXPECT_EQ(fault.has_value(), late.has_value());
  if (!fault) {
    EXPECT_EQ(at_once.data, slowly.data);
  }
  if (fault && late) {
    EXPECT_EQ(fault->reason, late->reason);
  }
  if (notes != nullptr) *notes = at_once;
  return fault ? fault->code : 0;
}

TEST(FrameReader, DataOfEveryLengthComesWithoutItsMask) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65'535U, 65'536U, 70'000U}) {
    const std::string payload(size, 'x');
    Notes notes;
    EXPECT_EQ(fault_of(masked(Opcode::binary, payload), &notes), 0) << size;
    EXPECT_EQ(notes.data, payload) << size;
  }
  EXPECT_EQ(fault_of(masked(Opcode::binary, std::string(kLimit + 1, 'x'))), 1009);
}

TEST(FrameReader, AMessageMayComeInFragmentsWithControlFramesBetween) {
  Notes notes;
  EXPECT_EQ(fault_of(masked(Opcode::text, "ls", false) + masked(Opcode::ping, "?") +
                         masked(Opcode::continuation, " -", false) + masked(Opcode::continuation, "l\n"),
                     &notes),
            0);
  EXPECT_EQ(notes.data, "ls -l\n");
  EXPECT_EQ(notes.said, std::vector<std::string>{"ping ?"});
}

TEST(FrameReader, TheLimitIsTheWholeMessages) {
  const std::string half(kLimit / 2 + 1, 'x');
  EXPECT_EQ(fault_of(masked(Opcode::binary, half, false) + masked(Opcode::continuation, half)), 1009);
  EXPECT_EQ(fault_of(masked(Opcode::binary, half) + masked(Opcode::binary, half)), 0) << "two messages are no one";
}

TEST(FrameReader, WhatBreaksTheProtocolIsRefused) {
  const std::string good = masked(Opcode::binary, "x");
  std::string unmasked = good.substr(0, 2) + "x";
  unmasked[1] = 1;
  EXPECT_EQ(fault_of(unmasked), 1002);
  for (const unsigned bit : {0x40U, 0x20U, 0x10U}) {
    std::string reserved = good;
    reserved[0] = static_cast<char>(static_cast<unsigned char>(reserved[0]) | bit);
    EXPECT_EQ(fault_of(reserved), 1002);
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    EXPECT_EQ(fault_of(masked(static_cast<Opcode>(opcode), "x")), 1002) << opcode;
  EXPECT_EQ(fault_of(masked(Opcode::ping, "x", false)), 1002) << "a control frame in fragments";
  EXPECT_EQ(fault_of(masked(Opcode::ping, std::string(126, 'x'))), 1002);
  EXPECT_EQ(fault_of(masked(Opcode::continuation, "x")), 1002) << "of nothing";
  EXPECT_EQ(fault_of(masked(Opcode::text, "x", false) + masked(Opcode::binary, "x")), 1002) << "inside another one";
  using std::string_literals::operator""s;
  EXPECT_EQ(fault_of("\x82\xfe\x00\x05"s + "mask" + "12345"), 1002) << "a 16 bit length for what 7 bits hold";
  EXPECT_EQ(fault_of("\x82\xff\x00\x00\x00\x00\x00\x00\x01\x00"s + "mask"), 1002) << "64 bits for what 16 hold";
  EXPECT_EQ(fault_of("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"s + "mask"), 1002) << "the highest bit";
}

TEST(FrameReader, TextHasToBeUtf8AcrossItsFragments) {
  EXPECT_EQ(fault_of(masked(Opcode::text, "\xe2\x82", false) + masked(Opcode::continuation, "\xac")), 0);
  EXPECT_EQ(fault_of(masked(Opcode::text, "\xe2\x82")), 1007) << "ends inside a character";
  EXPECT_EQ(fault_of(masked(Opcode::binary, "\xe2\x82")), 0);
  for (const char* bad : {"\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff",
                          "\x80", "a\xe2(\xa1"})
    EXPECT_EQ(fault_of(masked(Opcode::text, bad)), 1007) << bad;
  for (const char* good : {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(fault_of(masked(Opcode::text, good)), 0) << good;
}

TEST(FrameReader, TheCloseFrameIsTheLastThingAndItsCodeOneThatMayBeSent) {
  const auto with_code = [](unsigned code, const std::string& reason = "") {
    return masked(Opcode::close, std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)} + reason);
  };
  Notes notes;
  EXPECT_EQ(fault_of(with_code(1000, "done") + masked(Opcode::binary, "more") + "garbage", &notes), 0);
  EXPECT_EQ(notes.said, std::vector<std::string>{"close 1000 done"});
  EXPECT_EQ(notes.data, "");
  EXPECT_EQ(fault_of(masked(Opcode::close, ""), &notes), 0);
  EXPECT_EQ(notes.said, std::vector<std::string>{"close 1005 "});
  EXPECT_EQ(fault_of(masked(Opcode::close, "x")), 1002) << "half a code";
  for (const unsigned code : {0U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 2999U, 5000U, 65'535U})
    EXPECT_EQ(fault_of(with_code(code)), 1002) << code;
  for (const unsigned code : {1001U, 1003U, 1007U, 1014U, 3000U, 4999U})
    EXPECT_EQ(fault_of(with_code(code)), 0) << code;
  EXPECT_EQ(fault_of(with_code(1000, "\xff")), 1007);
}

TEST(AppendFrame, LengthsAreAsShortAsTheyCanBe) {
  const auto head = [](std::size_t size) {
    std::string out;
    append_frame(out, Opcode::binary, std::string(size, 'x'));
    return out.substr(0, out.size() - size);
  };
  using std::string_literals::operator""s;
  EXPECT_EQ(head(0), "\x82\x00"s);
  EXPECT_EQ(head(125), "\x82\x7d"s);
  EXPECT_EQ(head(126), "\x82\x7e\x00\x7e"s);
  EXPECT_EQ(head(65'535), "\x82\x7e\xff\xff"s);
  EXPECT_EQ(head(65'536), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(AppendClose, AReasonIsCutBetweenTwoCharacters) {
  std::string out;
  append_close(out, {1011, std::string(122, 'x') + "\xe2\x82\xac"});
  EXPECT_EQ(out, "\x88\x7c\x03\xf3" + std::string(122, 'x'));
  out.clear();
  append_close(out, {SocketClose::kNoStatus, "unsaid"});
  EXPECT_EQ(out, std::string("\x88\x00", 2));
}

}  // namespace
}  // namespace qarax::http
