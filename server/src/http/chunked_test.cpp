#include "http/chunked.hpp"

#include <gtest/gtest.h>

namespace qarax::http {
namespace {

struct Decoded {
  ChunkedDecoder::Status status;
  std::string body;
  std::string rest;
};

Decoded decode(std::string_view bytes, std::size_t limit = 1000) {
  ChunkedDecoder decoder;
  Decoded decoded{ChunkedDecoder::Status::more, {}, {}};
  decoded.status = decoder.feed(bytes, decoded.body, limit);
  decoded.rest = bytes;
  return decoded;
}

TEST(Chunked, DecodesAndLeavesTheNextRequest) {
  const Decoded decoded = decode("4\r\nabcd\r\nA;ext=\"1\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET");
  EXPECT_EQ(decoded.status, ChunkedDecoder::Status::done);
  EXPECT_EQ(decoded.body, "abcd0123456789");
  EXPECT_EQ(decoded.rest, "GET");
}

TEST(Chunked, ByteByByteIsTheSame) {
  const std::string_view bytes = "4\r\nabcd\r\n0a\r\n0123456789\r\n0\r\nT: x\r\n\r\n";
  ChunkedDecoder decoder;
  std::string body;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string_view one = bytes.substr(i, 1);
    ASSERT_EQ(decoder.feed(one, body, 100),
              i + 1 == bytes.size() ? ChunkedDecoder::Status::done : ChunkedDecoder::Status::more)
        << i;
  }
  EXPECT_EQ(body, "abcd0123456789");
}

TEST(Chunked, RefusesWhatCouldBeReadInTwoWays) {
  for (const std::string_view bytes :
       {"\r\n", "g\r\n", " 4\r\nabcd\r\n", "4 \r\nabcd\r\n", "0x4\r\nabcd\r\n", "-4\r\n", "+4\r\nabcd\r\n",
        "4\nabcd\r\n", "4\r\nabcdX\r\n", "4\r\nabcd\n0\r\n\r\n", "4\r\nabcd\r0", "0\r\n\n", "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\n\r\n", "fffffffffffffffff\r\n", "4;a\nb\r\nabcd\r\n", ";ext\r\n"}) {
    EXPECT_EQ(decode(bytes).status, ChunkedDecoder::Status::bad) << bytes;
  }
}

TEST(Chunked, TheLimitHoldsBeforeTheBytesCome) {
  EXPECT_EQ(decode("3e9\r\n").status, ChunkedDecoder::Status::too_large);  // 1001 bytes
  EXPECT_EQ(decode("3e8\r\n").status, ChunkedDecoder::Status::more);
  EXPECT_EQ(decode("5\r\nabcde\r\n6\r\n", 10).status, ChunkedDecoder::Status::too_large);
  EXPECT_EQ(decode("1;" + std::string(5000, 'x')).status, ChunkedDecoder::Status::bad);
  EXPECT_EQ(decode("0\r\nX: " + std::string(5000, 'x')).status, ChunkedDecoder::Status::bad);
}

}  // namespace
}  // namespace qarax::http
