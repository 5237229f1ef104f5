// SPDX-License-Identifier: MIT
#include "engine/scheduler.h"

#include "engine/pass.h"
#include "platform/clock.h"

namespace clamma {
namespace {

constinit Scheduler the_scheduler;

}  // namespace

Scheduler& TheScheduler() { return the_scheduler; }

// Waits until it is this thread's turn, first come, first served. The mutex is held.
void Scheduler::WaitForTurn() {
  const uint32_t ticket = next_ticket_++;
  while (ticket != served_ticket_) changed_.Wait(mutex_);
  owner_ = ThisThread();
}

void Scheduler::EndTurn() {
  owner_ = nullptr;
  ++served_ticket_;
  changed_.NotifyAll();
}

bool Scheduler::TakeTurn() {
  MutexLock lock(mutex_);
  if (owner_ == ThisThread()) return false;
  WaitForTurn();
  return true;
}

void Scheduler::GiveTurn() {
  MutexLock lock(mutex_);
  EndTurn();
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
  if (session->doomed || session->state != Session::State::kIdle) {
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
void Scheduler::Bury(Session* session) {
  if (session->in_step) {
    session->Doom();
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
    Bury(session);
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
      Bury(session);
    }
    if (transformer == stepping_) {
      doomed_ = transformer;
    } else {
      Delete(transformer);
    }
  });
}

bool Scheduler::Step() {
  Session* session = nullptr;
  {
    MutexLock lock(mutex_);
    if (owner_ == ThisThread()) return false;
    WaitForTurn();
    if (queue_head_ == nullptr) {
      EndTurn();
      return false;
    }
    session = PopQueue();
    session->state = Session::State::kStepping;
    session->in_step = true;
    stepping_ = &session->transformer();
  }
  Serve(session);
  Transformer* doomed = nullptr;
  {
    MutexLock lock(mutex_);
    session->in_step = false;
    stepping_ = nullptr;
    doomed = doomed_;
    doomed_ = nullptr;
  }
  if (session->doomed) Delete(session);
  if (doomed != nullptr) Delete(doomed);
  GiveTurn();
  return true;
}

// The pass that a session needs is run for all sessions of its transformer that need one.
void Scheduler::RunPassFor(Session* session) {
  Transformer& transformer = session->transformer();
  Session* batch[kMaxSessions];
  size_t n = 0;
  batch[n++] = session;
  {
    MutexLock lock(mutex_);
    for (Session* s = queue_head_; s != nullptr; s = s->next_in_queue) {
      if (&s->transformer() == &transformer && s->NeedsPass()) batch[n++] = s;
    }
  }
  RunPass(transformer, batch, n);
}

void Scheduler::Serve(Session* session) {
  if (session->NeedsPass()) RunPassFor(session);
  Done why = Done::kError;
  const Session::Progress progress = session->Deliver(&why);
  if (session->doomed) return;  // destroyed from inside a callback
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
}

}  // namespace clamma
