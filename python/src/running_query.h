// SPDX-License-Identifier: MIT
// A query that runs, and what it has generated but Python has not taken yet.
#ifndef CLAMMA_PYTHON_RUNNING_QUERY_H_
#define CLAMMA_PYTHON_RUNNING_QUERY_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <clamma.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "interpreter.h"
#include "waker.h"

namespace clamma_python {

class SessionHandle;

struct Event {
  enum class Kind : uint8_t { kText, kToken, kProgress };
  Kind kind;
  std::string text = {};                             // kText
  tok_id_t token = -1;                               // kToken
  float logprob = 0;                                 // natural logarithm of its probability
  std::vector<std::pair<tok_id_t, float>> top = {};  // likeliest first
  size_t processed = 0, total = 0;                   // kProgress: positions
};

// How a query ended, and its figures.
struct End {
  clamma_done_t why = CLAMMA_DONE_ERROR;
  std::string reason = {};  // of CLAMMA_DONE_ERROR
  clamma_session_facts_t session = {};
  clamma_query_facts_t query = {};
  std::vector<tok_id_t> tokens = {};  // that were generated
};

class RunningQuery {
 public:
  // With `whole`, nobody is told of anything but the end, and adjacent pieces of text are joined.
  RunningQuery(std::shared_ptr<SessionHandle> session, bool whole)
      : session_(std::move(session)), whole_(whole) {}

  // Sets the callbacks of a query that is about to start.
  void Attach(const clamma::Query& query, bool wants_logprobs, bool wants_progress,
              clamma_txf_info_t* info);
  // Has an event loop told of news, from now on.
  void SetWaker(std::shared_ptr<Waker> waker, uint64_t id);

  // Waits for something to take. Throws if a signal's handler raised; the query has ended then. The
  // caller has the interpreter's lock.
  void Wait();
  // Waits until the query has ended, with the same exception.
  void WaitForEnd();
  bool HasNews();
  bool ended();
  bool cancelled();  // whether Cancel() was called
  std::vector<Event> Take();
  End end();  // valid once ended

  // Makes the query end at its next step.
  void Cancel() noexcept;
  // Ends it without another step, unless it has ended. The caller has stopped the stepping.
  void Abandon(const char* reason) noexcept;

 private:
  static int OnText(void* self, const char* text) noexcept;
  static void OnLogprobs(void* self, tok_id_t token, float logprob, size_t n_top,
                         const tok_id_t* top_tokens, const float* top_logprobs) noexcept;
  static int OnProgress(void* self, size_t processed, size_t total) noexcept;
  static void OnDone(void* self, clamma_done_t why) noexcept;

  bool HasNewsLocked() const { return ended_ || (!whole_ && !events_.empty()); }
  void TellLocked() noexcept;
  void WaitUntil(bool (RunningQuery::*ready)() const);
  bool EndedLocked() const { return ended_; }
  template <typename Add>
  int AddEvent(const Add& add) noexcept;
  void Finish(clamma_done_t why, const char* reason, bool has_facts) noexcept;

  std::mutex mutex_;  // guards all below
  std::condition_variable news_;
  std::shared_ptr<SessionHandle> session_;  // nullptr once ended
  const bool whole_;
  bool told_ = false;  // the waker was told since the last Take()
  bool ended_ = false;
  bool cancelled_ = false;
  bool out_of_memory_ = false;
  std::vector<Event> events_;
  End end_;
  std::shared_ptr<Waker> waker_;
  uint64_t id_ = 0;
};

}  // namespace clamma_python

#endif  // CLAMMA_PYTHON_RUNNING_QUERY_H_
