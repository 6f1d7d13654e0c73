#include "http/transport.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <limits>

namespace qarax::http {
namespace {

using State = IoResult::State;

void set_no_delay(int fd) noexcept {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Uses system calls on the socket itself: Poco's StreamSocket creates an epoll instance for each timed wait and asks
// for the peer's address again each time, which halves the request rate.
class PlainTransport : public Transport {
 public:
  PlainTransport(const Poco::Net::StreamSocket& socket, std::chrono::milliseconds linger)
      : socket_(socket), fd_(socket_.impl()->sockfd()) {
    set_no_delay(fd_);
    // The kernel's own receive timeout makes a timed wait and the read one call.
    timeval wait{};
    wait.tv_sec = linger.count() / 1000;
    wait.tv_usec = static_cast<suseconds_t>((linger.count() % 1000) * 1000);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  }

  IoResult read(char* data, std::size_t size) override { return receive(data, size, MSG_DONTWAIT); }
  IoResult read_waiting(char* data, std::size_t size) override { return receive(data, size, 0); }

  IoResult write(std::string_view head, std::string_view body) override {
    ssize_t sent = 0;
    do {
      if (body.empty()) {
        sent = ::send(fd_, head.data(), head.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      } else {
        std::array<iovec, 2> parts = {iovec{const_cast<char*>(head.data()), head.size()},
                                      iovec{const_cast<char*>(body.data()), body.size()}};
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        sent = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
    } while (sent < 0 && errno == EINTR);
    return result(sent);
  }

  bool holds_data() const override { return false; }
  bool wants_write() const override { return false; }
  void end_writing() noexcept override { ::shutdown(fd_, SHUT_WR); }
  int fd() const noexcept override { return fd_; }
  bool is_tls() const noexcept override { return false; }
  bool is_established() const noexcept override { return true; }

 private:
  static IoResult result(ssize_t size) noexcept {
    if (size >= 0) return {State::ok, static_cast<std::size_t>(size)};
    return {errno == EAGAIN || errno == EWOULDBLOCK ? State::would_block : State::closed, 0};
  }

  IoResult receive(char* data, std::size_t size, int flags) noexcept {
    ssize_t got = 0;
    do {
      got = ::recv(fd_, data, size, flags);
    } while (got < 0 && errno == EINTR);
    return got == 0 ? IoResult{State::closed, 0} : result(got);
  }

  Poco::Net::StreamSocket socket_;
  int fd_;
};

class TlsTransport : public Transport {
 public:
  TlsTransport(Poco::Net::StreamSocket plain, Poco::Net::Context::Ptr context, std::chrono::milliseconds linger)
      : socket_(Poco::Net::SecureStreamSocket::attach(plain, std::move(context))),
        fd_(socket_.impl()->sockfd()),
        linger_(static_cast<int>(linger.count())) {
    set_no_delay(fd_);
    // Set on the inner socket, whose flag decides whether Poco's TLS calls return or wait.
    plain.setBlocking(false);
  }
  ~TlsTransport() override {
    try {
      if (!broken_) socket_.shutdown();  // sends close_notify without waiting for the peer's
    } catch (const std::exception&) {    // NOLINT(bugprone-empty-catch): the peer is gone, which is what we wanted
    }
  }
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  IoResult read(char* data, std::size_t size) override {
    if (!established_) {
      // Poco's first read would do this, too, but its answer doesn't tell a handshake that goes on from one that is
      // over.
      const IoResult shaken = guarded([&] { return socket_.completeHandshake(); }, true);
      if (shaken.state != State::ok) return shaken;
      established_ = true;
    }
    return guarded([&] { return socket_.receiveBytes(data, clamp(size)); }, true);
  }

  IoResult read_waiting(char* data, std::size_t size) override {
    IoResult first = read(data, size);
    if (first.state != State::would_block) return first;
    pollfd wait{fd_, static_cast<short>(wants_write_ ? POLLOUT : POLLIN), 0};
    return ::poll(&wait, 1, linger_) == 1 ? read(data, size) : first;
  }

  IoResult write(std::string_view head, std::string_view body) override {
    // One record at a time. The TLS library demands that a retry offers the same bytes at the same address, which holds
    // because the caller's buffers don't move.
    const std::string_view piece = head.empty() ? body : head;
    return guarded([&] { return socket_.sendBytes(piece.data(), clamp(std::min(piece.size(), kRecord))); }, false);
  }

  bool holds_data() const override { return const_cast<Poco::Net::SecureStreamSocket&>(socket_).available() > 0; }
  bool wants_write() const override { return wants_write_; }
  void end_writing() noexcept override {
    ::shutdown(fd_, SHUT_WR);
    broken_ = true;  // so that no close_notify is written to the closed direction
  }
  int fd() const noexcept override { return fd_; }
  bool is_tls() const noexcept override { return true; }
  bool is_established() const noexcept override { return established_; }

 private:
  static constexpr std::size_t kRecord = std::size_t{16} * 1024;
  static int clamp(std::size_t size) noexcept {
    return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
  }

  template <class Call>
  IoResult guarded(Call call, bool reading) {
    if (broken_) return {State::closed, 0};
    try {
      errno = 0;
      const int done = call();
      if (done > 0) return {State::ok, static_cast<std::size_t>(done)};
      if (done < 0 && (done == Poco::Net::SecureStreamSocket::ERR_SSL_WANT_READ ||
                       done == Poco::Net::SecureStreamSocket::ERR_SSL_WANT_WRITE)) {
        wants_write_ = done == Poco::Net::SecureStreamSocket::ERR_SSL_WANT_WRITE;
        return {State::would_block, 0};
      }
      if (done < 0) {  // newer Poco versions: the socket itself would block
        wants_write_ = !reading;
        return {State::would_block, 0};
      }
    } catch (const std::exception& e) {
      broken_ = true;  // refused handshake, garbage or reset: nothing more can be sent to such a peer
    }
    return {State::closed, 0};
  }

  Poco::Net::SecureStreamSocket socket_;
  int fd_;
  int linger_;
  bool established_ = false;
  bool wants_write_ = false;
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(const Poco::Net::StreamSocket& socket,
                                                std::chrono::milliseconds linger) {
  return std::make_unique<PlainTransport>(socket, linger);
}

std::unique_ptr<Transport> make_tls_transport(const Poco::Net::StreamSocket& socket, Poco::Net::Context::Ptr context,
                                              std::chrono::milliseconds linger) {
  return std::make_unique<TlsTransport>(socket, std::move(context), linger);
}

}  // namespace qarax::http
