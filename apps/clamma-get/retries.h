// SPDX-License-Identifier: MIT
// How often, and how soon, a server is asked again.
#ifndef CLAMMA_APPS_CLAMMA_GET_RETRIES_H_
#define CLAMMA_APPS_CLAMMA_GET_RETRIES_H_

#include <stdexcept>
#include <string>

namespace get {

// The connection failed on the way, or a server was too busy: another attempt may help.
class Interruption : public std::runtime_error {
 public:
  // `wait`: the seconds until then that the server asks for (Retry-After); 0: it does not.
  explicit Interruption(const std::string& why, unsigned wait = 0)
      : std::runtime_error(why), wait_(wait) {}
  unsigned wait() const { return wait_; }

 private:
  unsigned wait_;
};

// The attempts at one thing.
class Retries {
 public:
  // Longer than this nobody waits: what the server asks for is told instead.
  static constexpr unsigned kMaxWait = 120;  // seconds

  // `tries`: attempts in a row that bring nothing, before it is given up.
  Retries(unsigned tries, bool quiet) : tries_(tries), quiet_(quiet) {}

  // An attempt has failed. Returns when the next one is due: when the server says, else after 1, 2,
  // 4 ... 30 seconds. Throws Failure if there is none, which ends with `how_to_go_on`.
  void Await(const Interruption& why, bool brought_something, const std::string& how_to_go_on);

 private:
  unsigned tries_;
  bool quiet_;
  unsigned failures_ = 0;  // in a row
};

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_RETRIES_H_
