// SPDX-License-Identifier: MIT
// The visitors, the seats of visitors for whom text is generated, and the queue of those who wait
// for a seat. Used only on the serving thread. Independent of sockets.
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

// A connected visitor.
class Visitor {
 public:
  // The next message to send, if one is due.
  std::optional<std::string> Next(Clock::time_point now);
  // When Next() will have a message: not later than now if it has one; max() if unknown.
  Clock::time_point due() const;

  // Handles a message of the page. Returns false if the visitor sends too many messages and must be
  // disconnected.
  bool Handle(std::string_view text, class AdmissionQueue& queue);

  // Whether the visitor neither waits nor receives text, and since when.
  bool idle() const { return !waiting_ && generation_ == nullptr; }
  Clock::time_point idle_since() const { return idle_since_; }

 private:
  friend class AdmissionQueue;

  bool TakeAllowance();            // for one more message; false: it is used up
  void Send(std::string message);  // queues a message for Next()

  std::deque<std::string> messages_;  // at most kMaxMessagesToSend
  bool overrun_ = false;              // there were more messages to send

  bool waiting_ = false;
  size_t place_ = 0;       // in the queue, from 1
  size_t place_sent_ = 0;  // ... as last sent to the page
  Request request_;        // that waits

  bool seated_ = false;                     // sessions are reserved for it
  std::shared_ptr<Generation> generation_;  // until everything has been fetched
  Clock::time_point
      next_progress_;  // the earliest time: fast models then send few, longer messages

  double allowance_ = 0;  // number of messages that the page may send at present
  Clock::time_point allowance_at_;
  Clock::time_point idle_since_;
};

class AdmissionQueue {
 public:
  struct Rules {
    size_t seats = 1;
    size_t buffer = 65536;  // bytes of text that may wait for a visitor
    std::string model;      // description of the model
    bool thinks = false;    // its answers begin inside its reasoning
    Request defaults;
  };

  // `wake` is called on the generating thread when a visitor's Next() may have something.
  AdmissionQueue(Generator& generator, Metrics& metrics, Rules rules, std::function<void()> wake);

  // Functions that throw, because memory is short, change nothing.
  std::unique_ptr<Visitor> Enter();
  void Leave(Visitor& visitor) noexcept;  // its sessions are destroyed at once

  void Begin(Visitor& visitor, Request request);  // replaces its running or waiting request
  void Stop(Visitor& visitor);

  // Call it after `wake`: gives free seats to waiting visitors.
  void Admit() noexcept;
  // Whether a visitor waits although a seat is free, because there was no memory to begin: call
  // Admit() again after a while.
  bool starved() const { return free_seats_ > 0 && !queue_.empty(); }

  // Assigns no more seats, empties the queue, and sends all visitors a message, unless memory is
  // short.
  void Drain(unsigned seconds) noexcept;
  void StopAll() noexcept;  // ends running generations as stopped

  const Request& defaults() const { return rules_.defaults; }

 private:
  void Release(Visitor& visitor) noexcept;  // frees its seat
  void Dequeue(Visitor& visitor) noexcept;
  void Abandon(Visitor& visitor) noexcept;
  void Seat(Visitor& visitor);
  void Count() noexcept;  // updates the metrics

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
