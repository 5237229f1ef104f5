// SPDX-License-Identifier: MIT
// The serving thread: libwebsockets' loop, the connections, and shutdown.
#ifndef CLAMMA_WS_DEMO_SERVER_H_
#define CLAMMA_WS_DEMO_SERVER_H_

#include <libwebsockets.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admission.h"
#include "admission_queue.h"
#include "http.h"
#include "listener.h"
#include "metrics.h"
#include "origins.h"
#include "waker.h"

namespace demo {

class Server {
 public:
  struct Limits {
    web::ConnectionLimits connections = {.total = 256, .per_address = 16};
    unsigned idle = 600;  // seconds that a visitor may stay connected without a request
    unsigned drain = 10;  // seconds that running texts may continue when the server shuts down
  };

  // All arguments passed by reference must outlive the server.
  Server(AdmissionQueue& queue, Metrics& metrics, web::Waker& waker, const web::Origins& origins,
         const Limits& limits)
      : queue_(queue),
        metrics_(metrics),
        waker_(waker),
        origins_(origins),
        limits_(limits),
        admission_(
            limits.connections,
            [this](web::Accepted accepted, web::Admission::Place place) {
              Adopt(std::move(accepted), std::move(place));
            },
            RefuseConnection) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over the listener's socket and `end_fd`, which becomes readable when the server must
  // drain and end. Returns false if libwebsockets fails, which has logged the reason.
  bool Start(web::Listener& listener, int end_fd);

  // Serves until shutdown. Returns false if libwebsockets fails.
  bool Run();

 private:
  // An accepted connection, with a WebSocket or without.
  struct Connection {
    Connection(web::LocalAddress address, web::Admission::Place taken)
        : place(std::move(taken)), local(std::move(address)) {}
    web::Admission::Place place;
    web::LocalAddress local;
    std::optional<Reply> reply;        // a reply whose body must be sent
    bool socket = false;               // a WebSocket, also while it is being closed
    std::unique_ptr<Visitor> visitor;  // until it is being closed
    std::string received;              // the part of an incomplete message
    size_t empty_parts = 0;            // number of its empty fragments
    Clock::time_point timer = Clock::time_point::max();  // when libwebsockets calls back
  };
  struct Timer {
    lws_sorted_usec_list_t list;  // first
    Server* server;
  };

  static int OnEvent(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t size);
  int Handle(lws* wsi, lws_callback_reasons reason, void* in, size_t size);
  int HandleSocket(lws* wsi, Connection& connection, lws_callback_reasons reason, void* in,
                   size_t size);

  Mode mode() const { return queue_.defaults().mode; }

  void Adopt(web::Accepted accepted, web::Admission::Place place) noexcept;
  static void RefuseConnection(const web::Accepted& accepted);
  // Returns false if there is no memory for it.
  bool Register(lws* wsi, web::LocalAddress local, web::Admission::Place place) noexcept;
  void Forget(lws* wsi) noexcept;

  int OnRequest(lws* wsi, Connection& connection, std::string_view path);
  int OnUpgrade(lws* wsi, Connection& connection, std::string_view protocol);
  // Each returns a refusal, or no value if the request is accepted.
  std::optional<Reply> CheckHost(lws* wsi, const Connection& connection) const;
  std::optional<Reply> CheckOrigin(lws* wsi) const;
  static int Refuse(lws* wsi, const Reply& reply);

  // Closes a WebSocket; its sessions are destroyed at once. The handler must return the result.
  int Close(lws* wsi, Connection& connection, int status, std::string_view reason);
  void Dismiss(Connection& connection) noexcept;

  int OnMessage(lws* wsi, Connection& connection, std::string_view part);
  int OnWritable(lws* wsi, Connection& connection);

  // Schedules a callback for every visitor when there is something to do for it.
  void ScheduleAll() noexcept;
  void Schedule(lws* wsi, Connection& connection);

  void Drain() noexcept;
  void Finish();
  void After(Timer& timer, unsigned seconds, sul_cb_t callback) noexcept;

  AdmissionQueue& queue_;
  Metrics& metrics_;
  web::Waker& waker_;
  const web::Origins origins_;
  const Limits limits_;
  lws_context* context_ = nullptr;
  lws_vhost* vhost_ = nullptr;
  lws* listening_ = nullptr;
  lws* ending_ = nullptr;
  int listen_fd_ = -1;
  Timer drain_timer_ = {};
  Timer admit_timer_ = {};
  bool admit_scheduled_ = false;
  bool draining_ = false;
  bool finished_ = false;
  web::Admission admission_;
  std::unordered_map<lws*, Connection> connections_;
  size_t sockets_ = 0;  // connections that are WebSockets
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_SERVER_H_
