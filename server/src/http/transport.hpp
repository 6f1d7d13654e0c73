// The bytes of one connection, plain or TLS. Owned and used by one thread at a time; only ConnectionRegistry::cut_all()
// may shut the descriptor down from another thread.
#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/StreamSocket.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

namespace qarax::http {

struct IoResult {
  enum class State { ok, would_block, closed };
  State state = State::ok;
  std::size_t size = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Never waits.
  virtual IoResult read(char* data, std::size_t size) = 0;
  // Waits up to the connection's linger time.
  virtual IoResult read_waiting(char* data, std::size_t size) = 0;
  // Never waits; sends `head` and then `body`, in one system call if possible. `size` counts both.
  virtual IoResult write(std::string_view head, std::string_view body) = 0;
  // Whether it holds bytes already taken from the kernel, which an epoll wait would not report.
  virtual bool holds_data() const = 0;
  // What to wait for after would_block: true for writability.
  virtual bool wants_write() const = 0;
  // Tells the peer that nothing more will be sent.
  virtual void end_writing() noexcept = 0;
  virtual int fd() const noexcept = 0;
  virtual bool is_tls() const noexcept = 0;
  // Whether bytes of a request can come: over TLS once a read has completed the handshake.
  virtual bool is_established() const noexcept = 0;
};

// Both take a connected blocking socket and set its options.
std::unique_ptr<Transport> make_plain_transport(const Poco::Net::StreamSocket& socket,
                                                std::chrono::milliseconds linger);
std::unique_ptr<Transport> make_tls_transport(const Poco::Net::StreamSocket& socket, Poco::Net::Context::Ptr context,
                                              std::chrono::milliseconds linger);

}  // namespace qarax::http
