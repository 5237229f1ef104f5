// SPDX-License-Identifier: MIT
#include "server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>

#include "log.h"

namespace server {
namespace {

constexpr const char* kProtocol = "clamma-server";
constexpr int kHandshakeSeconds = 10;  // for TLS
constexpr size_t kReadBytes = 65536;
constexpr size_t kWriteBytes = 16384;
constexpr lws_usec_t kFarewell = 2 * LWS_US_PER_SEC;  // for the last answers
constexpr lws_usec_t kCheckPause = LWS_US_PER_SEC / 20;
constexpr unsigned kUnacknowledged = 60'000;  // milliseconds that a peer may be silent to data

// What a connection gets for which there is no room.
std::string FullReply() {
  const Reply reply = LaterReply(503, "server_error", "there are too many connections", 5);
  return HeadOf(reply, Framing::kLength, false) + reply.body;
}

void OnLog(int, const char* line) { web::Log("libwebsockets: ", line); }

}  // namespace

Server::~Server() { Stop(); }

void Server::Stop() {
  waker_.Set(nullptr);
  if (context_ != nullptr) lws_context_destroy(std::exchange(context_, nullptr));
}

std::string Server::Start(std::vector<std::unique_ptr<web::Listener>>& listeners, int signal_fd) {
  static const std::array<lws_protocols, 2> protocols = {{
      {kProtocol, &Server::OnEvent, 0, 0, 0, nullptr, 0},
      {nullptr, nullptr, 0, 0, 0, nullptr, 0},
  }};
  lws_set_log_level(LLL_ERR, &OnLog);
  lws_context_creation_info info = {};
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.protocols = protocols.data();
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME;
  info.user = this;
  info.timeout_secs = kHandshakeSeconds;
  info.pt_serv_buf_size = kReadBytes;
  if (certificate_.is_wanted()) {
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
    info.alpn = "http/1.1";
  }
  context_ = lws_create_context(&info);
  if (context_ == nullptr) return "libwebsockets cannot be set up";
  full_ = FullReply();
  vhost_ = lws_create_vhost(context_, &info);
  if (vhost_ == nullptr) return "libwebsockets cannot be set up";
  if (!tls_failure_.empty()) return tls_failure_;

  const auto adopt = [this](int fd) {
    lws_sock_file_fd_type descriptor = {};
    descriptor.filefd = fd;
    return lws_adopt_descriptor_vhost(vhost_, LWS_ADOPT_RAW_FILE_DESC, descriptor, kProtocol,
                                      nullptr);
  };
  signal_fd_ = signal_fd;
  signals_ = adopt(signal_fd);
  if (signals_ == nullptr) return "libwebsockets cannot be set up";
  for (const auto& listener : listeners) {
    const int fd = listener->Release();
    lws* const wsi = adopt(fd);
    if (wsi == nullptr) return "libwebsockets cannot be set up";
    listening_[wsi] = fd;
  }
  waker_.Set(context_);
  return "";
}

bool Server::Run() {
  while (!is_finished_) {
    if (lws_service(context_, 0) < 0) return false;
  }
  return true;
}

int Server::OnEvent(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t size) {
  auto* server = static_cast<Server*>(lws_context_user(lws_get_context(wsi)));
  try {
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
      server->tls_failure_ = server->certificate_.SetUp(static_cast<ssl_ctx_st*>(user));
      return 0;
    }
    return server->Handle(wsi, reason, in, size);
  } catch (const std::exception& e) {  // memory is short: close this connection
    web::Log("a connection is closed: ", e.what());
    return -1;
  }
}

