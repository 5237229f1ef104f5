// SPDX-License-Identifier: MIT
#include "keys.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>

#include "http_parser.h"
#include "sha256.h"

namespace server {
namespace {

constexpr size_t kMaxKeys = 10000;
constexpr size_t kMaxKeyBytes = 512;
constexpr size_t kMinKeyBytes = 8;

std::string Digest(std::string_view label, std::string_view text) {
  Sha256 sha;
  sha.Add(label.data(), label.size());
  sha.Add(text.data(), text.size());
  return sha.Hex();
}

uint64_t SaltOf(std::string_view key) {
  const std::string hex = Digest("prefix cache\n", key).substr(0, 16);
  uint64_t salt = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), salt, 16);
  return salt == 0 ? 1 : salt;
}

// Whether two digests are the same, without a branch on their bytes.
bool IsSame(const std::string& a, const std::string& b) {
  unsigned different = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return different == 0;
}

bool IsKeyByte(char c) { return c > ' ' && c < 0x7f; }

}  // namespace

void Allowance::Grow(Clock::time_point now) {
  const double minutes = std::chrono::duration<double>(now - at_).count() / 60;
  at_ = now;
  left_ = std::min(left_ + minutes * per_minute_, per_minute_);
}

unsigned Allowance::SecondsToWait(Clock::time_point now) {
  if (per_minute_ == 0) return 0;
  Grow(now);
  if (left_ >= 1) return 0;
  return static_cast<unsigned>(std::ceil((1 - left_) / per_minute_ * 60));
}

void Allowance::Take(uint64_t amount, Clock::time_point now) {
  if (per_minute_ == 0) return;
  Grow(now);
  left_ -= static_cast<double>(amount);
}

Key::Key(std::string_view key, size_t number, const KeyLimits& limits)
    : digest_(Digest("key\n", key)),
      number_(number),
      salt_(SaltOf(key)),
      requests_(limits.requests),
      tokens_(limits.tokens) {}

std::string KeyRing::Add(std::string_view key, const KeyLimits& limits) {
  if (!std::all_of(key.begin(), key.end(), IsKeyByte)) {
    return "a key has a character that is not visible ASCII";
  }
  if (key.size() < kMinKeyBytes || key.size() > kMaxKeyBytes) {
    return "a key must have " + std::to_string(kMinKeyBytes) + " to " +
           std::to_string(kMaxKeyBytes) + " characters";
  }
  if (keys_.size() >= kMaxKeys) return "there are more than " + std::to_string(kMaxKeys) + " keys";
  keys_.emplace_back(key, keys_.size() + 1, limits);
  return "";
}

std::string KeyRing::AddLine(std::string_view line, KeyLimits limits) {
  std::string_view key;
  while (!line.empty()) {
    const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end);
    if (word.empty()) continue;
    if (key.empty()) {
      if (word.front() == '#') return "";
      key = word;
      continue;
    }
    const bool is_requests = word.starts_with("requests=");
    if (!is_requests && !word.starts_with("tokens=")) {
      return "only requests=N and tokens=N can follow a key";
    }
    uint64_t* const value = is_requests ? &limits.requests : &limits.tokens;
    const char* const stop = word.data() + word.size();
    const auto [at, error] = std::from_chars(word.data() + word.find('=') + 1, stop, *value);
    if (error != std::errc() || at != stop) return "a limit of a key is not a whole number";
  }
  return key.empty() ? "" : Add(key, limits);
}

std::string KeyRing::AddFile(const std::string& path, const KeyLimits& limits) {
  std::ifstream file(path);
  if (!file) return path + ": " + std::strerror(errno);
  const size_t before = keys_.size();
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (const std::string wrong = AddLine(line, limits); !wrong.empty()) {
      std::string where = path;
      where += ", line " + std::to_string(number) + ": ";
      return where + wrong;
    }
  }
  if (file.bad()) return path + ": " + std::strerror(errno);
  return keys_.size() == before ? path + " has no key" : "";
}

Key* KeyRing::Find(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const bool has_scheme = authorization.size() > kScheme.size() &&
                          LowerCase(authorization.substr(0, kScheme.size())) == kScheme;
  if (!has_scheme) return nullptr;
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  const std::string digest = Digest("key\n", authorization);
  Key* found = nullptr;
  for (Key& key : keys_) {
    if (IsSame(key.digest_, digest)) found = &key;
  }
  return found;
}

}  // namespace server
