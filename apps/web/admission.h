// SPDX-License-Identifier: MIT
// How many connections a server takes, and from whom.
#ifndef CLAMMA_APPS_WEB_ADMISSION_H_
#define CLAMMA_APPS_WEB_ADMISSION_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "command_line.h"
#include "listener.h"

namespace web {

struct ConnectionLimits {
  size_t total = 512;       // at once
  size_t per_address = 64;  // ... from an address that is not the loopback
};

// Adds --max-connections and --max-per-address.
void Declare(options::CommandLine& line, ConnectionLimits& limits);

class Admission {
 public:
  // A connection's place among those that are counted, until it is destroyed.
  class Place {
   public:
    Place(Place&& other) noexcept;
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

   private:
    friend class Admission;
    using Addresses = std::unordered_map<std::string, size_t>;
    Place(Admission& admission, Addresses::value_type* address);

    Admission* admission_;            // nullptr: moved from
    Addresses::value_type* address_;  // nullptr: the loopback
  };

  using Adopt = std::function<void(Accepted, Place)>;
  using Refuse = std::function<void(const Accepted&)>;

  // The functions must not throw. `adopt` takes a connection over; `refuse` is called before one is
  // closed for which there is no room.
  Admission(const ConnectionLimits& limits, Adopt adopt, Refuse refuse)
      : limits_(limits), adopt_(std::move(adopt)), refuse_(std::move(refuse)) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // Accepts connections of a listening socket, up to 32 at once.
  void AcceptAll(int fd) noexcept;

 private:
  void Admit(Accepted accepted) noexcept;
  bool IsFull(const Accepted& accepted) const;

  const ConnectionLimits limits_;
  const Adopt adopt_;
  const Refuse refuse_;
  size_t connections_ = 0;
  Place::Addresses addresses_;  // connections from each
};

// Sends a short text without waiting: it may be lost.
void SendAtOnce(int fd, std::string_view text);

}  // namespace web

#endif  // CLAMMA_APPS_WEB_ADMISSION_H_
