// SPDX-License-Identifier: MIT
// The one process-wide object: knows every session with a query, and serves them in turn.
#ifndef CLAMMA_ENGINE_SCHEDULER_H_
#define CLAMMA_ENGINE_SCHEDULER_H_

#include "engine/session.h"
#include "engine/transformer.h"
#include "kernels/kernels.h"
#include "platform/status.h"
#include "platform/threads.h"

namespace clamma {

// Every call may come from any thread. Two things are guarded: the lists and states, by a mutex
// that is held for moments only, and the insides of transformers and of sessions with a query, by
// "the turn", which one thread has at a time. A step holds the turn through its callbacks, and
// whoever waits for the turn gets it before the next step. From inside a callback (on the thread
// that has the turn) everything works but Step() and WithTurn(); what is destroyed there goes when
// the step ends.
//
// A callback that does not return (an exception, longjmp(), the end of its thread) ends the step:
// its query is cancelled, and the turn is free again. That is noticed while the stack is unwound
// (platform/unwinding.h), or else at the thread's next call.
//
// fork() waits for the mutex, so that a child finds lists and states whole; the turn it finds
// free. A transformer at which another thread was at work is lost in the child: nothing of it is
// touched any more, even its memory, which may be in the middle of a change, is left where it is.
class Scheduler {
 public:
  constexpr Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Before anything is done with a transformer. False where there is no memory to be told of forks.
  bool AddTransformer(Transformer* transformer) {
    if constexpr (!kHasThreads) return true;
    return WatchForksFor(transformer);
  }
  Status AddSession(Session* session);  // to its transformer
  // Fills in query->seed if it is 0.
  Status Query(Session* session, clamma::Query* query);

  // Runs body() -> Status on a session that has no query, and gets none meanwhile; the other
  // sessions go on.
  template <typename Body>
  Status WhileIdle(Session* session, const Body& body) {
    const NoCancel guard;
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

  // Runs body() -> Status, which may use all of the transformer, with the turn; false (and body not
  // run) inside a callback.
  template <typename Body>
  bool WithTurn(Transformer& transformer, Status* status, const Body& body) {
    const Turn turn(*this);
    if (!turn.taken()) return false;
    {
      MutexLock lock(mutex_);
      if (IsLost(transformer)) {
        *status = LostByFork(transformer);
        return true;
      }
      BeginWork(transformer);
    }
    *status = body();
    MutexLock lock(mutex_);
    at_work_ = nullptr;
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

  // The callback of this thread's step will not return.
  void AbandonStep();

 private:
  // Holds the turn while it lives, unless its thread has it already. The thread cannot be cancelled
  // meanwhile, callbacks included: what it has begun it ends.
  class Turn {
   public:
    explicit Turn(Scheduler& scheduler) : scheduler_(scheduler), taken_(scheduler.TakeTurn()) {}
    ~Turn() {
      if (taken_) scheduler_.GiveTurn();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    bool taken() const { return taken_; }

   private:
    Scheduler& scheduler_;
    const bool taken_;
  };

  // Builds for the smallest machines have no room for noticing callbacks that do not return.
  static constexpr bool kNoticesLeftSteps = kHasThreads || kHasGguf;
  static constexpr uint64_t kStepMark = 0x70657473616d616c;  // any number that is not often seen

  // Runs body() while no step is under way, or inside a callback of this thread's own step.
  template <typename Body>
  void WhileStill(const Body& body) {
    const Turn turn(*this);
    body();
  }

  Status MakeBusy(Session* session);
  bool TakeTurn();  // false if this thread has it already
  void GiveTurn();
  bool HasTurn(const void* frame);
  static bool IsLost(const Transformer& transformer) { return kHasThreads && transformer.lost; }
  static Status LostByFork(const Transformer& transformer);
  bool WatchForksFor(Transformer* transformer);
  void BeginWork(Transformer& transformer);
  Session* PopQueue();
  void PushQueue(Session* session);
  void RemoveFromQueue(Session* session);
  void Unlink(Session* session);
  Session* BeginStep(const volatile uint64_t* mark);
  void ServeWatched(Session* session);
  void Serve(Session* session);
  void EndStep();
  void RunPassFor(Session* session);
  void DestroyHandedOver(Session* session);
  void BecomeChildOfFork();
  static void DeleteOrDefer(Session* session);
  static void Delete(Session* session);
  static void Delete(Transformer* transformer);

  Mutex mutex_;
  Condition changed_;
  uint32_t next_ticket_ = 0;       // for the turn: each who wants it draws one
  uint32_t served_ticket_ = 0;     // whose turn it is
  const void* owner_ = nullptr;    // who has it: see ThisThread(); nullptr: nobody
  const void* frame_ = nullptr;    // ... and where on its stack it got it
  int cancel_before_ = 0;          // ... and whether it could be cancelled before
  Session* queue_head_ = nullptr;  // sessions with a query, the next to serve first
  Session* queue_tail_ = nullptr;
  Session* stepping_ = nullptr;              // in a step
  const volatile uint64_t* mark_ = nullptr;  // kStepMark, on the stack of that step
  Transformer* at_work_ = nullptr;           // whose insides the owner of the turn may change
  Transformer* deferred_ = nullptr;          // destroyed from inside a callback of its own step
  uint32_t forks_ = 0;                       // from the process that began to this one
  bool watches_forks_ = false;
};

Scheduler& TheScheduler();

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SCHEDULER_H_
