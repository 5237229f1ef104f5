// SPDX-License-Identifier: MIT
// API keys, and what each of them may use in a minute. Used on the loop's thread only.
#ifndef CLAMMA_SERVER_KEYS_H_
#define CLAMMA_SERVER_KEYS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace server {

using Clock = std::chrono::steady_clock;

// So much a minute; it grows back evenly. 0: without limit.
class Allowance {
 public:
  explicit Allowance(uint64_t per_minute = 0)
      : per_minute_(static_cast<double>(per_minute)), left_(per_minute_) {}

  // Seconds until something is left; 0: now.
  unsigned SecondsToWait(Clock::time_point now);
  // May take more than is left, as what a request will use is not known when it begins.
  void Take(uint64_t amount, Clock::time_point now);

 private:
  void Grow(Clock::time_point now);

  double per_minute_;
  double left_;
  Clock::time_point at_ = Clock::now();
};

struct KeyLimits {
  uint64_t requests = 0;  // a minute; 0: without limit
  uint64_t tokens = 0;    // of prompts and answers, a minute
};

class Key {
 public:
  Key(std::string_view key, size_t number, const KeyLimits& limits);

  size_t number() const { return number_; }  // in logs, from 1
  uint64_t salt() const { return salt_; }    // of the prefix cache, never 0
  Allowance& requests() { return requests_; }
  Allowance& tokens() { return tokens_; }

 private:
  friend class KeyRing;
  std::string digest_;  // SHA-256, so that keys of all lengths are compared in the same time
  size_t number_;
  uint64_t salt_;
  Allowance requests_;
  Allowance tokens_;
};

class KeyRing {
 public:
  // Adds a key. Returns "" or the reason of a failure, without the key.
  std::string Add(std::string_view key, const KeyLimits& limits);

  // Adds the keys of a file: one a line, which `requests=N` and `tokens=N` may follow; empty lines
  // and those that begin with # are skipped.
  std::string AddFile(const std::string& path, const KeyLimits& limits);

  bool empty() const { return keys_.empty(); }

  // The key that a request presents in Authorization; nullptr: none of ours. Takes the same time
  // whatever the key is.
  Key* Find(std::string_view authorization);

 private:
  std::string AddLine(std::string_view line, KeyLimits limits);

  std::vector<Key> keys_;
};

}  // namespace server

#endif  // CLAMMA_SERVER_KEYS_H_
