#include "node_channel.hpp"

#include "qarax/core/addresses.hpp"

namespace qarax::server {

namespace {

std::shared_ptr<grpc::Channel> make(const std::string& target, const std::shared_ptr<grpc::ChannelCredentials>& how,
                                    int largest) {
  grpc::ChannelArguments arguments;
  // Not from the global pool, where a new attempt would inherit the old one's back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(largest);
  return grpc::CreateCustomChannel(target, how, arguments);
}

}  // namespace

Result<std::shared_ptr<grpc::Channel>> node_channel(const std::string& address, std::int64_t port,
                                                    const NodeCredentials& credentials, int largest) {
  const std::string target = core::host_port(address, port);
  if (!credentials.ca_cert.empty()) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = credentials.ca_cert;
    return make(target, grpc::SslCredentials(options), largest);
  }
  if (!credentials.token.empty() && !credentials.insecure && !core::is_loopback(address))
    return make_error(Code::failed_precondition,
                      "the server has a token for its nodes and no node.ca, so whoever is on the way to " + target +
                          " could read it: set node.ca in the server's config, and listen.tls in the node's; or "
                          "node.insecure: true where that way is safe by itself",
                      "node-unauthorized");
  return make(target, grpc::InsecureChannelCredentials(), largest);
}

std::shared_ptr<grpc::Channel> node_socket_channel(const std::string& path) {
  return make("unix:" + path, grpc::InsecureChannelCredentials(), kLargestMessage);
}

// gRPC has one code for all these failures; only its message tells them apart.
std::string with_advice(std::string message, const std::string& address, const NodeCredentials& credentials) {
  const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
  if (!says("failed to connect")) return message;
  if (credentials.ca_cert.empty()) {
    if (says("Socket closed") || says("Connection reset"))
      message += ". If the node has listen.tls, set node.ca in the server's config";
  } else if (says("wrong version number")) {
    message += ". The node doesn't speak TLS: set listen.tls in its config, or take node.ca out of the server's";
  } else if (says("certificate verify failed")) {
    message +=
        ". The certificate of the node's listen.tls isn't signed by node.ca of the server's config, or its time is "
        "over";
  } else if (says("not in peer certificate")) {
    message += ". Make the node's certificate anew with " + address + " among its names (subjectAltName)";
  }
  return message;
}

}  // namespace qarax::server
