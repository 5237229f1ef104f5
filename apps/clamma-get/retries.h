// SPDX-License-Identifier: MIT
// How often, and when, a request is repeated.
#ifndef CLAMMA_APPS_CLAMMA_GET_RETRIES_H_
#define CLAMMA_APPS_CLAMMA_GET_RETRIES_H_

#include <stdexcept>
#include <string>

namespace get {

// The connection failed, or the server was too busy: another attempt may succeed.
class Interruption : public std::runtime_error {
 public:
  // `wait`: the seconds that the server asks to wait (Retry-After); 0: it does not ask.
  explicit Interruption(const std::string& why, unsigned wait = 0)
      : std::runtime_error(why), wait_(wait) {}
  unsigned wait() const { return wait_; }

 private:
  unsigned wait_;
};

// Counts the attempts at one request.
class Retries {
 public:
  // If a server asks to wait longer than this, the program gives up and reports it.
  static constexpr unsigned kMaxWait = 120;  // seconds

  // `tries`: failed attempts in a row before giving up.
  Retries(unsigned tries, bool quiet) : tries_(tries), quiet_(quiet) {}

  // Call it after a failed attempt. Waits until the next one is due: as long as the server asks,
  // else 1, 2, 4 ... 30 seconds. Throws Failure, with a message that ends with `how_to_go_on`, if
  // there is to be no further attempt.
  void Await(const Interruption& why, bool brought_something, const std::string& how_to_go_on);

 private:
  unsigned tries_;
  bool quiet_;
  unsigned failures_ = 0;  // in a row
};

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_RETRIES_H_
