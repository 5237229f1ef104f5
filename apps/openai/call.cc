// SPDX-License-Identifier: MIT
#include "openai/call.h"

#include <exception>
#include <utility>

namespace openai {
namespace {

constexpr int kCancelledStatus = 499;

}  // namespace

Call::Call(Request request, std::shared_ptr<Answer> answer, Counters& counters)
    : request_(std::move(request)), answer_(std::move(answer)), counters_(counters) {}

void Call::Cancel() noexcept {
  std::shared_ptr<Cancellable> target;
  {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    target = target_.lock();
  }
  if (target != nullptr) target->OnCancel();
}

void Call::SetCancellable(std::weak_ptr<Cancellable> target) noexcept {
  const std::lock_guard lock(mutex_);
  target_ = std::move(target);
}

void Call::Begin(int status, const std::vector<Header>& headers, bool streams) noexcept {
  if (has_begun_.exchange(true)) return;
  counters_.AddAnswer(request_.endpoint, status);
  answer_->Begin(status, headers, streams);
}

void Call::BeginStream(const std::vector<Header>& headers) noexcept { Begin(200, headers, true); }

bool Call::Send(std::string_view event, std::string data) noexcept {
  if (is_cancelled_ || has_ended_) return false;
  ++n_events_;
  if (answer_->Send(event, std::move(data))) return true;
  is_cancelled_ = true;
  return false;
}

void Call::End(const Usage& usage) noexcept {
  if (has_ended_.exchange(true)) return;
  if (is_cancelled_) counters_.AddCancelled();
  answer_->End(usage);
}

void Call::Reply(int status, const std::vector<Header>& headers, std::string body,
                 const Usage& usage) noexcept {
  if (is_cancelled_) return EndCancelled(usage);
  Begin(status, headers, false);
  Send("", std::move(body));
  End(usage);
}

void Call::Fail(const ApiError& error, const Usage& usage) noexcept {
  if (is_cancelled_) return EndCancelled(usage);
  try {
    std::string body = error.Body();
    if (!has_begun_) return Reply(error.status(), error.Headers(), std::move(body), usage);
    if (names_error_events_) {
      Send("error", error.Event(n_events_));
    } else {
      Send("", std::move(body));
    }
  } catch (const std::exception&) {  // no memory: the status says enough
    Begin(503, {}, false);
  }
  End(usage);
}

void Call::EndCancelled(const Usage& usage) noexcept {
  is_cancelled_ = true;
  Begin(kCancelledStatus, {}, false);
  End(usage);
}

}  // namespace openai
