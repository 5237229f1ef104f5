// SPDX-License-Identifier: MIT
// The only process-wide object: it has a queue of all sessions with a query, and serves them in
// turn.
#ifndef CLAMMA_ENGINE_SCHEDULER_H_
#define CLAMMA_ENGINE_SCHEDULER_H_

#include "engine/guards.h"
#include "engine/session.h"
#include "engine/transformer.h"
#include "kernels/kernels.h"
#include "platform/status.h"
#include "platform/threads.h"

namespace clamma {

// Any thread may call any function. A mutex, which is only held briefly, protects lists and states.
// "The turn", which one thread has at a time, protects the members of transformers and of sessions
// with a query. The parameters of a function show which of them it needs (guards.h). A step keeps
// the turn during its callbacks, and a thread that waits for the turn gets it before the next step.
// Inside a callback (on the thread that has the turn) all functions work except Step() and
// WithTurn(); objects that are destroyed there are freed when the step ends.
//
// If a callback does not return (an exception, longjmp(), the end of its thread), the step ends:
// its query is cancelled, and the turn becomes free. This is detected while the stack is unwound
// (platform/unwinding.h), or else at the thread's next call.
//
// fork() waits for the mutex, so that lists and states are consistent in the child. The turn is
// free there, unless the child was forked inside a callback. A transformer that another thread was
// using is lost in the child: it is not accessed again, and its memory, which may be in the middle
// of a change, is never freed.
class Scheduler {
 public:
  constexpr Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Call this before a transformer is used. Returns false if there is no memory for the handlers
  // that fork() calls.
  bool AddTransformer(Transformer* transformer) {
    if constexpr (!kHasThreads) return true;
    return WatchForksFor(transformer);
  }
  // Adds a session to the list of its transformer.
  Status AddSession(Session* session);
  // Starts a query. Sets query->seed if it is 0.
  Status Query(Session* session, clamma::Query* query);

  // Runs body(SessionHeld) -> Status for a session without a query; others are served meanwhile.
  template <typename Body>
  Status WhileIdle(Session* session, const Body& body) {
    const NoCancel guard;
    CLAMMA_RETURN_IF_ERROR(MakeBusy(session));
    const Status status = body(SessionHeld());
    const Lock lock(*this);
    session->listed(lock.held()).state = Session::State::kIdle;
    return status;
  }

  // Runs body(LockHeld), which must be short.
  template <typename Body>
  void Guarded(const Body& body) {
    const Lock lock(*this);
    body(lock.held());
  }

  void DestroySession(Session* session);
  void DestroyTransformer(Transformer* transformer);
  uint32_t CountSessions(Transformer& transformer);

  // Serves the next session in the queue, or the next one of a transformer. Returns false if no
  // such session has a query, or if called inside a callback.
  bool Step();
  bool StepOf(const Transformer& only);

  // Runs body(TurnHeld) -> Status, which may use all of the transformer. Inside a callback, returns
  // false and does not run it.
  template <typename Body>
  bool WithTurn(Transformer& transformer, Status* status, const Body& body) {
    const Turn turn(*this);
    if (!turn.taken()) return false;
    {
      const Lock lock(*this);
      if (IsLost(transformer)) {
        *status = LostByFork(transformer);
        return true;
      }
      BeginWork(lock.held(), transformer);
    }
    *status = body(turn.held());
    const Lock lock(*this);
    at_work_ = nullptr;
    return true;
  }

  // Runs body(TurnHeld, LockHeld), which must only read: nothing changes meanwhile.
  template <typename Body>
  void Inspect(const Body& body) {
    WhileStill([&](TurnHeld turn) {
      const Lock lock(*this);
      body(turn, lock.held());
    });
  }

  // Ends this thread's step, whose callback will not return.
  void AbandonStep();

 private:
  // Holds the turn during its lifetime, unless its thread already has the turn. The thread cannot
  // be cancelled (pthread_cancel()) meanwhile, not even in a callback, so that every step ends.
  class Turn {
   public:
    explicit Turn(Scheduler& scheduler) : scheduler_(scheduler), taken_(scheduler.TakeTurn()) {}
    ~Turn() {
      if (taken_) scheduler_.GiveTurn();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    bool taken() const { return taken_; }
    TurnHeld held() const { return held_; }  // valid in both cases

   private:
    const TurnHeld held_ = {};
    Scheduler& scheduler_;
    const bool taken_;
  };

