// SPDX-License-Identifier: MIT
// What a function needs its caller to hold, as types: it takes one of these for each. Only the
// scheduler makes them, so whoever has one holds what it stands for. What takes none of them may be
// called from any thread at any time.
#ifndef CLAMMA_ENGINE_GUARDS_H_
#define CLAMMA_ENGINE_GUARDS_H_

#include <type_traits>

namespace clamma {

class Scheduler;

// The turn: the insides of transformers and of sessions that are in use are this thread's.
class TurnHeld {
  friend class Scheduler;
  TurnHeld() = default;
};

// The scheduler's mutex, for moments: no other thread looks at lists, states or facts.
class LockHeld {
  friend class Scheduler;
  LockHeld() = default;
};

// A session that has no query, and gets none meanwhile: its conversation is this thread's.
class SessionHeld {
  friend class Scheduler;
  SessionHeld() = default;
};

static_assert(!std::is_default_constructible_v<TurnHeld> &&
              !std::is_default_constructible_v<LockHeld> &&
              !std::is_default_constructible_v<SessionHeld>);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GUARDS_H_
