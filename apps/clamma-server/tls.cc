// SPDX-License-Identifier: MIT
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>

namespace server {
namespace {

std::string ReasonOf(const std::string& what) {
  std::array<char, 256> text = {};
  const auto code = ERR_get_error();
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return what + (code == 0 ? "" : ": " + std::string(text.data()));
}

}  // namespace

std::string Certificate::LoadInto(SSL_CTX* context) const {
  if (SSL_CTX_use_certificate_chain_file(context, chain_.c_str()) != 1) {
    return ReasonOf(chain_ + " is not a certificate");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_.c_str(), SSL_FILETYPE_PEM) != 1) {
    return ReasonOf(key_ + " is not the certificate's key");
  }
  return SSL_CTX_check_private_key(context) == 1
             ? ""
             : ReasonOf(key_ + " belongs to another certificate");
}

std::string Certificate::Check() const {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  &SSL_CTX_free);
  return context == nullptr ? ReasonOf("TLS cannot be set up") : LoadInto(context.get());
}

std::string Certificate::SetUp(SSL_CTX* context) {
  context_ = context;
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    return ReasonOf("TLS 1.2 cannot be set up");
  }
  return LoadInto(context);
}

std::string Certificate::Reload() {
  if (std::string wrong = Check(); !wrong.empty()) return wrong;
  return context_ == nullptr ? "" : LoadInto(context_);
}

}  // namespace server
