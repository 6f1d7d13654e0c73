#include "console_socket.hpp"

#include <Poco/Buffer.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "closing_patience.hpp"
#include "http_session.hpp"

namespace qarax::cli {

namespace {

constexpr std::chrono::milliseconds kFrame{10'000};  // time limit for the rest of a frame that has begun
constexpr std::chrono::milliseconds kLook{500};      // interval of looks at what the kernel has sent
constexpr int kClosed = 1000;  // the code of this side's close frame, which the server repeats if all has arrived
constexpr int kLargest = 1 << 20;

// Keeps the body of a refusal, which Poco's WebSocket would discard.
class Answer {
 public:
  virtual ~Answer() = default;
  std::istream* body = nullptr;
};

template <class Session>
class Listening final : public Session, public Answer {
 public:
  using Session::Session;
  std::istream& receiveResponse(Poco::Net::HTTPResponse& response) override {
    body = &Session::receiveResponse(response);
    return *body;
  }
};

void answer_close(Poco::Net::WebSocket& socket, int code) {
  try {
    if (code != 1005) socket.shutdown(static_cast<Poco::UInt16>(code));
  } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): the server is gone and had said how it ended
  }
}

std::size_t queued(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::string whole(std::istream& in) {
  std::string out;
  for (std::string piece = read_piece(in); !piece.empty(); piece = read_piece(in)) out += piece;
  return out;
}

}  // namespace

Result<std::unique_ptr<ConsoleSocket>> ConsoleSocket::open(const ApiClient& api, const std::string& path) {
  using namespace Poco::Net;
  const Endpoint& endpoint = api.endpoint();
  QARAX_CHECK(check_token_way(endpoint, api.token()));
  HTTPResponse response;
  std::unique_ptr<HTTPClientSession> session;
  try {
    session = make_session<Listening<HTTPClientSession>, Listening<HTTPSClientSession>>(endpoint, api.ca_file());
    session->setTimeout(timespan(kFrame));
    HTTPRequest request(HTTPRequest::HTTP_GET, endpoint.prefix + path, HTTPRequest::HTTP_1_1);
    request.set("User-Agent", "qarax/" QARAX_VERSION);
    if (!api.token().empty()) request.set("Authorization", "Bearer " + api.token());
    auto socket = std::make_unique<WebSocket>(*session, request, response);
    socket->setMaxPayloadSize(kLargest);
    limit_receive(*socket, kFrame);
    socket->setSendTimeout(timespan(kFrame));
    return std::unique_ptr<ConsoleSocket>(new ConsoleSocket(std::move(socket)));
  } catch (const WebSocketException& e) {
    const auto* answer = dynamic_cast<const Answer*>(session.get());
    if (answer == nullptr || answer->body == nullptr || response.getStatus() < 300)
      return unreachable(endpoint, "it speaks no WebSocket: " + e.displayText());
    try {
      return problem_error(response.getStatus(), response.getContentType(), whole(*answer->body));
    } catch (const Poco::Exception& broken) {
      return unreachable(endpoint, broken.displayText());
    }
  } catch (const Poco::TimeoutException&) {
    return make_error(Code::deadline_exceeded, "no answer from " + endpoint.url + " in time", std::string(kTimeout));
  } catch (const SSLException& e) {
    return tls_failed(endpoint, e.displayText());
  } catch (const Poco::Exception& e) {
    return unreachable(endpoint, e.message().empty() ? e.name() : e.displayText());
  }
}

int ConsoleSocket::fd() const { return socket_->impl()->sockfd(); }

std::optional<ConsoleSocket::End> ConsoleSocket::receive(std::string& out) {
  using Poco::Net::WebSocket;
  try {
    do {
      Poco::Buffer<char> frame(0);
      int flags = 0;
      socket_->receiveFrame(frame, flags);
      if (flags == 0) return End{End::kBroken, "the server hung up"};
      const std::string_view payload(frame.begin(), frame.size());
      switch (flags & WebSocket::FRAME_OP_BITMASK) {
        case WebSocket::FRAME_OP_PING:
          socket_->sendFrame(frame.begin(), static_cast<int>(frame.size()),
                             static_cast<int>(WebSocket::FRAME_FLAG_FIN) | static_cast<int>(WebSocket::FRAME_OP_PONG));
          break;
        case WebSocket::FRAME_OP_CLOSE: {
          End end{1005, ""};
          if (payload.size() >= 2)
            end = {static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]),
                   std::string(payload.substr(2))};
          answer_close(*socket_, end.code);
          return end;
        }
        case WebSocket::FRAME_OP_PONG:
          break;
        default:
          out.append(payload);
      }
    } while (socket_->available() > 0);
    return std::nullopt;
  } catch (const Poco::Exception& e) {
    return End{End::kBroken, e.displayText()};
  }
}

std::optional<ConsoleSocket::End> ConsoleSocket::send(std::string_view bytes) {
  has_sent_ = has_sent_ || !bytes.empty();
  try {
    socket_->sendFrame(bytes.data(), static_cast<int>(bytes.size()), Poco::Net::WebSocket::FRAME_BINARY);
    return std::nullopt;
  } catch (const Poco::Exception& e) {
    return End{End::kBroken, e.displayText()};
  }
}

std::optional<ConsoleSocket::End> ConsoleSocket::close() {
  End end{End::kBroken, "the server didn't answer in time"};
  try {
    socket_->shutdown(kClosed);
    ClosingPatience patience(queued(fd()), Clock::now());
    while (!patience.is_over(Clock::now())) {
      // What the guest says meanwhile is read: unread, it would make this side's end a reset, and the input be lost.
      std::string rest;
      if (socket_->poll(timespan(kLook), Poco::Net::Socket::SELECT_READ))
        if (const auto answer = receive(rest)) {
          end = *answer;
          break;
        }
      patience.note(queued(fd()), !rest.empty(), Clock::now());
    }
  } catch (const Poco::Exception& e) {
    end.reason = e.displayText();
  }
  if (!has_sent_ || end.code == kClosed) return std::nullopt;
  end.reason = "what was typed may not have reached the guest: " +
               (end.reason.empty() ? "the server closed it with code " + std::to_string(end.code) : end.reason);
  return end;
}

void ConsoleSocket::leave() {
  try {
    // Where there is no room for it, because the guest takes nothing, the frame would have to be waited for.
    if (socket_->poll(Poco::Timespan(), Poco::Net::Socket::SELECT_WRITE)) socket_->shutdown(kClosed);
  } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): the server is gone
  }
}

}  // namespace qarax::cli
