// SPDX-License-Identifier: MIT
#include "engine/scheduler.h"

#include <utility>

#include "engine/grammar/grammar_cache.h"
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

// Returns whether this thread has the turn, which means that it is inside a callback of its step.
// If that callback has left without returning, ends the step first. Stacks grow downwards.
bool Scheduler::HasTurn(const void* frame) {
  bool left = false;
  {
    const Lock lock(*this);
    if (owner_ != ThisThread()) return false;
    // A call inside a callback has a lower frame than the step, and the step's mark is intact.
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

// Waits for the turn; threads get it in the order of their calls. Returns false if this thread
// already has it.
__attribute__((noinline)) bool Scheduler::TakeTurn() {
  const void* const frame = __builtin_frame_address(0);
  if (HasTurn(frame)) return false;
  const int cancel_before = ForbidCancel();
  const Lock lock(*this);
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
    const Lock lock(*this);
    cancel_before = cancel_before_;
    owner_ = nullptr;
    ++served_ticket_;
    changed_.NotifyAll();
  }
  AllowCancelAgain(cancel_before);
}

// Call this with the turn, before the members of a transformer are used.
void Scheduler::BeginWork(LockHeld lock, Transformer& transformer) {
  WorkOnlyWith(lock, transformer);
  KnowWorkers(lock, transformer);
}

void Scheduler::WorkOnlyWith(LockHeld lock, Transformer& transformer) {
  at_work_ = &transformer;
  transformer.listed(lock).next_at_work = nullptr;
}

// Likewise, for a further transformer.
void Scheduler::AlsoWorkWith(LockHeld lock, Transformer& transformer) {
  for (Transformer* t = at_work_; t != nullptr; t = t->listed(lock).next_at_work) {
    if (t == &transformer) return;
  }
  transformer.listed(lock).next_at_work = at_work_;
  at_work_ = &transformer;
  KnowWorkers(lock, transformer);
}

void Scheduler::KnowWorkers(LockHeld lock, Transformer& transformer) const {
  if constexpr (kHasThreads) {
    Transformer::Listed& listed = transformer.listed(lock);
    if (listed.forks != forks_) {  // a forked child does not have the pool's threads
      listed.forks = forks_;
      transformer.pool.ForgetWorkers();
    }
  }
}

bool Scheduler::WatchForksFor(Transformer* transformer) {
  const Lock lock(*this);
  transformer->listed(lock.held()).forks = forks_;
  if (watches_forks_) return true;
  // Here and elsewhere, the scheduler's mutex is locked before those of pages and of grammars, and
  // all before that of arenas.
  const auto before = [] {
    the_scheduler.mutex_.Lock();
    if constexpr (kHasPrefixCache) KvPages::LockAll();
    if constexpr (kHasGrammar) GrammarCache::LockAll();
    Arena::LockAll();
  };
  const auto in_parent = [] {
    Arena::UnlockAll();
    if constexpr (kHasGrammar) GrammarCache::UnlockAll();
    if constexpr (kHasPrefixCache) KvPages::UnlockAll();
    the_scheduler.mutex_.Unlock();
  };
  const auto in_child = [] {
    Arena::UnlockAll();
    if constexpr (kHasGrammar) {
      GrammarCache::BecomeChildOfFork();
      GrammarCache::UnlockAll();
    }
    if constexpr (kHasPrefixCache) KvPages::UnlockAll();
    the_scheduler.BecomeChildOfFork(LockHeld());
    the_scheduler.mutex_.Unlock();
  };
  watches_forks_ = WatchForks(before, in_parent, in_child);
  return watches_forks_;
}

// Runs in a forked child, where this thread is the only one.
void Scheduler::BecomeChildOfFork(LockHeld lock) {
  ++forks_;
  changed_.Forget();
  const bool has_turn = owner_ == ThisThread();  // fork() was called inside a callback
  if (!has_turn) {
    for (Transformer* t = at_work_; t != nullptr; t = t->listed(lock).next_at_work) {
      t->lost = true;
      for (Session* s = t->listed(lock).first_session; s != nullptr;
           s = s->listed(lock).next_in_transformer) {
        RemoveFromQueue(lock, s);
        s->listed(lock).state = Session::State::kBusy;
      }
    }
    owner_ = nullptr;
    stepping_ = nullptr;
    mark_ = nullptr;
    at_work_ = nullptr;
    deferred_ = nullptr;
  }
  next_ticket_ = served_ticket_ + (has_turn ? 1 : 0);  // no other thread waits for the turn
}

void Scheduler::PushQueue(LockHeld lock, Session* session) {
  session->listed(lock).state = Session::State::kQueued;
  session->listed(lock).next_in_queue = nullptr;
  if (queue_tail_ == nullptr) {
    queue_head_ = session;
  } else {
    queue_tail_->listed(lock).next_in_queue = session;
  }
  queue_tail_ = session;
}

void Scheduler::RemoveFromQueue(LockHeld lock, Session* session) {
  Session::Listed& listed = session->listed(lock);
  if (listed.state != Session::State::kQueued) return;
  Session* before = nullptr;
  for (Session* s = queue_head_; s != session; s = s->listed(lock).next_in_queue) before = s;
  (before == nullptr ? queue_head_ : before->listed(lock).next_in_queue) = listed.next_in_queue;
  if (queue_tail_ == session) queue_tail_ = before;
  listed.next_in_queue = nullptr;
}

Status Scheduler::AddSession(Session* session) {
  Transformer& transformer = session->transformer();
  const Lock lock(*this);
  if (IsLost(transformer)) return LostByFork(transformer);
  Transformer::Listed& listed = transformer.listed(lock.held());
  if (listed.n_sessions >= transformer.max_sessions) {
    return Status::Error(StatusCode::kLimit, "%s has its %u sessions already: see max_sessions",
                         transformer.name, static_cast<unsigned>(transformer.max_sessions));
  }
  ++listed.n_sessions;
  session->listed(lock.held()).next_in_transformer = listed.first_session;
  listed.first_session = session;
  return Status();
}

Status Scheduler::MakeBusy(Session* session) {
  const Lock lock(*this);
  if (IsLost(session->transformer())) return LostByFork(session->transformer());
  Session::State& state = session->listed(lock.held()).state;
  if (session->delete_deferred() || state != Session::State::kIdle) {
    return Status::Error(StatusCode::kBusy,
                         "the session is at work on a query: cancel it or wait for its end");
  }
  state = Session::State::kBusy;
  return Status();
}

Status Scheduler::Query(Session* session, clamma::Query* query) {
  CLAMMA_RETURN_IF_ERROR(MakeBusy(session));
  const SessionHeld held;
  if (query->seed == 0) query->seed = SeedFromClock();
  // Encoding a long prompt takes a while; other sessions are served meanwhile.
  PreparedQuery prepared;
  Status status;
  if constexpr (kHasSpeculation) {
    bool keeps = false;
    status = Borrows(*session, query->draft_transformer, &keeps);
    prepared.keeps_draft_model = keeps;
  }
  if (status.ok()) status = session->Prepare(held, *query, &prepared);
  if (session->transformer().memory.arena() == nullptr) {
    const Lock lock(*this);
    if (status.ok()) status = session->Reserve(held, lock.held(), *query, prepared);
    Begin(held, lock.held(), session, status, *query, &prepared);
    return status;
  }
  WhileStill([&](TurnHeld turn) {
    const Lock lock(*this);
    if (status.ok()) status = session->ReserveWhole(held, turn, lock.held(), *query, prepared);
    const bool no_room = status.code() == StatusCode::kOutOfMemory;
    Begin(held, lock.held(), session, status, *query, &prepared);
    if (no_room) status = session->NoRoomInArena(held, turn, *query, prepared);
  });
  return status;
}

// Ends the busy state of a session. Starts the query if `status` is OK; otherwise the session
// becomes idle.
void Scheduler::Begin(SessionHeld held, LockHeld lock, Session* session, const Status& status,
                      const clamma::Query& query, PreparedQuery* prepared) {
  if (status.ok()) {
    session->Begin(held, lock, query, prepared);
    if constexpr (kHasSpeculation) Borrow(lock, session, query.draft_transformer);
  }
  prepared->Free();  // here, while the session, which owns the memory, cannot be destroyed
  if (status.ok()) {
    PushQueue(lock, session);
  } else {
    session->listed(lock).state = Session::State::kIdle;
  }
}

void Scheduler::Delete(Session* session) {
  DeleteObject(session->transformer().memory.arena(), session);
}

void Scheduler::Delete(Transformer* transformer) {
  DeleteObject(transformer->memory.arena(), transformer);
}

uint32_t Scheduler::CountSessions(Transformer& transformer) {
  const Lock lock(*this);
  return transformer.listed(lock.held()).n_sessions;
}

// Removes a session from the lists. Returns whether a step is working on it.
bool Scheduler::Unlink(LockHeld lock, Session* session) {
  RemoveFromQueue(lock, session);
  if constexpr (kHasSpeculation) Borrow(lock, session, nullptr);
  Transformer::Listed& listed = session->transformer().listed(lock);
  Session** link = &listed.first_session;
  while (*link != session) link = &(*link)->listed(lock).next_in_transformer;
  *link = session->listed(lock).next_in_transformer;
  --listed.n_sessions;
  return session->listed(lock).in_step;
}

// Frees an unlinked session. If a step is working on it, it is freed when that step ends; if its
// transformer is lost, never.
void Scheduler::DeleteOrDefer(TurnHeld turn, Session* session, bool in_step) {
  if (in_step || IsLost(session->transformer())) {
    session->DeferDelete(turn);
  } else {
    Delete(session);
  }
}

void Scheduler::Destroy(TurnHeld turn, Session* session) {
  bool in_step = false;
  {
    const Lock lock(*this);
    in_step = Unlink(lock.held(), session);
  }
  DeleteOrDefer(turn, session, in_step);
}

void Scheduler::DestroySession(Session* session) {
  WhileStill([&](TurnHeld turn) { Destroy(turn, session); });
}

Session* Scheduler::FirstSession(Transformer& transformer) {
  const Lock lock(*this);
  return transformer.listed(lock.held()).first_session;
}

void Scheduler::DestroyTransformer(Transformer* transformer) {
  WhileStill([&](TurnHeld turn) {
    if constexpr (kHasSpeculation) DropBorrowers(turn, *transformer);
    while (Session* const session = FirstSession(*transformer)) Destroy(turn, session);
    if (transformer == at_work_) {
      deferred_ = transformer;
    } else if (!IsLost(*transformer)) {
      Delete(transformer);
    }
  });
}

bool Scheduler::Step() {
  return StepFor([](const Session& /*session*/) { return true; });
}

bool Scheduler::StepOf(const Transformer& only) {
  return StepFor([&](const Session& session) { return &session.transformer() == &only; });
}

// Serves the next session for which serves(session) is true.
template <typename Serves>
bool Scheduler::StepFor(const Serves& serves) {
  volatile const uint64_t mark = kStepMark;
  const Turn turn(*this);
  if (!turn.taken()) return false;
  Session* const session = BeginStep(turn.held(), &mark, serves);
  if (session == nullptr) return false;
  ServeWatched(turn.held(), session);
  EndStep(turn.held());
  return true;
}

// Removes that session from the queue; returns nullptr if there is none. The others keep their
// places.
template <typename Serves>
Session* Scheduler::BeginStep(TurnHeld /*turn*/, const volatile uint64_t* mark,
                              const Serves& serves) {
  const Lock lock(*this);
  Session* session = queue_head_;
  while (session != nullptr && !serves(*session)) {
    session = session->listed(lock.held()).next_in_queue;
  }
  if (session == nullptr) return nullptr;
  RemoveFromQueue(lock.held(), session);
  BeginWork(lock.held(), session->transformer());  // not lost: no session of a lost one is queued
  session->listed(lock.held()).state = Session::State::kStepping;
  session->listed(lock.held()).in_step = true;
  stepping_ = session;
  mark_ = mark;
  return session;
}

void Scheduler::EndStep(TurnHeld /*turn*/) {
  Session* session = nullptr;
  Transformer* deferred = nullptr;
  {
    const Lock lock(*this);
    session = std::exchange(stepping_, nullptr);
    session->listed(lock.held()).in_step = false;
    mark_ = nullptr;
    at_work_ = nullptr;
    deferred = std::exchange(deferred_, nullptr);
  }
  if (session->delete_deferred()) Delete(session);
  if (deferred != nullptr) Delete(deferred);
}

void Scheduler::AbandonStep() {
  const TurnHeld turn;
  Session* const session = stepping_;
  if (session == nullptr) return;
  if (!session->delete_deferred()) {
    if (StateOf(*session) == Session::State::kStepping) {
      session->Abandon(turn);
      const Lock lock(*this);
      session->listed(lock.held()).state = Session::State::kIdle;
    }
    DestroyHandedOver(turn, session);
  }
  EndStep(turn);
  GiveTurn();
}

Session::State Scheduler::StateOf(Session& session) {
  const Lock lock(*this);
  return session.listed(lock.held()).state;
}

// Runs the pass that a session needs, together with all sessions of its transformer that need one.
void Scheduler::RunPassFor(TurnHeld turn, Session* session) {
  Transformer& transformer = session->transformer();
  PassEntry* const entries = transformer.pass.data();
  size_t n = 0;
  bool has_draft_transformers = false;
  entries[n++].session = session;
  {
    const Lock lock(*this);
    for (Session* s = queue_head_; s != nullptr; s = s->listed(lock.held()).next_in_queue) {
      if (&s->transformer() == &transformer && s->NeedsPass(turn)) entries[n++].session = s;
    }
    if constexpr (kHasSpeculation) {
      has_draft_transformers = BeginDrafts(turn, lock.held(), entries, n);
    }
  }
  RunPass(turn, transformer, n);
  if (has_draft_transformers) {
    const Lock lock(*this);
    WorkOnlyWith(lock.held(), transformer);
  }
}

// All callbacks of a step run within this frame, so that unwinding it ends the step.
__attribute__((noinline)) void Scheduler::ServeWatched(TurnHeld turn, Session* session) {
  Serve(turn, session);
  CLAMMA_CALL_WHEN_UNWOUND(step);
}

void Scheduler::Serve(TurnHeld turn, Session* session) {
  if (session->NeedsPass(turn)) RunPassFor(turn, session);
  Done why = Done::kError;
  const Session::Progress progress = session->Deliver(turn, &why);
  if (session->delete_deferred()) return;  // destroyed inside a callback
  // The session becomes idle before the callback runs, so that the callback may start the next
  // query. From then on any thread may start one, so the ended query is copied before.
  const clamma::Query query = session->query(turn);
  {
    const Lock lock(*this);
    if (progress == Session::Progress::kGoesOn) {
      PushQueue(lock.held(), session);
      return;
    }
    session->listed(lock.held()).state = Session::State::kIdle;
  }
  if (query.done != nullptr) query.done(query, why);
  DestroyHandedOver(turn, session);
}

// Destroys a session whose query has ended, if that query asked for this (null_on_destroy) and no
// other query has begun since.
void Scheduler::DestroyHandedOver(TurnHeld turn, Session* session) {
  bool in_step = false;
  {
    const Lock lock(*this);
    const Session::State state = session->listed(lock.held()).state;
    if (session->delete_deferred() || state != Session::State::kIdle) return;
    if (session->query(turn).null_on_destroy == nullptr) return;
    in_step = Unlink(lock.held(), session);
  }
  DeleteOrDefer(turn, session, in_step);
}

}  // namespace clamma
