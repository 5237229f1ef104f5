// SPDX-License-Identifier: MIT
// Visitors, the seats of those for whom text is generated, and the queue of those who wait for one.
// All on the serving thread. Nothing here knows of sockets.
#ifndef CLAMMA_WS_DEMO_ADMISSION_QUEUE_H_
#define CLAMMA_WS_DEMO_ADMISSION_QUEUE_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "generation.h"
#include "generator.h"
#include "metrics.h"

namespace demo {

using Clock = std::chrono::steady_clock;

// One that is connected.
class Visitor {
 public:
  // A message to send, if one is due.
  std::optional<std::string> Next(Clock::time_point now);
  // When Next() has something: not later than now, if it has already; max() if that is not known.
  Clock::time_point due() const;

  // Handles a message of the page. Returns false if the visitor asks too much to be kept.
  bool Handle(std::string_view text, class AdmissionQueue& queue);

  // Neither waiting nor getting text, since when.
  bool idle() const { return !waiting_ && generation_ == nullptr; }
  Clock::time_point idle_since() const { return idle_since_; }

 private:
  friend class AdmissionQueue;

  bool TakeAllowance();            // for one more message now; false: there is none
  void Send(std::string message);  // with the next calls of Next()

  std::deque<std::string> messages_;  // at most kMaxMessagesToSend
  bool overrun_ = false;              // there would have been more

  bool waiting_ = false;
  size_t place_ = 0;       // in the queue, from 1
  size_t place_sent_ = 0;  // ... as the page knows it
  Request request_;        // what it waits for

  bool seated_ = false;                     // its sessions are kept for it
  std::shared_ptr<Generation> generation_;  // until all has been fetched
  Clock::time_point next_progress_;  // not before, so that quick models make few, longer messages

  double allowance_ = 0;  // messages that it may send now
  Clock::time_point allowance_at_;
  Clock::time_point idle_since_;
};

class AdmissionQueue {
 public:
  struct Rules {
    size_t seats = 1;
    size_t buffer = 65536;  // bytes of text that may wait for a visitor
    std::string model;      // its description
    bool thinks = false;    // its answers begin with what it thinks
    Request defaults;
  };

  // `wake` is called on the generating thread when a visitor's Next() may have something.
  AdmissionQueue(Generator& generator, Metrics& metrics, Rules rules, std::function<void()> wake);

  // What throws, for want of memory, has changed nothing.
  std::unique_ptr<Visitor> Enter();
  void Leave(Visitor& visitor) noexcept;  // its sessions are freed at once

  void Begin(Visitor& visitor, Request request);  // in place of what it gets or waits for
  void Stop(Visitor& visitor);

  // To be called after `wake`: gives seats that became free to those who wait.
  void Admit() noexcept;
  // Whether there is a free seat that somebody waits for, and no memory to begin: Admit() is to be
  // called again after a while.
  bool starved() const { return free_seats_ > 0 && !queue_.empty(); }

  // Nobody gets a seat any more, the queue is emptied, and all visitors get a message, unless
  // memory is short.
  void Drain(unsigned seconds) noexcept;
  void StopAll() noexcept;  // what is still generated ends as stopped

  const Request& defaults() const { return rules_.defaults; }

 private:
  void Release(Visitor& visitor) noexcept;  // frees its seat
  void Dequeue(Visitor& visitor) noexcept;
  void Abandon(Visitor& visitor) noexcept;
  void Seat(Visitor& visitor);
  void Count() noexcept;  // for the metrics

  Generator& generator_;
  Metrics& metrics_;
  const Rules rules_;
  const std::function<void()> wake_;
  bool draining_ = false;
  size_t free_seats_;
  std::deque<Visitor*> queue_;
  std::unordered_set<Visitor*> visitors_;
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_ADMISSION_QUEUE_H_
