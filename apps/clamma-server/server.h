// SPDX-License-Identifier: MIT
// libwebsockets' loop: sockets, TLS and timers. What is said over a connection is Connection's
// matter: libwebsockets' own HTTP closes a connection whose header is too large instead of
// answering 431, takes the next request of a pipeline for more of a body, and decodes no chunks.
#ifndef CLAMMA_SERVER_SERVER_H_
#define CLAMMA_SERVER_SERVER_H_

#include <libwebsockets.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admission.h"
#include "connection.h"
#include "listener.h"
#include "site.h"
#include "tls.h"
#include "waker.h"

namespace server {

class Server {
 public:
  struct Limits {
    web::ConnectionLimits connections = {.total = 512, .per_address = 64};
    unsigned drain = 30;  // seconds that running answers may go on when the server ends
  };

  // Called on the loop's thread when another thread woke it; returns false to end the loop.
  using OnWake = std::function<bool()>;

  // All arguments passed by reference must outlive the server.
  Server(Site& site, web::Waker& waker, Certificate& certificate, const Limits& limits,
         OnWake on_wake)
      : site_(site),
        waker_(waker),
        certificate_(certificate),
        limits_(limits),
        on_wake_(std::move(on_wake)),
        admission_(
            limits.connections,
            [this](web::Accepted accepted, web::Admission::Place place) {
              Adopt(std::move(accepted), std::move(place));
            },
            [this](const web::Accepted& accepted) { Refuse(accepted); }) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over the sockets and the descriptor of web::HandleSignals(). Returns "" or the reason of
  // a failure.
  std::string Start(std::vector<std::unique_ptr<web::Listener>>& listeners, int signal_fd);

  // Serves until the end. Returns false if libwebsockets fails.
  bool Run();

  // Closes all connections, which cancels what runs for them.
  void Stop();

 private:
  struct Entry {
    Entry(Site& site, uint64_t id, const web::LocalAddress& local, web::Admission::Place taken)
        : place(std::move(taken)), connection(site, id, local) {}
    web::Admission::Place place;
    Connection connection;
    bool is_shut = false;  // its sending side
    Clock::time_point timer = Clock::time_point::max();
  };
  struct Timer {
    lws_sorted_usec_list_t list;  // first
    Server* server;
  };

  static int OnEvent(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t size);
  int Handle(lws* wsi, lws_callback_reasons reason, void* in, size_t size);
  static int HandleConnection(lws* wsi, Entry& entry, lws_callback_reasons reason,
                              std::string_view bytes);
  void HandleSignal(std::string_view signals);
  static int Write(lws* wsi, Entry& entry);

  // Does what the connection's state asks for. Returns -1 if it is to be closed.
  static int Settle(lws* wsi, Entry& entry);
  // The same, outside of its own callback.
  static void SettleFromOutside(lws* wsi, Entry& entry);

  bool IsTls(const web::Accepted& accepted) const;
  void Adopt(web::Accepted accepted, web::Admission::Place place) noexcept;
  void Refuse(const web::Accepted& accepted);
  // Returns false if there is no memory for it.
  bool Register(lws* wsi, const web::LocalAddress& local, web::Admission::Place place) noexcept;
  void Forget(lws* wsi) noexcept;

  void Deliver();  // the news of answers
  void DeliverTo(uint64_t id) noexcept;
  void Drain();
  bool IsDrained() const;
  void CheckDrained();  // again and again until it is
  void CancelAll();
  void Finish();
  void After(Timer& timer, lws_usec_t wait, sul_cb_t callback) noexcept;

  Site& site_;
  web::Waker& waker_;
  Certificate& certificate_;
  const Limits limits_;
  const OnWake on_wake_;
  lws_context* context_ = nullptr;
  lws_vhost* vhost_ = nullptr;
  lws* signals_ = nullptr;
  int signal_fd_ = -1;
  std::unordered_map<lws*, int> listening_;  // and their descriptors
  web::Admission admission_;
  std::unordered_map<lws*, Entry> connections_;
  std::unordered_map<uint64_t, lws*> by_id_;
  uint64_t next_id_ = 1;
  Timer drain_timer_ = {};
  Timer check_timer_ = {};
  std::string tls_failure_;
  std::string full_;  // the answer to a connection for which there is no room
  bool is_finished_ = false;
};

}  // namespace server

#endif  // CLAMMA_SERVER_SERVER_H_
