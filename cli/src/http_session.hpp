// A connection to the server, by Poco, and what is said where there is none.
#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPSClientSession.h>
#include <Poco/Net/RejectCertificateHandler.h>
#include <Poco/Net/SSLManager.h>

#include <algorithm>
#include <array>
#include <istream>
#include <memory>
#include <string>

#include "api_client.hpp"
#include "problem.hpp"

namespace qarax::cli {

inline Poco::Timespan timespan(std::chrono::milliseconds time) {
  return Poco::Timespan(static_cast<Poco::Timespan::TimeDiff>(time.count()) * 1000);
}

// Plain or TLS are HTTPClientSession and HTTPSClientSession, or made of them.
template <class Plain, class Tls>
std::unique_ptr<Poco::Net::HTTPClientSession> make_session(const Endpoint& endpoint, const std::string& ca_file) {
  using Poco::Net::Context;
  if (!endpoint.tls) return std::make_unique<Plain>(endpoint.host, endpoint.port);
  // Strict: Poco's relaxed mode looks the name up a second time, and compares it with no certificate where the answer
  // is one of this machine's own addresses. A file of the user's own pins: no other authority vouches for that server.
  Context::Ptr context =
      new Context(Context::TLS_CLIENT_USE, "", "", ca_file, Context::VERIFY_STRICT, 9, ca_file.empty());
  context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
  Poco::Net::SSLManager::instance().initializeClient(nullptr, new Poco::Net::RejectCertificateHandler(false), context);
  return std::make_unique<Tls>(endpoint.host, endpoint.port, context);
}

inline Error unreachable(const Endpoint& endpoint, const std::string& why) {
  Error error = make_error(Code::unavailable, "no server at " + endpoint.url + ": " + why, std::string(kUnreachable));
  error.hint = "Start qarax-server, or name another one with --server or QARAX_URL.";
  return error;
}

inline Error tls_failed(const Endpoint& endpoint, const std::string& why) {
  Error error = unreachable(endpoint, "TLS: " + why);
  error.hint = "Where the certificate is of your own authority, name that with --ca-file or QARAX_CA_FILE.";
  return error;
}

// What has arrived, at least a byte; "" at the end. Straight from the buffer: a stream would swallow the exceptions
// that tell a timeout from an end.
inline std::string read_piece(std::istream& in) {
  std::streambuf& buffer = *in.rdbuf();
  if (buffer.sgetc() == std::streambuf::traits_type::eof()) return {};
  std::array<char, 16'384> piece{};
  const auto ready = std::clamp<std::streamsize>(buffer.in_avail(), 1, static_cast<std::streamsize>(piece.size()));
  return {piece.data(), static_cast<std::size_t>(buffer.sgetn(piece.data(), ready))};
}

}  // namespace qarax::cli
