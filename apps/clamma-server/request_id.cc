// SPDX-License-Identifier: MIT
#include "request_id.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace server {
namespace {

constexpr size_t kMaxBytes = 128;
constexpr std::string_view kAllowed =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";

}  // namespace

std::string MakeRequestId() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<uint8_t, 12> bytes = {};
  static_cast<void>(getrandom(bytes.data(), bytes.size(), 0));  // never short for so few
  std::string id = "req_";
  for (const uint8_t byte : bytes) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

std::string RequestIdOf(const std::string* wanted) {
  const bool is_good = wanted != nullptr && !wanted->empty() && wanted->size() <= kMaxBytes &&
                       wanted->find_first_not_of(kAllowed) == std::string::npos;
  return is_good ? *wanted : MakeRequestId();
}

}  // namespace server
