// Our HTTP layer alone, with one route and a ready document: what row 11 costs before any handler does work.
//
//   http_layer PORT [BODY_BYTES]
#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include "http/server.hpp"

int main(int argc, char** argv) {
  using namespace qarax::http;
  if (argc < 2) {
    std::cerr << "usage: http_layer PORT [BODY_BYTES]\n";
    return 2;
  }
  const std::size_t size = argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 600;
  const std::string body = "{\"padding\":\"" + std::string(size > 14 ? size - 14 : 0, 'x') + "\"}";
  sigset_t wait;
  sigemptyset(&wait);
  sigaddset(&wait, SIGINT);
  sigaddset(&wait, SIGTERM);
  sigprocmask(SIG_BLOCK, &wait, nullptr);

  Router router;
  router.add("GET", "/vms", [&](const Request&) { return Response::json("[]"); });
  router.add("GET", "/vms/{id}", [&](const Request&) { return Response::json(body); });
  ServerConfig config;
  config.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  spdlog::logger logger("http", std::make_shared<spdlog::sinks::null_sink_mt>());
  HttpServer server(config, router, nullptr, nullptr, logger);
  if (const auto status = server.start(); !status) {
    std::cerr << status.error().message << '\n';
    return 1;
  }
  int signal = 0;
  sigwait(&wait, &signal);
  server.stop(std::chrono::seconds(5));
}
