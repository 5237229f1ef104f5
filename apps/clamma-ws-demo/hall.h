// SPDX-License-Identifier: MIT
// Visitors, the seats for those who are told stories, and the queue of those who wait for one. All
// on the serving thread. Nothing here knows of sockets.
#ifndef CLAMMA_WS_DEMO_HALL_H_
#define CLAMMA_WS_DEMO_HALL_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "generator.h"
#include "metrics.h"
#include "stories.h"

namespace demo {

using Clock = std::chrono::steady_clock;

// One that is connected.
class Visitor {
 public:
  // A message to send, if one is due.
  std::optional<std::string> Next(Clock::time_point now);
  // When Next() has something: not later than now, if it has already; max() if that is not known.
  Clock::time_point due() const;

  // Takes a message of the page. Returns false if the visitor asks too much to be kept.
  bool Ask(std::string_view text, class Hall& hall);

  // Neither waiting nor being told anything, since when.
  bool idle() const { return !waiting_ && stories_ == nullptr; }
  Clock::time_point idle_since() const { return idle_since_; }

 private:
  friend class Hall;

  bool Allowed();                  // one more message now
  void Tell(std::string message);  // queues it

  std::deque<std::string> messages_;  // at most kMostMessages
  bool overrun_ = false;              // there would have been more

  bool waiting_ = false;
  size_t place_ = 0;       // in the queue, from 1
  size_t place_told_ = 0;  // to the page
  Request request_;        // what it waits for

  bool seated_ = false;               // two sessions are kept for it
  std::shared_ptr<Stories> stories_;  // until all has been fetched
  Clock::time_point next_progress_;   // not before, so that quick models make few, longer messages

  double allowance_ = 0;  // messages that it may send now
  Clock::time_point allowance_at_;
  Clock::time_point idle_since_;
};

class Hall {
 public:
  struct Rules {
    size_t seats = 1;
    size_t buffer = 65536;  // bytes of text that may wait for a visitor
    std::string model;      // its description
    Request defaults;
  };

  // `wake` is called on the generating thread when a visitor's Next() may have something.
  Hall(Generator& generator, Metrics& metrics, Rules rules, std::function<void()> wake);

  std::unique_ptr<Visitor> Enter();
  void Leave(Visitor& visitor);  // its sessions are freed at once

  void Begin(Visitor& visitor, Request request);  // instead of what it is told or waits for
  void Stop(Visitor& visitor);

  // After `wake`: gives seats that became free to those who wait.
  void Update();

  // Nobody is seated any more, and those who wait are sent away. All are told.
  void Drain(unsigned seconds);
  void StopAll();  // whatever is still told ends as stopped

  const Request& defaults() const { return rules_.defaults; }

 private:
  void Rise(Visitor& visitor);  // frees its seat
  void Quit(Visitor& visitor);  // the queue
  void Abandon(Visitor& visitor);
  void Seat(Visitor& visitor);
  void Count();  // for the metrics

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

#endif  // CLAMMA_WS_DEMO_HALL_H_