int Server::Handle(lws* wsi, lws_callback_reasons reason, void* in, size_t size) {
  switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE: {
      if (const auto found = listening_.find(wsi); found != listening_.end()) {
        admission_.AcceptAll(found->second);
      } else if (wsi == signals_) {
        std::array<char, 64> signals = {};
        const ssize_t got = read(signal_fd_, signals.data(), signals.size());
        if (got > 0) HandleSignal({signals.data(), static_cast<size_t>(got)});
      }
      return 0;
    }
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
      if (!on_wake_()) Finish();
      Deliver();
      return 0;
    case LWS_CALLBACK_WSI_DESTROY:
      Forget(wsi);
      return 0;
    default:
      break;
  }
  const auto found = connections_.find(wsi);
  if (found == connections_.end()) return 0;
  const std::string_view bytes(static_cast<const char*>(in), in == nullptr ? 0 : size);
  return HandleConnection(wsi, found->second, reason, bytes);
}

int Server::HandleConnection(lws* wsi, Entry& entry, lws_callback_reasons reason,
                             std::string_view bytes) {
  switch (reason) {
    case LWS_CALLBACK_RAW_RX:
      lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);  // that of the handshake
      entry.connection.OnBytes(bytes);
      break;
    case LWS_CALLBACK_RAW_WRITEABLE:
      if (Write(wsi, entry) < 0) return -1;
      break;
    case LWS_CALLBACK_TIMER:
      entry.timer = Clock::time_point::max();
      entry.connection.OnTimer();
      break;
    default:
      return 0;
  }
  return Settle(wsi, entry);
}

int Server::Write(lws* wsi, Entry& entry) {
  const std::string_view output = entry.connection.output();
  const size_t size = std::min(output.size(), kWriteBytes);
  if (size > 0) {
    std::array<unsigned char, LWS_PRE + kWriteBytes> buffer;  // NOLINT: filled below
    std::copy_n(output.begin(), size, buffer.begin() + LWS_PRE);
    if (lws_write(wsi, buffer.data() + LWS_PRE, size, LWS_WRITE_RAW) < static_cast<int>(size)) {
      return -1;
    }
    entry.connection.Sent(size);
  }
  // While a part waits in libwebsockets, it would not read, but spin if there is something to read.
  lws_rx_flow_control(wsi, lws_partial_buffered(wsi) != 0 ? 0 : 1);
  if (lws_partial_buffered(wsi) != 0) lws_callback_on_writable(wsi);
  return 0;
}

int Server::Settle(lws* wsi, Entry& entry) {
  Connection& connection = entry.connection;
  if (connection.must_close()) return -1;
  if (!connection.output().empty()) {
    lws_callback_on_writable(wsi);
  } else if (connection.must_shut() && !entry.is_shut && lws_partial_buffered(wsi) == 0) {
    entry.is_shut = true;
    if (lws_is_ssl(wsi) == 0) shutdown(lws_get_socket_fd(wsi), SHUT_WR);
  }
  const Clock::time_point due = connection.due();
  if (due == entry.timer) return 0;
  entry.timer = due;
  const Clock::time_point now = Clock::now();
  const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(due - now).count() + 1;
  lws_set_timer_usecs(wsi, due == Clock::time_point::max() ? LWS_SET_TIMER_USEC_CANCEL
                                                           : std::max<lws_usec_t>(wait, 1));
  return 0;
}

