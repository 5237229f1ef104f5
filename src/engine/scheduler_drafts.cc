// SPDX-License-Identifier: MIT
// The part of the scheduler that builds without speculation lack: transformers that compute drafts
// for the sessions of others.
#include "engine/scheduler.h"

namespace clamma {

// Lists the session with the transformer that computes its drafts from now on, or nullptr.
void Scheduler::Borrow(LockHeld lock, Session* session, Transformer* lender) {
  Session::Listed& listed = session->listed(lock);
  if (listed.lender == lender) return;
  if (listed.lender != nullptr) {
    Session** link = &listed.lender->listed(lock).first_borrower;
    while (*link != session) link = &(*link)->listed(lock).next_borrower;
    *link = listed.next_borrower;
  }
  listed.lender = lender;
  listed.next_borrower = lender == nullptr ? nullptr : lender->listed(lock).first_borrower;
  if (lender != nullptr) lender->listed(lock).first_borrower = session;
}

// Whether this is the transformer that computed the drafts of the session's last query; nullptr: it
// had none. Fails if the transformer is lost.
Status Scheduler::Borrows(Session& session, const Transformer* lender, bool* borrows) {
  const Lock lock(*this);
  if (lender != nullptr && IsLost(*lender)) return LostByFork(*lender);
  *borrows = session.listed(lock.held()).lender == lender;
  return Status();
}

// The sessions whose drafts the transformer computes go on without. They may be busy: the lock is
// kept so that no query of theirs begins meanwhile. What a lost one has is never freed.
void Scheduler::DropBorrowers(TurnHeld turn, Transformer& lender) {
  const Lock lock(*this);
  while (Session* const session = lender.listed(lock.held()).first_borrower) {
    Borrow(lock.held(), session, nullptr);
    if (!IsLost(session->transformer())) session->DropDraftModel(turn, lock.held());
  }
}

// Makes the draft transformers of sessions ready for a pass. Returns whether there are any.
bool Scheduler::BeginDrafts(TurnHeld turn, LockHeld lock, const PassEntry* entries, size_t n) {
  bool any = false;
  for (size_t i = 0; i < n; ++i) {
    Transformer* const draft = entries[i].session->draft_transformer(turn);
    if (draft == nullptr || IsLost(*draft)) continue;
    AlsoWorkWith(lock, *draft);
    any = true;
  }
  return any;
}

}  // namespace clamma
