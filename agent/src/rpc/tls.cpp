#include "tls.hpp"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

template <class T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* what) const { kFree(what); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

template <class Read>
auto from_pem(const std::string& text, Read read) {
  // A key with a password is refused, because nobody is there to type it.
  static constexpr auto kNoPassword = [](char*, int, int, void*) { return -1; };
  BIO* bio = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  auto* found = read(bio, nullptr, kNoPassword, nullptr);
  BIO_free(bio);
  return found;
}

Result<std::string> read_named(const char* key, const std::string& path) {
  auto text = core::read_file(path);
  if (text) return text;
  text.error().message += "; name a file that this user can read";
  return std::move(text).error().context(key);
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const std::string& cert_file,
                                                                 const std::string& key_file) {
  QARAX_TRY(const std::string cert_text, read_named("listen.tls.cert", cert_file));
  QARAX_TRY(const std::string key_text, read_named("listen.tls.key", key_file));
  const Certificate cert(from_pem(cert_text, PEM_read_bio_X509));
  if (!cert) return make_error(Code::invalid_argument, "listen.tls.cert: " + cert_file + " has no certificate in PEM");
  const Key key(from_pem(key_text, PEM_read_bio_PrivateKey));
  if (!key)
    return make_error(Code::invalid_argument,
                      "listen.tls.key: " + key_file + " has no private key in PEM that opens without a password");
  if (X509_check_private_key(cert.get(), key.get()) != 1)
    return make_error(Code::invalid_argument, "listen.tls.key: " + key_file + " isn't the key of the certificate in " +
                                                  cert_file + "; give the one that it was made with");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({key_text, cert_text});
  return grpc::SslServerCredentials(options);
}

}  // namespace qarax::agent
