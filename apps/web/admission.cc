// SPDX-License-Identifier: MIT
#include "admission.h"

#include <sys/socket.h>
#include <unistd.h>

#include <new>
#include <optional>
#include <utility>

#include "log.h"

namespace web {
namespace {

constexpr size_t kMaxAcceptedAtOnce = 32;

}  // namespace

void Declare(options::CommandLine& line, ConnectionLimits& limits) {
  line.Add("--max-connections", limits.total, "Most connections")
      .WholeNumber()
      .In(1, 65000)
      .ShowDefault();
  line.Add("--max-per-address", limits.per_address,
           "Most connections from one address, except the loopback")
      .WholeNumber()
      .In(1, 65000)
      .ShowDefault();
}

Admission::Place::Place(Admission& admission, Addresses::value_type* address)
    : admission_(&admission), address_(address) {
  ++admission_->connections_;
  if (address_ != nullptr) ++address_->second;
}

Admission::Place::Place(Place&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)), address_(other.address_) {}

Admission::Place::~Place() {
  if (admission_ == nullptr) return;
  --admission_->connections_;
  if (address_ == nullptr || --address_->second > 0) return;
  admission_->addresses_.erase(admission_->addresses_.find(address_->first));
}

void Admission::AcceptAll(int fd) noexcept {
  for (size_t i = 0; i < kMaxAcceptedAtOnce; ++i) {
    std::optional<Accepted> accepted = Listener::Accept(fd);
    if (!accepted) return;
    Admit(std::move(*accepted));
  }
}

bool Admission::IsFull(const Accepted& accepted) const {
  if (connections_ >= limits_.total) return true;
  const auto others = addresses_.find(accepted.peer);
  return others != addresses_.end() && others->second >= limits_.per_address;
}

void Admission::Admit(Accepted accepted) noexcept {
  if (IsFull(accepted)) {
    refuse_(accepted);
    close(accepted.fd);
    return;
  }
  Place::Addresses::value_type* address = nullptr;
  try {
    if (!accepted.peer_loopback) address = &*addresses_.try_emplace(accepted.peer, 0).first;
  } catch (const std::bad_alloc&) {
    Log("", "a connection is closed: there is no memory for it");
    close(accepted.fd);
    return;
  }
  Place place(*this, address);
  adopt_(std::move(accepted), std::move(place));
}

void SendAtOnce(int fd, std::string_view text) {
  static_cast<void>(send(fd, text.data(), text.size(), MSG_DONTWAIT));
}

}  // namespace web
