// SPDX-License-Identifier: MIT
// A request that was taken, and the answer to it.
#ifndef CLAMMA_APPS_OPENAI_CALL_H_
#define CLAMMA_APPS_OPENAI_CALL_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "openai/counters.h"
#include "openai/errors.h"
#include "openai/service.h"

namespace openai {

// What a cancelled request must do at once, on any thread.
class Cancellable {
 public:
  Cancellable() = default;
  Cancellable(const Cancellable&) = delete;
  Cancellable& operator=(const Cancellable&) = delete;
  virtual ~Cancellable() = default;
  virtual void OnCancel() noexcept = 0;
};

// Makes sure that the answer begins and ends exactly once, and counts it. One thread at a time may
// call the functions that answer.
class Call : public Service::Ticket {
 public:
  Call(Request request, std::shared_ptr<Answer> answer, Counters& counters);

  const Request& request() const { return request_; }
  void DropBody() { request_.body = std::string(); }

  void Cancel() noexcept override;
  bool cancelled() const noexcept { return is_cancelled_; }
  // Who is told of Cancel() from now on, besides the queue.
  void SetCancellable(std::weak_ptr<Cancellable> target) noexcept;

  // Begins a stream by 200, if that was not done.
  void BeginStream(const std::vector<Header>& headers) noexcept;
  // Sends an event, or does nothing after a cancellation. Returns false if the reader is gone.
  bool Send(std::string_view event, std::string data) noexcept;
  void End(const Usage& usage) noexcept;

  // Whole answers.
  void Reply(int status, const std::vector<Header>& headers, std::string body,
             const Usage& usage) noexcept;
  // Answers by an error: if a stream has begun, by an event, and without "[DONE]".
  void Fail(const ApiError& error, const Usage& usage = {}) noexcept;
  // An error in a stream becomes an event of the name "error", with a number, as those of
  // /v1/responses.
  void NameErrorEvents() { names_error_events_ = true; }
  // Ends a request that was cancelled.
  void EndCancelled(const Usage& usage) noexcept;

  bool has_begun() const { return has_begun_; }
  bool has_ended() const { return has_ended_; }

  using Clock = std::chrono::steady_clock;
  double SecondsSince(Clock::time_point now) const {
    return std::chrono::duration<double>(now - taken_).count();
  }

 private:
  void Begin(int status, const std::vector<Header>& headers, bool streams) noexcept;

  Request request_;
  const std::shared_ptr<Answer> answer_;
  Counters& counters_;
  const Clock::time_point taken_ = Clock::now();
  std::atomic<bool> is_cancelled_{false};
  std::atomic<bool> has_begun_{false};
  std::atomic<bool> has_ended_{false};
  bool names_error_events_ = false;
  uint64_t n_events_ = 0;

  std::mutex mutex_;
  std::weak_ptr<Cancellable> target_;  // needs the lock
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_CALL_H_
