#include "text_peer.hpp"

#include <sys/socket.h>

#include <cstdlib>
#include <utility>

namespace qarax::plugin::testing {

TextPeer::TextPeer(const std::string& name) {
  auto listening = listen_unix(folder(), name);
  if (!listening) std::abort();
  listener_ = std::move(*listening);
  thread_ = std::thread([this] { serve(); });
}

TextPeer::~TextPeer() {
  ::shutdown(listener_.get(), SHUT_RDWR);  // makes accept() return
  thread_.join();
}

void TextPeer::say(std::string text) {
  const std::lock_guard lock(mutex_);
  text_ = std::move(text);
}

void TextPeer::serve() {
  for (;;) {
    const Socket peer(::accept(listener_.get(), nullptr, nullptr));
    if (peer.get() < 0) return;
    {
      const std::lock_guard lock(mutex_);
      static_cast<void>(::send(peer.get(), text_.data(), text_.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    ::shutdown(peer.get(), SHUT_WR);
    char asked[4096];
    while (::recv(peer.get(), asked, sizeof asked, 0) > 0) {
    }
  }
}

}  // namespace qarax::plugin::testing