  // Holds the mutex during its lifetime.
  class Lock {
   public:
    explicit Lock(Scheduler& scheduler) : lock_(scheduler.mutex_) {}
    LockHeld held() const { return held_; }

   private:
    const LockHeld held_ = {};
    MutexLock lock_;
  };

  // Builds for the smallest machines have no code to detect callbacks that do not return.
  static constexpr bool kNoticesLeftSteps = kHasThreads || kHasGguf;
  static constexpr uint64_t kStepMark = 0x70657473616d616c;  // any number that is rare in memory

  // Runs body(TurnHeld) when no step is running, or inside a callback of this thread's own step.
  template <typename Body>
  void WhileStill(const Body& body) {
    const Turn turn(*this);
    body(turn.held());
  }

  Status MakeBusy(Session* session);
  bool TakeTurn();
  void GiveTurn();
  bool HasTurn(const void* frame);
  static bool IsLost(const Transformer& transformer) { return kHasThreads && transformer.lost; }
  static Status LostByFork(const Transformer& transformer);
  bool WatchForksFor(Transformer* transformer);
  void Begin(SessionHeld held, LockHeld lock, Session* session, const Status& status,
             const clamma::Query& query, PreparedQuery* prepared);
  void BeginWork(LockHeld lock, Transformer& transformer);
  void AlsoWorkWith(LockHeld lock, Transformer& transformer);
  void WorkOnlyWith(LockHeld lock, Transformer& transformer);
  void KnowWorkers(LockHeld lock, Transformer& transformer) const;
  void PushQueue(LockHeld lock, Session* session);
  void RemoveFromQueue(LockHeld lock, Session* session);
  bool Unlink(LockHeld lock, Session* session);
  template <typename Serves>
  bool StepFor(const Serves& serves);
  template <typename Serves>
  Session* BeginStep(TurnHeld turn, const volatile uint64_t* mark, const Serves& serves);
  void ServeWatched(TurnHeld turn, Session* session);
  void Serve(TurnHeld turn, Session* session);
  void EndStep(TurnHeld turn);
  void RunPassFor(TurnHeld turn, Session* session);
  static void Borrow(LockHeld lock, Session* session, Transformer* lender);
  Status Borrows(Session& session, const Transformer* lender, bool* borrows);
  void DropBorrowers(TurnHeld turn, Transformer& lender);
  bool BeginDrafts(TurnHeld turn, LockHeld lock, const PassEntry* entries, size_t n);
  void DestroyHandedOver(TurnHeld turn, Session* session);
  void BecomeChildOfFork(LockHeld lock);
  void Destroy(TurnHeld turn, Session* session);
  static void DeleteOrDefer(TurnHeld turn, Session* session, bool in_step);
  Session::State StateOf(Session& session);
  Session* FirstSession(Transformer& transformer);
  static void Delete(Session* session);
  static void Delete(Transformer* transformer);

  Mutex mutex_;
  Condition changed_;
  uint32_t next_ticket_ = 0;       // for the turn: each thread that wants it takes one
  uint32_t served_ticket_ = 0;     // the ticket of the thread that has the turn, or gets it next
  const void* owner_ = nullptr;    // the thread that has the turn, see ThisThread(); nullptr: none
  const void* frame_ = nullptr;    // ... and its stack frame in TakeTurn()
  int cancel_before_ = 0;          // ... and whether it could be cancelled before
  Session* queue_head_ = nullptr;  // sessions with a query; this one is served next
  Session* queue_tail_ = nullptr;
  Session* stepping_ = nullptr;              // the session of the step
  const volatile uint64_t* mark_ = nullptr;  // a variable on the step's stack, which is kStepMark
  Transformer* at_work_ = nullptr;           // the first one that the owner of the turn is using
  Transformer* deferred_ = nullptr;          // destroyed inside a callback of its own step
  uint32_t forks_ = 0;                       // how many forks led to this process
  bool watches_forks_ = false;
};

Scheduler& TheScheduler();

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SCHEDULER_H_
