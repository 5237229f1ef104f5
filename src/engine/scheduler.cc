// SPDX-License-Identifier: MIT
#include "engine/scheduler.h"

#include <utility>

#include "engine/pass.h"
#include "platform/clock.h"
#include "platform/unwinding.h"

namespace clamma {
namespace {

constinit Scheduler the_scheduler;

}  // namespace

CLAMMA_DEFINE_UNWOUND(step, the_scheduler.AbandonStep());

Scheduler& TheScheduler() { return the_scheduler; }

Status Scheduler::LostByFork(const Transformer& transformer) {
  return Status::Error(StatusCode::kBusy,
                       "%s was at work in another thread when this process was forked: it can only "
                       "be destroyed",
                       transformer.name);
}

// Whether this thread has the turn: then it is inside a callback of its step. A step that a
// callback has left for good, it ends. Stacks grow downwards.
bool Scheduler::HasTurn(const void* frame) {
  bool left = false;
  {
    MutexLock lock(mutex_);
    if (owner_ != ThisThread()) return false;
    // What a callback calls is called from further down, and leaves the frame of its step alone.
    if constexpr (kNoticesLeftSteps) {
      left = stepping_ != nullptr &&
             (reinterpret_cast<uintptr_t>(frame) >= reinterpret_cast<uintptr_t>(frame_) ||
              *mark_ != kStepMark);
    }
  }
  if (!left) return true;
  AbandonStep();
  return false;
}

// Waits until it is this thread's turn, first come, first served.
__attribute__((noinline)) bool Scheduler::TakeTurn() {
  const void* const frame = __builtin_frame_address(0);
  if (HasTurn(frame)) return false;
  const int cancel_before = ForbidCancel();
  MutexLock lock(mutex_);
  const uint32_t ticket = next_ticket_++;
  while (ticket != served_ticket_) changed_.Wait(mutex_);
  owner_ = ThisThread();
  frame_ = frame;
  cancel_before_ = cancel_before;
  return true;
}

void Scheduler::GiveTurn() {
  int cancel_before = 0;
  {
    MutexLock lock(mutex_);
    cancel_before = cancel_before_;
    owner_ = nullptr;
    ++served_ticket_;
    changed_.NotifyAll();
  }
  AllowCancelAgain(cancel_before);
}

// With the turn and the mutex, before a transformer's insides are used.
void Scheduler::BeginWork(Transformer& transformer) {
  at_work_ = &transformer;
  if constexpr (kHasThreads) {
    if (transformer.forks != forks_) {  // threads stay in the process that started them
      transformer.forks = forks_;
      transformer.pool.ForgetWorkers();
    }
  }
}

bool Scheduler::WatchForksFor(Transformer* transformer) {
  MutexLock lock(mutex_);
  transformer->forks = forks_;
  if (watches_forks_) return true;
  // The lists before the arenas, here and wherever both are locked.
  const auto before = [] {
    the_scheduler.mutex_.Lock();
    Arena::LockAll();
  };
  const auto in_parent = [] {
    Arena::UnlockAll();
    the_scheduler.mutex_.Unlock();
  };
  const auto in_child = [] {
    Arena::UnlockAll();
    the_scheduler.BecomeChildOfFork();
    the_scheduler.mutex_.Unlock();
  };
  watches_forks_ = WatchForks(before, in_parent, in_child);
  return watches_forks_;
}

// In a forked child, where this thread is the only one, with the mutex.
void Scheduler::BecomeChildOfFork() {
  ++forks_;
  changed_.Forget();
  const bool has_turn = owner_ == ThisThread();  // it forks inside a callback
  if (!has_turn) {
    if (at_work_ != nullptr) {
      at_work_->lost = true;
      for (Session* s = at_work_->first_session; s != nullptr; s = s->next_in_transformer) {
        RemoveFromQueue(s);
        s->state = Session::State::kBusy;
      }
    }
    owner_ = nullptr;
    stepping_ = nullptr;
    mark_ = nullptr;
    at_work_ = nullptr;
    deferred_ = nullptr;
  }
  next_ticket_ = served_ticket_ + (has_turn ? 1 : 0);  // nobody else waits for it
}

void Scheduler::PushQueue(Session* session) {
  session->state = Session::State::kQueued;
  session->next_in_queue = nullptr;
  if (queue_tail_ == nullptr) {
    queue_head_ = session;
  } else {
    queue_tail_->next_in_queue = session;
  }
  queue_tail_ = session;
}

Session* Scheduler::PopQueue() {
  Session* session = queue_head_;
  queue_head_ = session->next_in_queue;
  if (queue_head_ == nullptr) queue_tail_ = nullptr;
  session->next_in_queue = nullptr;
  return session;
}

void Scheduler::RemoveFromQueue(Session* session) {
  if (session->state != Session::State::kQueued) return;
  Session* before = nullptr;
  for (Session* s = queue_head_; s != session; s = s->next_in_queue) before = s;
  (before == nullptr ? queue_head_ : before->next_in_queue) = session->next_in_queue;
  if (queue_tail_ == session) queue_tail_ = before;
  session->next_in_queue = nullptr;
}

Status Scheduler::AddSession(Session* session) {
  Transformer& transformer = session->transformer();
  MutexLock lock(mutex_);
  if (IsLost(transformer)) return LostByFork(transformer);
  if (transformer.n_sessions >= transformer.max_sessions) {
    return Status::Error(StatusCode::kLimit, "%s has its %u sessions already: see max_sessions",
                         transformer.name, static_cast<unsigned>(transformer.max_sessions));
  }
  ++transformer.n_sessions;
  session->next_in_transformer = transformer.first_session;
  transformer.first_session = session;
  return Status();
}

Status Scheduler::MakeBusy(Session* session) {
  MutexLock lock(mutex_);
  if (IsLost(session->transformer())) return LostByFork(session->transformer());
  if (session->delete_deferred || session->state != Session::State::kIdle) {
    return Status::Error(StatusCode::kBusy,
                         "the session is at work on a query: cancel it or wait for its end");
  }
  session->state = Session::State::kBusy;
  return Status();
}

Status Scheduler::Query(Session* session, clamma::Query* query) {
  CLAMMA_RETURN_IF_ERROR(MakeBusy(session));
  if (query->seed == 0) query->seed = SeedFromClock();
  const bool in_arena = session->transformer().memory.arena() != nullptr;
  // Encoding a long prompt takes a while; the other sessions go on meanwhile.
  PreparedQuery prepared;
  Status status = session->Prepare(*query, &prepared);
  const auto begin = [&] {
    MutexLock lock(mutex_);
    if (status.ok()) status = session->Begin(*query, &prepared);
    prepared.Free();  // while the session, whose memory that is, cannot be gone
    if (in_arena && status.code() == StatusCode::kOutOfMemory) {
      status = session->NoRoomInArena(*query, prepared);
    }
    if (status.ok()) {
      PushQueue(session);
    } else {
      session->state = Session::State::kIdle;
    }
  };
  if (in_arena) {
    WhileStill(begin);
  } else {
    begin();
  }
  return status;
}

void Scheduler::Delete(Session* session) {
  DeleteObject(session->transformer().memory.arena(), session);
}

void Scheduler::Delete(Transformer* transformer) {
  DeleteObject(transformer->memory.arena(), transformer);
}

uint32_t Scheduler::CountSessions(const Transformer& transformer) {
  MutexLock lock(mutex_);
  return transformer.n_sessions;
}

void Scheduler::Unlink(Session* session) {
  RemoveFromQueue(session);
  Transformer& transformer = session->transformer();
  Session** link = &transformer.first_session;
  while (*link != session) link = &(*link)->next_in_transformer;
  *link = session->next_in_transformer;
  --transformer.n_sessions;
}

// Frees an unlinked session, or leaves that to the step that is at work on it.
void Scheduler::DeleteOrDefer(Session* session) {
  if (session->in_step || IsLost(session->transformer())) {
    session->DeferDelete();
  } else {
    Delete(session);
  }
}

void Scheduler::DestroySession(Session* session) {
  WhileStill([&] {
    {
      MutexLock lock(mutex_);
      Unlink(session);
    }
    DeleteOrDefer(session);
  });
}

void Scheduler::DestroyTransformer(Transformer* transformer) {
  WhileStill([&] {
    while (transformer->first_session != nullptr) {
      Session* session = transformer->first_session;
      {
        MutexLock lock(mutex_);
        Unlink(session);
      }
      DeleteOrDefer(session);
    }
    if (transformer == at_work_) {
      deferred_ = transformer;
    } else if (!IsLost(*transformer)) {
      Delete(transformer);
    }
  });
}

bool Scheduler::Step() {
  volatile const uint64_t mark = kStepMark;
  const Turn turn(*this);
  if (!turn.taken()) return false;
  Session* const session = BeginStep(&mark);
  if (session == nullptr) return false;
  ServeWatched(session);
  EndStep();
  return true;
}

// The next session with a query, if there is one.
Session* Scheduler::BeginStep(const volatile uint64_t* mark) {
  MutexLock lock(mutex_);
  if (queue_head_ == nullptr) return nullptr;
  Session* const session = PopQueue();
  BeginWork(session->transformer());  // which is not lost: it would be in no queue
  session->state = Session::State::kStepping;
  session->in_step = true;
  stepping_ = session;
  mark_ = mark;
  return session;
}

void Scheduler::EndStep() {
  Session* session = nullptr;
  Transformer* deferred = nullptr;
  {
    MutexLock lock(mutex_);
    session = std::exchange(stepping_, nullptr);
    session->in_step = false;
    mark_ = nullptr;
    at_work_ = nullptr;
    deferred = std::exchange(deferred_, nullptr);
  }
  if (session->delete_deferred) Delete(session);
  if (deferred != nullptr) Delete(deferred);
}

void Scheduler::AbandonStep() {
  Session* const session = stepping_;
  if (session == nullptr) return;
  if (!session->delete_deferred) {
    if (session->state == Session::State::kStepping) {
      session->Abandon();
      MutexLock lock(mutex_);
      session->state = Session::State::kIdle;
    }
    DestroyHandedOver(session);
  }
  EndStep();
  GiveTurn();
}

// The pass that a session needs is run for all sessions of its transformer that need one.
void Scheduler::RunPassFor(Session* session) {
  Transformer& transformer = session->transformer();
  PassEntry* const entries = transformer.pass.data();
  size_t n = 0;
  entries[n++].session = session;
  {
    MutexLock lock(mutex_);
    for (Session* s = queue_head_; s != nullptr; s = s->next_in_queue) {
      if (&s->transformer() == &transformer && s->NeedsPass()) entries[n++].session = s;
    }
  }
  RunPass(transformer, n);
}

// Its frame is that of all callbacks of a step.
__attribute__((noinline)) void Scheduler::ServeWatched(Session* session) {
  Serve(session);
  CLAMMA_CALL_WHEN_UNWOUND(step);
}

void Scheduler::Serve(Session* session) {
  if (session->NeedsPass()) RunPassFor(session);
  Done why = Done::kError;
  const Session::Progress progress = session->Deliver(&why);
  if (session->delete_deferred) return;  // destroyed from inside a callback
  // Idle first, so that the callback may start the next query; as from then on any thread may, the
  // callback must be known by then.
  const clamma::Query query = session->query();
  {
    MutexLock lock(mutex_);
    if (progress == Session::Progress::kGoesOn) {
      PushQueue(session);
      return;
    }
    session->state = Session::State::kIdle;
  }
  if (query.done != nullptr) query.done(query, why);
  DestroyHandedOver(session);
}

// Destroys the session of a query that has ended, if that query handed it over and no other one has
// begun since.
void Scheduler::DestroyHandedOver(Session* session) {
  {
    MutexLock lock(mutex_);
    if (session->delete_deferred || session->state != Session::State::kIdle) return;
    if (session->query().null_on_destroy == nullptr) return;
    Unlink(session);
  }
  DeleteOrDefer(session);
}

}  // namespace clamma
