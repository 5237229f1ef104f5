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

// Removes a session from the transformer's borrowers; nullptr: there is none.
Session* Scheduler::TakeBorrower(Transformer& lender) {
  const Lock lock(*this);
  Session* const session = lender.listed(lock.held()).first_borrower;
  if (session != nullptr) Borrow(lock.held(), session, nullptr);
  return session;
}

// Makes the draft transformers of sessions ready for a pass.
void Scheduler::BeginDrafts(TurnHeld turn, LockHeld lock, const PassEntry* entries, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    Transformer* const draft = entries[i].session->draft_transformer(turn);
    if (draft != nullptr && !IsLost(*draft)) AlsoWorkWith(lock, *draft);
  }
}

}  // namespace clamma
