// Poco's own HTTP server with its own sockets, for the comparison of row 11. Not part of the product.
//
//   poco_stock PORT [BODY_BYTES]
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

class Answer : public Poco::Net::HTTPRequestHandler {
 public:
  explicit Answer(const std::string& body) : body_(body) {}
  void handleRequest(Poco::Net::HTTPServerRequest&, Poco::Net::HTTPServerResponse& response) override {
    response.setContentType("application/json");
    response.sendBuffer(body_.data(), body_.size());
  }

 private:
  const std::string& body_;
};

class Factory : public Poco::Net::HTTPRequestHandlerFactory {
 public:
  explicit Factory(std::string body) : body_(std::move(body)) {}
  Poco::Net::HTTPRequestHandler* createRequestHandler(const Poco::Net::HTTPServerRequest&) override {
    return new Answer(body_);
  }

 private:
  std::string body_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: poco_stock PORT [BODY_BYTES]\n";
    return 2;
  }
  const auto port = static_cast<Poco::UInt16>(std::atoi(argv[1]));
  const std::size_t size = argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 600;
  Poco::ThreadPool threads(2, 64);
  Poco::Net::HTTPServerParams::Ptr params = new Poco::Net::HTTPServerParams;
  params->setMaxThreads(64);
  params->setKeepAlive(true);
  params->setMaxKeepAliveRequests(0);
  const Poco::Net::ServerSocket socket(Poco::Net::SocketAddress("127.0.0.1", port));
  Poco::Net::HTTPServer server(new Factory("{\"padding\":\"" + std::string(size > 14 ? size - 14 : 0, 'x') + "\"}"),
                               threads, socket, params);
  server.start();
  sigset_t wait;
  sigemptyset(&wait);
  sigaddset(&wait, SIGINT);
  sigaddset(&wait, SIGTERM);
  sigprocmask(SIG_BLOCK, &wait, nullptr);
  int signal = 0;
  sigwait(&wait, &signal);
  server.stop();
}
