// SPDX-License-Identifier: MIT
#include "listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace web {
namespace {

constexpr int kBacklog = 64;
constexpr int64_t kMaxInherited = 16;
// The bytes that the system buffers for a slow reader; Linux doubles this value.
constexpr int kSendBuffer = 16384;

struct Peer {
  std::string address;
  unsigned port = 0;
  bool loopback = false;
  bool v6 = false;
  bool is_unix = false;
  std::string network;  // the first 64 bits of an IPv6 address
};

Peer DescribeAddress(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  Peer peer;
  in_addr v4 = {};
  if (storage.ss_family == AF_UNIX) {
    peer.loopback = peer.is_unix = true;
    return peer;
  }
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
  return DescribeAddress(storage);
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

// Removes a Unix socket on which nobody listens. Returns "" or the reason why it must stay.
std::string RemoveStale(const sockaddr_un& address) {
  struct stat status = {};
  if (lstat(address.sun_path, &status) != 0) return errno == ENOENT ? "" : std::strerror(errno);
  if (!S_ISSOCK(status.st_mode)) return "there is a file that is not a socket";
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::strerror(errno);
  const int code = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int reason = errno;
  close(fd);
  if (code == 0 || reason == EAGAIN) return "another program listens there";
  if (reason != ECONNREFUSED) return std::strerror(reason);
  return unlink(address.sun_path) == 0 ? "" : std::strerror(errno);
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
  return Describe();
}

std::string Listener::Describe() {
  const Peer local = LocalEnd(fd_);
  is_public_ = !local.loopback;
  std::string host = local.v6 ? "[" + local.address + "]" : local.address;
  if (local.address == "0.0.0.0" || local.address == "::") host = "localhost";  // one of its names
  url_ = "http://" + host + ":" + std::to_string(local.port);
  return "";
}

std::string Listener::OpenUnix(const std::string& path) {
  const std::string where = "cannot listen at " + path + ": ";
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return where + "a path has 1 to " + std::to_string(sizeof(address.sun_path) - 1) + " bytes";
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (const std::string wrong = RemoveStale(address); !wrong.empty()) return where + wrong;
  fd_ = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd_ < 0 || !SetUp(fd_)) return where + std::strerror(errno);
  const mode_t mask = umask(0117);  // 0660 from the first moment on
  const bool is_bound = bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  umask(mask);
  if (!is_bound || listen(fd_, kBacklog) != 0) return where + std::strerror(errno);
  url_ = "unix:" + path;
  return "";
}

std::string Listener::Inherit(int fd) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    return "descriptor " + std::to_string(fd) + " is not a listening socket";
  }
  if (!SetUp(fd)) return std::string("a socket of the system's: ") + std::strerror(errno);
  fd_ = fd;
  sockaddr_un address = {};
  size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::string("a socket of the system's: ") + std::strerror(errno);
  }
  if (address.sun_family != AF_UNIX) return Describe();
  url_ =
      "unix:" + std::string(address.sun_path, strnlen(address.sun_path, sizeof(address.sun_path)));
  return "";
}

int CountInherited() {
  const auto number = [](const char* name) {
    const char* const text = std::getenv(name);
    int64_t value = -1;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
    return value;
  };
  if (number("LISTEN_PID") != getpid()) return 0;
  return static_cast<int>(std::clamp<int64_t>(number("LISTEN_FDS"), 0, kMaxInherited));
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
    const Peer peer = DescribeAddress(storage);
    const Peer local = LocalEnd(accepted);
    return Accepted{accepted,
                    peer.network,
                    peer.loopback,
                    {local.address, local.port, local.loopback, local.is_unix}};
  } catch (const std::bad_alloc&) {
    close(accepted);
    return std::nullopt;
  }
}

}  // namespace web
