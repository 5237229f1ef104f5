// SPDX-License-Identifier: MIT
#include "listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

namespace web {
namespace {

constexpr int kBacklog = 64;
// The bytes that the system buffers for a slow reader; Linux doubles this value.
constexpr int kSendBuffer = 16384;

struct Peer {
  std::string address;
  unsigned port = 0;
  bool loopback = false;
  bool v6 = false;
  std::string network;  // the first 64 bits of an IPv6 address
};

Peer Describe(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  Peer peer;
  in_addr v4 = {};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6 = {};
    std::memcpy(&v6, &storage, sizeof(v6));
    peer.port = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) == 0) {
      peer.v6 = true;
      peer.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
      peer.address = inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
      std::memset(&v6.sin6_addr.s6_addr[8], 0, 8);
      peer.network = inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
      return peer;
    }
    std::memcpy(&v4, &v6.sin6_addr.s6_addr[12], sizeof(v4));
  } else {
    sockaddr_in in = {};
    std::memcpy(&in, &storage, sizeof(in));
    peer.port = ntohs(in.sin_port);
    v4 = in.sin_addr;
  }
  peer.loopback = (ntohl(v4.s_addr) >> 24) == 127;
  peer.address = inet_ntop(AF_INET, &v4, text.data(), text.size());
  peer.network = peer.address;
  return peer;
}

Peer LocalEnd(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return Describe(storage);
}

void SetOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

std::string BindAndListen(int fd, const addrinfo& where) {
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (where.ai_family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(fd, where.ai_addr, where.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return "";
  return std::strerror(errno);
}

}  // namespace

bool SetUp(int fd) {
  return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

Listener::~Listener() {
  if (fd_ >= 0) close(fd_);
}

std::string Listener::Open(const std::string& address, unsigned port) {
  const std::string where = "cannot listen at " + address + " port " + std::to_string(port) + ": ";
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return where + gai_strerror(code);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> first(found, &freeaddrinfo);

  fd_ = socket(first->ai_family, SOCK_STREAM, 0);
  if (fd_ < 0 || !SetUp(fd_)) return where + std::strerror(errno);
  if (const std::string wrong = BindAndListen(fd_, *first); !wrong.empty()) return where + wrong;
  const Peer local = LocalEnd(fd_);
  std::string host = local.v6 ? "[" + local.address + "]" : local.address;
  if (local.address == "0.0.0.0" || local.address == "::") host = "localhost";  // one of its names
  url_ = "http://" + host + ":" + std::to_string(local.port);
  return "";
}

std::optional<Accepted> Listener::Accept(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  const int accepted = accept(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  if (accepted < 0) {
    // If the system has no descriptor or memory left, wait, in order not to spin.
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      poll(nullptr, 0, 10);
    }
    return std::nullopt;
  }
  if (!SetUp(accepted)) {
    close(accepted);
    return std::nullopt;
  }
  SetOption(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(accepted, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
  try {
    const Peer peer = Describe(storage);
    const Peer local = LocalEnd(accepted);
    return Accepted{
        accepted, peer.network, peer.loopback, {local.address, local.port, local.loopback}};
  } catch (const std::bad_alloc&) {
    close(accepted);
    return std::nullopt;
  }
}

}  // namespace web
