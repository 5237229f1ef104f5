// SPDX-License-Identifier: MIT
#include "server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "log.h"
#include "messages.h"

namespace demo {
namespace {

constexpr const char* kSocketPath = "/stories";
constexpr const char* kProtocol = "clamma-stories";
constexpr size_t kKeyBytes = 24;       // of 16 bytes in base64
constexpr int kHeaderSeconds = 10;     // for a request's headers to arrive
constexpr int kKeepAliveSeconds = 5;   // for the next request on a connection
constexpr int kFarewellSeconds = 2;    // for a visitor's last messages
constexpr uint16_t kPingSeconds = 20;  // of silence before a ping
constexpr uint16_t kSilenceSeconds = 30;
constexpr size_t kHeaderBytes = 4096;
constexpr size_t kMaxEmptyParts = 64;  // empty fragments per message
constexpr unsigned kAdmitSeconds = 1;  // before another attempt to get memory
constexpr int kCloseIdle = 4000;       // the first code for applications; the page knows it

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    "content-security-policy: default-src 'none'\r\nx-content-type-options: nosniff\r\n"
    "referrer-policy: no-referrer\r\nretry-after: 10\r\ncontent-length: 29\r\n\r\nthere are too "
    "many visitors.\n";

const lws_retry_bo_t kSilence = {nullptr, 0, 0, kPingSeconds, kSilenceSeconds, 0};

void OnLog(int, const char* line) { web::Log("libwebsockets: ", line); }

// The value of a header; "" if it is missing.
std::string Header(lws* wsi, lws_token_indexes token) {
  const int size = lws_hdr_total_length(wsi, token);
  if (size <= 0) return "";
  // Several headers of that name are joined by commas, which need room.
  std::string text(static_cast<size_t>(size) + 64, '\0');
  const int copied = lws_hdr_copy(wsi, text.data(), static_cast<int>(text.size()), token);
  text.resize(copied > 0 ? static_cast<size_t>(copied) : 0);
  return text;
}

// A refusal that a command-line option avoids. It is also logged, so that the operator sees it.
Reply NotAllowed(std::string_view reason, const std::string& origin) {
  std::string text(reason);
  text += ". ";
  if (web::Origins::IsOrigin(origin)) {
    text += "Start clamma-ws-demo with --allow-origin " + origin + " if that is yours";
  } else {
    text += "Start clamma-ws-demo with --allow-origin ORIGIN to serve further names";
  }
  web::Log("refused: ", text);
  return Refusal(HTTP_STATUS_FORBIDDEN, text);
}

// Whether a list of subprotocols contains clamma-stories, or is empty.
bool NamesProtocol(std::string_view list) {
  if (list.empty()) return true;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    if (name == kProtocol) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// Checks a request for a WebSocket, except its Host, Origin and path. Returns a refusal, or no
// value.
std::optional<Reply> CheckHandshake(lws* wsi) {
  if (Header(wsi, WSI_TOKEN_VERSION) != "13") {
    return Refusal(kUpgradeRequired, "only version 13 of the WebSocket protocol is supported");
  }
  const std::string key = Header(wsi, WSI_TOKEN_KEY);
  if (key.size() != kKeyBytes || !key.ends_with("==")) {
    return Refusal(HTTP_STATUS_BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64");
  }
  if (!NamesProtocol(Header(wsi, WSI_TOKEN_PROTOCOL))) {
    return Refusal(HTTP_STATUS_BAD_REQUEST, "unknown subprotocol: name clamma-stories, or none");
  }
  return std::nullopt;
}

// Whether the code at the beginning of a close frame is allowed. libwebsockets refuses undefined
// codes below 3000, but accepts any code above.
bool IsCloseCode(std::string_view frame) {
  if (frame.size() < 2) return true;  // without a code
  const auto high = static_cast<unsigned char>(frame[0]);
  const auto low = static_cast<unsigned char>(frame[1]);
  return high * 256 + low < 5000;
}

// Completes a request: the connection waits for the next one, or closes. (libwebsockets would
// ignore the result 1.)
int Complete(lws* wsi) { return lws_http_transaction_completed(wsi) == 0 ? 0 : -1; }

}  // namespace

Server::~Server() {
  waker_.Set(nullptr);
  if (context_ != nullptr) lws_context_destroy(context_);
}

bool Server::Start(web::Listener& listener, int end_fd) {
  static const std::array<lws_protocols, 2> protocols = {{
      {kProtocol, &Server::OnEvent, 0, kHeaderBytes, 0, nullptr, 0},
      {nullptr, nullptr, 0, 0, 0, nullptr, 0},
  }};
  lws_set_log_level(LLL_ERR, &OnLog);
  lws_context_creation_info info = {};
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.protocols = protocols.data();
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                 LWS_SERVER_OPTION_VALIDATE_UTF8;
  info.user = this;
  info.server_string = "clamma-ws-demo";
  info.headers = SecurityHeaders();
  info.timeout_secs = kHeaderSeconds;
  info.timeout_secs_ah_idle = kHeaderSeconds;
  info.keepalive_timeout = kKeepAliveSeconds;
  info.retry_and_idle_policy = &kSilence;
  info.max_http_header_data2 = kHeaderBytes;
  info.max_http_header_pool2 = static_cast<unsigned>(limits_.connections.total);
  context_ = lws_create_context(&info);
  if (context_ == nullptr) return false;
  vhost_ = lws_create_vhost(context_, &info);
  if (vhost_ == nullptr) return false;

  const auto adopt = [this](int fd) {
    lws_sock_file_fd_type descriptor = {};
    descriptor.filefd = fd;
    return lws_adopt_descriptor_vhost(vhost_, LWS_ADOPT_RAW_FILE_DESC, descriptor, kProtocol,
                                      nullptr);
  };
  ending_ = adopt(end_fd);
  listen_fd_ = listener.Release();
  listening_ = adopt(listen_fd_);
  waker_.Set(context_);
  return ending_ != nullptr && listening_ != nullptr;
}

bool Server::Run() {
  while (!finished_) {
    if (lws_service(context_, 0) < 0) return false;
  }
  return true;
}

int Server::OnEvent(lws* wsi, lws_callback_reasons reason, void*, void* in, size_t size) {
  auto* server = static_cast<Server*>(lws_context_user(lws_get_context(wsi)));
  try {
    return server->Handle(wsi, reason, in, size);
  } catch (const std::exception& e) {  // memory is short: close this connection
    web::Log("a connection is closed: ", e.what());
    return -1;
  }
}

int Server::Handle(lws* wsi, lws_callback_reasons reason, void* in, size_t size) {
  switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
      if (wsi == listening_) {
        admission_.AcceptAll(listen_fd_);
      } else if (wsi == ending_) {
        Drain();
        return -1;  // it is no longer needed
      }
      return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
      queue_.Admit();
      ScheduleAll();
      return 0;
    case LWS_CALLBACK_WSI_DESTROY:
      Forget(wsi);
      return 0;
    default:
      break;
  }
  const auto found = connections_.find(wsi);
  if (found == connections_.end()) {
    // A connection that could not be registered gets no answer; it is about to be closed.
    return reason == LWS_CALLBACK_HTTP || reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE ? -1 : 0;
  }
  return HandleSocket(wsi, found->second, reason, in, size);
}

int Server::HandleSocket(lws* wsi, Connection& connection, lws_callback_reasons reason, void* in,
                         size_t size) {
  const auto* bytes = static_cast<const char*>(in);
  const std::string_view text(bytes, bytes == nullptr ? 0 : size);
  switch (reason) {
    case LWS_CALLBACK_HTTP:
      return OnRequest(wsi, connection, text);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
      return OnUpgrade(wsi, connection, bytes == nullptr ? "" : bytes);
    case LWS_CALLBACK_HTTP_WRITEABLE:
      if (!connection.reply) return 0;
      if (!SendBody(wsi, *connection.reply)) return -1;
      connection.reply.reset();
      return Complete(wsi);
    case LWS_CALLBACK_ESTABLISHED:
      connection.visitor = queue_.Enter();
      connection.socket = true;
      ++sockets_;
      Schedule(wsi, connection);
      return 0;
    case LWS_CALLBACK_RECEIVE:
      return OnMessage(wsi, connection, text);
    case LWS_CALLBACK_SERVER_WRITEABLE:
      return OnWritable(wsi, connection);
    case LWS_CALLBACK_TIMER:
      connection.timer = Clock::time_point::max();
      lws_callback_on_writable(wsi);
      return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      if (!IsCloseCode(text)) {
        return Close(wsi, connection, LWS_CLOSE_STATUS_PROTOCOL_ERR, "invalid close code");
      }
      Dismiss(connection);
      return 0;
    case LWS_CALLBACK_CLOSED:
      Forget(wsi);
      return 0;
    case LWS_CALLBACK_RAW_ADOPT:
      return -1;  // CONNECT, after which there would be no time limit
    default:
      return 0;
  }
}

// --- Connections ---

void Server::RefuseConnection(const web::Accepted& accepted) {
  web::SendAtOnce(accepted.fd, kFull);
}

void Server::Adopt(web::Accepted accepted, web::Admission::Place place) noexcept {
  lws* wsi = lws_adopt_socket_vhost(vhost_, accepted.fd);  // closes the descriptor if it fails
  if (wsi == nullptr || Register(wsi, std::move(accepted.local), std::move(place))) {
    return;
  }
  web::Log("", "a connection is closed: there is no memory for it");
  lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

bool Server::Register(lws* wsi, web::LocalAddress local, web::Admission::Place place) noexcept {
  try {
    connections_.try_emplace(wsi, std::move(local), std::move(place));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Server::Forget(lws* wsi) noexcept {
  const auto found = connections_.find(wsi);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  Dismiss(connection);
  if (connection.socket && --sockets_ == 0 && draining_) Finish();
  connections_.erase(found);
}

// --- HTTP ---

std::optional<Reply> Server::CheckHost(lws* wsi, const Connection& connection) const {
  const std::string host = Header(wsi, WSI_TOKEN_HOST);
  if (host.empty()) return Refusal(HTTP_STATUS_BAD_REQUEST, "the request has no Host");
  if (origins_.Serves(host, connection.local)) return std::nullopt;
  return NotAllowed("This server does not know the name in the request's Host", "http://" + host);
}

std::optional<Reply> Server::CheckOrigin(lws* wsi) const {
  const std::string origin = Header(wsi, WSI_TOKEN_ORIGIN);
  if (origins_.Allows(origin, Header(wsi, WSI_TOKEN_HOST))) return std::nullopt;
  return NotAllowed("The WebSocket is not for pages of that Origin", origin);
}

// Sends a short answer at once, and closes the connection.
int Server::Refuse(lws* wsi, const Reply& reply) {
  if (SendHead(wsi, reply, true)) SendBody(wsi, reply);
  return -1;
}

int Server::OnRequest(lws* wsi, Connection& connection, std::string_view path) {
  if (const std::optional<Reply> refusal = CheckHost(wsi, connection)) return Refuse(wsi, *refusal);
  char* uri = nullptr;
  int size = 0;
  const int method = lws_http_get_uri_and_method(wsi, &uri, &size);
  if (method != LWSHUMETH_GET && method != LWSHUMETH_HEAD) {
    return Refuse(wsi, Refusal(HTTP_STATUS_METHOD_NOT_ALLOWED, "only GET and HEAD are answered"));
  }
  Reply reply = Find(path, mode(), metrics_, draining_);
  const bool body_follows = method == LWSHUMETH_GET;
  if (!SendHead(wsi, reply, body_follows)) return -1;
  if (!body_follows) return Complete(wsi);
  connection.reply = std::move(reply);
  lws_callback_on_writable(wsi);
  return 0;
}

int Server::OnUpgrade(lws* wsi, Connection& connection, std::string_view protocol) {
  if (protocol.size() != 9 || !std::equal(protocol.begin(), protocol.end(), "websocket",
                                          [](char a, char b) { return (a | 0x20) == b; })) {
    return -1;  // an upgrade to HTTP/2 or another protocol
  }
  if (const std::optional<Reply> refusal = CheckHost(wsi, connection)) return Refuse(wsi, *refusal);
  if (Header(wsi, WSI_TOKEN_GET_URI) != kSocketPath) {
    return Refuse(wsi, Refusal(HTTP_STATUS_NOT_FOUND, "there is no WebSocket at this address"));
  }
  if (const std::optional<Reply> refusal = CheckOrigin(wsi)) return Refuse(wsi, *refusal);
  if (const std::optional<Reply> refusal = CheckHandshake(wsi)) return Refuse(wsi, *refusal);
  if (draining_) {
    return Refuse(wsi, Refusal(HTTP_STATUS_SERVICE_UNAVAILABLE, "the server is shutting down"));
  }
  return 0;
}

// --- WebSockets ---

void Server::Dismiss(Connection& connection) noexcept {
  if (connection.visitor == nullptr) return;
  queue_.Leave(*connection.visitor);
  connection.visitor.reset();
  ScheduleAll();  // waiting visitors move up in the queue
}

int Server::Close(lws* wsi, Connection& connection, int status, std::string_view reason) {
  Dismiss(connection);
  std::array<unsigned char, 123> text = {};  // the longest reason of a close frame
  const size_t size = reason.copy(reinterpret_cast<char*>(text.data()), text.size());
  lws_close_reason(wsi, static_cast<lws_close_status>(status), text.data(), size);
  return -1;
}

int Server::OnMessage(lws* wsi, Connection& connection, std::string_view part) {
  if (connection.visitor == nullptr) return 0;  // it is being closed
  if (lws_frame_is_binary(wsi) != 0) {
    return Close(wsi, connection, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "messages must be text");
  }
  if (lws_is_first_fragment(wsi) != 0) {
    connection.received.clear();
    connection.empty_parts = 0;
  }
  if (part.empty() && ++connection.empty_parts > kMaxEmptyParts) {
    return Close(wsi, connection, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many empty fragments");
  }
  if (connection.received.size() + part.size() > MaxMessageBytes(mode())) {
    return Close(wsi, connection, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "the message is too large");
  }
  connection.received += part;
  if (lws_is_final_fragment(wsi) == 0) return 0;
  const std::string message = std::move(connection.received);
  connection.received = {};
  if (!connection.visitor->Handle(message, queue_)) {
    return Close(wsi, connection, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many messages");
  }
  ScheduleAll();
  return 0;
}

int Server::OnWritable(lws* wsi, Connection& connection) {
  if (connection.visitor == nullptr) return 0;
  Visitor& visitor = *connection.visitor;
  const Clock::time_point now = Clock::now();
  if (const std::optional<std::string> message = visitor.Next(now)) {
    std::vector<unsigned char> buffer(LWS_PRE + message->size());
    std::copy(message->begin(), message->end(), buffer.begin() + LWS_PRE);
    if (lws_write(wsi, buffer.data() + LWS_PRE, message->size(), LWS_WRITE_TEXT) <
        static_cast<int>(message->size())) {
      return -1;
    }
  } else if (visitor.idle() && draining_) {
    return Close(wsi, connection, LWS_CLOSE_STATUS_GOINGAWAY, "the server ends");
  } else if (visitor.idle() && now >= visitor.idle_since() + std::chrono::seconds(limits_.idle)) {
    return Close(wsi, connection, kCloseIdle, "idle");
  }
  Schedule(wsi, connection);
  return 0;
}

void Server::ScheduleAll() noexcept {
  for (auto& [wsi, connection] : connections_) {
    if (connection.visitor != nullptr) Schedule(wsi, connection);
  }
  if (!queue_.starved() || admit_scheduled_) return;
  admit_scheduled_ = true;
  After(admit_timer_, kAdmitSeconds, [](lws_sorted_usec_list_t* list) {
    Server& server = *reinterpret_cast<Timer*>(list)->server;
    server.admit_scheduled_ = false;
    server.queue_.Admit();
    server.ScheduleAll();
  });
}

void Server::Schedule(lws* wsi, Connection& connection) {
  const Visitor& visitor = *connection.visitor;
  const Clock::time_point now = Clock::now();
  Clock::time_point due = visitor.due();
  if (visitor.idle()) {
    const auto idle = std::chrono::seconds(draining_ ? 0 : limits_.idle);
    due = std::min(due, visitor.idle_since() + idle);
  }
  if (due <= now) {
    lws_callback_on_writable(wsi);
    return;
  }
  if (due == connection.timer) return;
  connection.timer = due;
  const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(due - now).count() + 1;
  lws_set_timer_usecs(wsi, due == Clock::time_point::max() ? LWS_SET_TIMER_USEC_CANCEL : wait);
}

// --- Shutdown ---

// The callback is called from C, and must not throw.
void Server::After(Timer& timer, unsigned seconds, sul_cb_t callback) noexcept {
  timer.server = this;
  lws_sul_schedule(context_, 0, &timer.list, callback,
                   static_cast<lws_usec_t>(seconds) * LWS_US_PER_SEC);
}

// Wakes the loop, because this may be called from a timer while the loop waits for an event.
void Server::Finish() {
  finished_ = true;
  lws_cancel_service(context_);
}

void Server::Drain() noexcept {
  draining_ = true;
  lws_set_timeout(listening_, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  if (sockets_ == 0) Finish();
  queue_.Drain(limits_.drain);
  ScheduleAll();
  After(drain_timer_, limits_.drain, [](lws_sorted_usec_list_t* list) {
    Server& server = *reinterpret_cast<Timer*>(list)->server;
    server.queue_.StopAll();
    server.ScheduleAll();
    server.After(server.drain_timer_, kFarewellSeconds, [](lws_sorted_usec_list_t* last) {
      reinterpret_cast<Timer*>(last)->server->Finish();
    });
  });
}

}  // namespace demo
