// SPDX-License-Identifier: MIT
// The one process-wide object: knows every session with a query, and serves them in turn.
#ifndef CLAMMA_ENGINE_SCHEDULER_H_
#define CLAMMA_ENGINE_SCHEDULER_H_

#include "engine/guards.h"
#include "engine/session.h"
#include "engine/transformer.h"
#include "kernels/kernels.h"
#include "platform/status.h"
#include "platform/threads.h"

namespace clamma {

// Every call may come from any thread. Two things are guarded: the lists and states, by a mutex
// that is held for moments only, and the insides of transformers and of sessions with a query, by
// "the turn", which one thread has at a time. What needs which is said by types (guards.h). A step
// holds the turn through its callbacks, and whoever waits for the turn gets it before the next
// step. From inside a callback (on the thread that has the turn) everything works but Step() and
// WithTurn(); what is destroyed there goes when the step ends.
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

  // Runs body(SessionHeld) -> Status; the other sessions go on meanwhile.
  template <typename Body>
  Status WhileIdle(Session* session, const Body& body) {
    const NoCancel guard;
    CLAMMA_RETURN_IF_ERROR(MakeBusy(session));
    const Status status = body(SessionHeld());
    const Lock lock(*this);
    session->listed(lock.held()).state = Session::State::kIdle;
    return status;
  }

  // Runs body(LockHeld), for moments.
  template <typename Body>
  void Guarded(const Body& body) {
    const Lock lock(*this);
    body(lock.held());
  }

  void DestroySession(Session* session);
  void DestroyTransformer(Transformer* transformer);
  uint32_t CountSessions(Transformer& transformer);

  // Serves the session whose turn it is. False: none has a query, or called inside a callback.
  bool Step();

  // Runs body(TurnHeld) -> Status, which may use all of the transformer; false (and body not run)
  // inside a callback.
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

  // Runs body(TurnHeld, LockHeld), which only looks: nothing changes meanwhile.
  template <typename Body>
  void Inspect(const Body& body) {
    WhileStill([&](TurnHeld turn) {
      const Lock lock(*this);
      body(turn, lock.held());
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
    TurnHeld held() const { return held_; }  // either way

   private:
    const TurnHeld held_ = {};
    Scheduler& scheduler_;
    const bool taken_;
  };

  // Holds the mutex while it lives.
  class Lock {
   public:
    explicit Lock(Scheduler& scheduler) : lock_(scheduler.mutex_) {}
    LockHeld held() const { return held_; }

   private:
    const LockHeld held_ = {};
    MutexLock lock_;
  };

  // Builds for the smallest machines have no room for noticing callbacks that do not return.
  static constexpr bool kNoticesLeftSteps = kHasThreads || kHasGguf;
  static constexpr uint64_t kStepMark = 0x70657473616d616c;  // any number that is not often seen

  // Runs body(TurnHeld) while no step is under way, or inside a callback of this thread's own step.
  template <typename Body>
  void WhileStill(const Body& body) {
    const Turn turn(*this);
    body(turn.held());
  }

  Status MakeBusy(Session* session);
  bool TakeTurn();  // false if this thread has it already
  void GiveTurn();
  bool HasTurn(const void* frame);
  static bool IsLost(const Transformer& transformer) { return kHasThreads && transformer.lost; }
  static Status LostByFork(const Transformer& transformer);
  bool WatchForksFor(Transformer* transformer);
  void Begin(SessionHeld held, LockHeld lock, Session* session, const Status& status,
             const clamma::Query& query, PreparedQuery* prepared);
  void BeginWork(LockHeld lock, Transformer& transformer);
  Session* PopQueue(LockHeld lock);
  void PushQueue(LockHeld lock, Session* session);
  void RemoveFromQueue(LockHeld lock, Session* session);
  bool Unlink(LockHeld lock, Session* session);
  Session* BeginStep(TurnHeld turn, const volatile uint64_t* mark);
  void ServeWatched(TurnHeld turn, Session* session);
  void Serve(TurnHeld turn, Session* session);
  void EndStep(TurnHeld turn);
  void RunPassFor(TurnHeld turn, Session* session);
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