void Server::SettleFromOutside(lws* wsi, Entry& entry) {
  if (Settle(wsi, entry) < 0) lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

// --- Connections ---

bool Server::IsTls(const web::Accepted& accepted) const {
  return certificate_.is_wanted() && !accepted.local.is_unix;
}

void Server::Refuse(const web::Accepted& accepted) {
  site_.metrics.AddRefusedConnection();
  if (!IsTls(accepted)) web::SendAtOnce(accepted.fd, full_);
}

void Server::Adopt(web::Accepted accepted, web::Admission::Place place) noexcept {
  setsockopt(accepted.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledged, sizeof(kUnacknowledged));
  lws_sock_file_fd_type descriptor = {};
  descriptor.sockfd = accepted.fd;
  const int type = LWS_ADOPT_SOCKET | (IsTls(accepted) ? LWS_ADOPT_ALLOW_SSL : 0);
  lws* const wsi =  // closes the descriptor if it fails
      lws_adopt_descriptor_vhost(vhost_, static_cast<lws_adoption_type>(type), descriptor,
                                 kProtocol, nullptr);
  if (wsi == nullptr || Register(wsi, accepted.local, std::move(place))) return;
  web::Log("", "a connection is closed: there is no memory for it");
  lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

bool Server::Register(lws* wsi, const web::LocalAddress& local,
                      web::Admission::Place place) noexcept {
  try {
    const uint64_t id = next_id_++;
    const auto [at, is_new] = connections_.try_emplace(wsi, site_, id, local, std::move(place));
    by_id_[id] = wsi;
    Settle(wsi, at->second);
    return true;
  } catch (const std::bad_alloc&) {
    Forget(wsi);
    return false;
  }
}

void Server::Forget(lws* wsi) noexcept {
  const auto found = connections_.find(wsi);
  if (found == connections_.end()) return;
  by_id_.erase(found->second.connection.id());
  connections_.erase(found);
}

void Server::Deliver() {
  bool is_incomplete = false;
  for (const uint64_t id : site_.ready->Take(&is_incomplete)) DeliverTo(id);
  if (!is_incomplete) return;
  for (const auto& [id, wsi] : by_id_) DeliverTo(id);
  for (auto each = site_.left.begin(); each != site_.left.end();) DeliverTo((each++)->first);
}

// Where memory is short, only this connection is closed.
void Server::DeliverTo(uint64_t id) noexcept {
  const auto found = by_id_.find(id);
  try {
    if (found == by_id_.end()) return site_.FinishLeft(id);
    Entry& entry = connections_.at(found->second);
    entry.connection.OnNews();
    SettleFromOutside(found->second, entry);
  } catch (const std::exception& e) {
    web::Log("a connection is closed: ", e.what());
    if (found == by_id_.end()) return;
    lws_set_timeout(found->second, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  }
}

// --- The end ---

void Server::HandleSignal(std::string_view signals) {
  if (signals.find('h') != std::string_view::npos && certificate_.is_wanted()) {
    const std::string wrong = certificate_.Reload();
    web::Report(wrong.empty() ? "the certificate has been reloaded"
                              : "the old certificate stays in use: " + wrong);
  }
  if (signals.find('e') != std::string_view::npos) Drain();
}

void Server::Drain() {
  if (site_.draining) return;
  site_.draining = true;
  if (site_.service != nullptr) site_.service->Drain();
  for (auto& [wsi, entry] : connections_) {
    entry.connection.OnDrain();
    SettleFromOutside(wsi, entry);
  }
  After(drain_timer_, static_cast<lws_usec_t>(limits_.drain) * LWS_US_PER_SEC,
        [](lws_sorted_usec_list_t* list) { reinterpret_cast<Timer*>(list)->server->CancelAll(); });
  CheckDrained();
}

// The sockets listen until the end, so that /healthz tells that the server ends.
bool Server::IsDrained() const {
  if (!site_.left.empty()) return false;
  if (site_.service != nullptr && !site_.service->idle()) return false;
  const bool all_idle = std::all_of(connections_.begin(), connections_.end(), [](const auto& each) {
    const Connection& connection = each.second.connection;
    return (connection.must_shut() && lws_partial_buffered(each.first) == 0) || connection.idle();
  });
  return all_idle;
}

void Server::CheckDrained() {
  if (IsDrained()) return Finish();
  After(check_timer_, kCheckPause, [](lws_sorted_usec_list_t* list) {
    reinterpret_cast<Timer*>(list)->server->CheckDrained();
  });
}

void Server::CancelAll() {
  for (auto& [wsi, entry] : connections_) entry.connection.Cancel();
  After(drain_timer_, kFarewell,
        [](lws_sorted_usec_list_t* list) { reinterpret_cast<Timer*>(list)->server->Finish(); });
}

// Wakes the loop, because this may be called from a timer while the loop waits for an event.
void Server::Finish() {
  is_finished_ = true;
  lws_cancel_service(context_);
}

void Server::After(Timer& timer, lws_usec_t wait, sul_cb_t callback) noexcept {
  timer.server = this;
  lws_sul_schedule(context_, 0, &timer.list, callback, wait);
}

}  // namespace server
