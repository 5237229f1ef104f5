// SPDX-License-Identifier: MIT
// The one process-wide object: knows every session with a query, and serves them in turn.
#ifndef CLAMMA_ENGINE_SCHEDULER_H_
#define CLAMMA_ENGINE_SCHEDULER_H_

#include "engine/session.h"
#include "engine/transformer.h"
#include "platform/status.h"
#include "platform/threads.h"

namespace clamma {

// Every call may come from any thread. Two things are guarded: the lists and states, by a mutex
// that is held for moments only, and the insides of transformers and of sessions with a query, by
// "the turn", which one thread has at a time. A step holds the turn through its callbacks, and
// whoever waits for the turn gets it before the next step. From inside a callback (on the thread
// that has the turn) everything works but Step() and Score(); what is destroyed there goes when the
// step ends.
class Scheduler {
 public:
  constexpr Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Status AddSession(Session* session);  // to its transformer
  // Fills in query->seed if it is 0.
  Status Query(Session* session, clamma::Query* query);

  // Runs body() -> Status on a session that has no query, and gets none meanwhile; the other
  // sessions go on.
  template <typename Body>
  Status WhileIdle(Session* session, const Body& body) {
    CLAMMA_RETURN_IF_ERROR(MakeBusy(session));
    const Status status = body();
    MutexLock lock(mutex_);
    session->state = Session::State::kIdle;
    return status;
  }

  // Runs body(), for moments, while no other thread looks at lists, states or facts.
  template <typename Body>
  void Guarded(const Body& body) {
    MutexLock lock(mutex_);
    body();
  }

  void DestroySession(Session* session);
  void DestroyTransformer(Transformer* transformer);
  uint32_t CountSessions(const Transformer& transformer);

  // Serves the session whose turn it is. False: none has a query, or called inside a callback.
  bool Step();

  // Runs body() with the turn; false (and body not run) inside a callback.
  template <typename Body>
  bool WithTurn(const Body& body) {
    if (!TakeTurn()) return false;
    body();
    GiveTurn();
    return true;
  }

  // Runs body(), which only looks, while nothing changes.
  template <typename Body>
  void Inspect(const Body& body) {
    WhileStill([&] {
      MutexLock lock(mutex_);
      body();
    });
  }

 private:
  // Runs body() while no step is under way, or inside a callback of this thread's own step.
  template <typename Body>
  void WhileStill(const Body& body) {
    const bool taken = TakeTurn();
    body();
    if (taken) GiveTurn();
  }

  Status MakeBusy(Session* session);
  void WaitForTurn();
  void EndTurn();
  bool TakeTurn();  // false if this thread has it already
  void GiveTurn();
  Session* PopQueue();
  void PushQueue(Session* session);
  void RemoveFromQueue(Session* session);
  void Unlink(Session* session);
  void Serve(Session* session);
  void RunPassFor(Session* session);
  static void Bury(Session* session);
  static void Delete(Session* session);
  static void Delete(Transformer* transformer);

  Mutex mutex_;
  Condition changed_;
  uint32_t next_ticket_ = 0;       // for the turn: each who wants it draws one
  uint32_t served_ticket_ = 0;     // whose turn it is
  const void* owner_ = nullptr;    // who has it: see ThisThread(); nullptr: nobody
  Session* queue_head_ = nullptr;  // sessions with a query, the next to serve first
  Session* queue_tail_ = nullptr;
  Transformer* stepping_ = nullptr;  // whose session is in a step
  Transformer* doomed_ = nullptr;    // destroyed from inside a callback of that step
};

Scheduler& TheScheduler();

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SCHEDULER_H_
