// SPDX-License-Identifier: MIT
// Types that show what the caller of a function must hold: the function has a parameter for each.
// Only the scheduler constructs them, so a caller that has one holds what it stands for. A function
// that takes none of them may be called from any thread at any time.
#ifndef CLAMMA_ENGINE_GUARDS_H_
#define CLAMMA_ENGINE_GUARDS_H_

#include <type_traits>

namespace clamma {

class Scheduler;

// The thread has the turn: only it uses the members of transformers and of sessions with a query.
class TurnHeld {
  friend class Scheduler;
  TurnHeld() = default;
};

// The thread holds the scheduler's mutex, which is only held briefly: no other thread accesses
// lists, states or facts.
class LockHeld {
  friend class Scheduler;
  LockHeld() = default;
};

// The thread has made a session busy, which has no query and gets none meanwhile: only this thread
// uses its conversation.
class SessionHeld {
  friend class Scheduler;
  SessionHeld() = default;
};

static_assert(!std::is_default_constructible_v<TurnHeld> &&
              !std::is_default_constructible_v<LockHeld> &&
              !std::is_default_constructible_v<SessionHeld>);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GUARDS_H_
