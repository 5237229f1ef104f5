// SPDX-License-Identifier: MIT
#include "running_query.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "engine.h"

namespace clamma_python {
namespace {

// How often the main thread looks for signals while it waits: waiting on a condition variable is
// not interrupted by them.
constexpr std::chrono::milliseconds kSignalInterval{10};

}  // namespace

void RunningQuery::Attach(const clamma::Query& query, bool wants_logprobs, bool wants_progress,
                          clamma_txf_info_t* info) {
  info->opaque_user_pointer = this;
  info->issue_cb = OnText;
  info->done_cb = OnDone;
  if (wants_logprobs) info->logprobs_cb = OnLogprobs;
  info->top_logprobs = query.top_logprobs;
  if (wants_progress) info->progress_cb = OnProgress;
}

void RunningQuery::SetWaker(std::shared_ptr<Waker> waker, uint64_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waker_ = std::move(waker);
  id_ = id;
  told_ = false;
  TellLocked();
}

void RunningQuery::WaitUntil(bool (RunningQuery::*ready)() const) {
  const bool handles_signals = IsMainThread();
  const unsigned process = ProcessNumber();
  bool signalled = false;
  {
    Released released;
    std::unique_lock<std::mutex> lock(mutex_);
    while (!(this->*ready)()) {
      if (!handles_signals || signalled) {
        news_.wait(lock);
        continue;
      }
      if (news_.wait_for(lock, kSignalInterval) == std::cv_status::no_timeout) continue;
      lock.unlock();
      signalled = !released.HandleSignals();
      if (process != ProcessNumber()) break;  // the mutex may be locked for ever
      if (signalled) {
        Cancel();
        ready = &RunningQuery::EndedLocked;
      }
      lock.lock();
    }
  }
  ThrowIfStopped();
  if (process != ProcessNumber()) throw clamma::Error("this query runs in the parent process");
}

void RunningQuery::Wait() { WaitUntil(&RunningQuery::HasNewsLocked); }

void RunningQuery::WaitForEnd() { WaitUntil(&RunningQuery::EndedLocked); }

bool RunningQuery::HasNews() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return HasNewsLocked();
}

bool RunningQuery::ended() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ended_;
}

bool RunningQuery::cancelled() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_;
}

std::vector<Event> RunningQuery::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  told_ = false;
  return std::exchange(events_, {});
}

End RunningQuery::end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return end_;
}

void RunningQuery::Cancel() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (session_ != nullptr) clamma_sessions_query_cancel(session_->get());
}

void RunningQuery::TellLocked() noexcept {
  if (!HasNewsLocked()) return;
  news_.notify_all();
  if (waker_ == nullptr || (told_ && !ended_)) return;
  told_ = true;
  waker_->Tell(id_);
}

// Returns 0, or 1 to cancel the query because there is no memory for the event.
template <typename Add>
int RunningQuery::AddEvent(const Add& add) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  try {
    add();
  } catch (const std::exception&) {
    out_of_memory_ = true;
    return 1;
  }
  TellLocked();
  return 0;
}

int RunningQuery::OnText(void* self, const char* text) noexcept {
  auto* query = static_cast<RunningQuery*>(self);
  return query->AddEvent([&] {
    std::vector<Event>& events = query->events_;
    if (query->whole_ && !events.empty() && events.back().kind == Event::Kind::kText) {
      events.back().text += text;
    } else {
      events.push_back({.kind = Event::Kind::kText, .text = text});
    }
  });
}

void RunningQuery::OnLogprobs(void* self, tok_id_t token, float logprob, size_t n_top,
                              const tok_id_t* top_tokens, const float* top_logprobs) noexcept {
  auto* query = static_cast<RunningQuery*>(self);
  const int failed = query->AddEvent([&] {
    Event event = {.kind = Event::Kind::kToken, .token = token, .logprob = logprob};
    for (size_t i = 0; i < n_top; ++i) event.top.emplace_back(top_tokens[i], top_logprobs[i]);
    query->events_.push_back(std::move(event));
  });
  if (failed != 0) query->Cancel();
}

int RunningQuery::OnProgress(void* self, size_t processed, size_t total) noexcept {
  auto* query = static_cast<RunningQuery*>(self);
  return query->AddEvent([&] {
    query->events_.push_back(
        {.kind = Event::Kind::kProgress, .processed = processed, .total = total});
  });
}

void RunningQuery::OnDone(void* self, clamma_done_t why) noexcept {
  auto* query = static_cast<RunningQuery*>(self);
  Engine* engine = query->session_->engine();
  query->Finish(why, why == CLAMMA_DONE_ERROR ? clamma::detail::last_reason : "", true);
  engine->Forget(query);  // may destroy the query
}

void RunningQuery::Abandon(const char* reason) noexcept {
  if (!ended()) Finish(CLAMMA_DONE_ERROR, reason, false);
}

void RunningQuery::Finish(clamma_done_t why, const char* reason, bool has_facts) noexcept {
  std::shared_ptr<SessionHandle> session;  // destroyed without the mutex
  const std::lock_guard<std::mutex> lock(mutex_);
  try {
    end_.why = out_of_memory_ ? CLAMMA_DONE_ERROR : why;
    end_.reason = out_of_memory_ ? "out of memory" : reason;
    if (has_facts) session_->GetFacts(&end_.session, &end_.query, &end_.tokens);
  } catch (const std::exception&) {
    end_.why = CLAMMA_DONE_ERROR;
  }
  session = std::move(session_);
  ended_ = true;
  TellLocked();
}

}  // namespace clamma_python
