// Makes Poco's connection to the server, and the error messages for when that fails.
#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPSClientSession.h>
#include <Poco/Net/RejectCertificateHandler.h>
#include <Poco/Net/SSLManager.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api_client.hpp"
#include "problem.hpp"

namespace qarax::cli {

inline Poco::Timespan timespan(std::chrono::milliseconds time) {
  return Poco::Timespan(static_cast<Poco::Timespan::TimeDiff>(time.count()) * 1000);
}

// `Plain` and `Tls` are HTTPClientSession and HTTPSClientSession or classes derived from them.
template <class Plain, class Tls>
std::unique_ptr<Poco::Net::HTTPClientSession> make_session(const Endpoint& endpoint, const std::string& ca_file) {
  using Poco::Net::Context;
  if (!endpoint.tls) return std::make_unique<Plain>(endpoint.host, endpoint.port);
  // VERIFY_STRICT: Poco's relaxed mode resolves the name a second time and skips the comparison with the certificate if
  // the result is an address of this machine. With `ca_file` the system's authorities aren't loaded: only those in the
  // file can vouch for the server.
  Context::Ptr context =
      new Context(Context::TLS_CLIENT_USE, "", "", ca_file, Context::VERIFY_STRICT, 9, ca_file.empty());
  context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
  Poco::Net::SSLManager::instance().initializeClient(nullptr, new Poco::Net::RejectCertificateHandler(false),
                                                     std::move(context));
  // Takes the context from the manager. It isn't passed: clang-tidy, which follows no counter of references, would take
  // each copy for the last one.
  return std::make_unique<Tls>(endpoint.host, endpoint.port);
}

// Sets the time for which each receive waits; nullopt: no limit. To be called once the connection is made.
inline void limit_receive(const Poco::Net::Socket& socket, std::optional<std::chrono::milliseconds> limit) {
  Poco::Net::SocketImpl& impl = *socket.impl();
  impl.setReceiveTimeout(limit ? timespan(*limit) : Poco::Timespan(0));
  if (!socket.secure()) return;
  // Poco's TLS waits in recv() and, when that gives up, as long again in a poll() of its own. On a descriptor that
  // doesn't block only the poll() waits. Without a limit recv() has to wait, as the poll() would return at once. Poco
  // itself isn't told, because it would then leave all waiting to its caller.
  const int flags = ::fcntl(impl.sockfd(), F_GETFL);
  if (flags >= 0) ::fcntl(impl.sockfd(), F_SETFL, limit ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
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

// Returns what has arrived, waiting for at least one byte; "" at the end. Reads from the buffer itself, because the
// stream would swallow the exceptions that distinguish a timeout from the end.
inline std::string read_piece(std::istream& in) {
  std::streambuf& buffer = *in.rdbuf();
  if (buffer.sgetc() == std::streambuf::traits_type::eof()) return {};
  std::array<char, 16'384> piece{};
  const auto ready = std::clamp<std::streamsize>(buffer.in_avail(), 1, static_cast<std::streamsize>(piece.size()));
  return {piece.data(), static_cast<std::size_t>(buffer.sgetn(piece.data(), ready))};
}

}  // namespace qarax::cli
