// SPDX-License-Identifier: MIT
#include "retries.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "failure.h"

namespace get {
namespace {

constexpr unsigned kMaxPause = 30;  // seconds, unless the server asks for more

// Waits. Ctrl-C ends the wait.
void Pause(unsigned seconds) {
  const timespec moment = {0, 100'000'000};
  for (unsigned i = 0; i < 10 * seconds; ++i) {
    ThrowIfInterrupted();
    nanosleep(&moment, nullptr);
  }
}

}  // namespace

void Retries::Await(const Interruption& why, bool brought_something,
                    const std::string& how_to_go_on) {
  failures_ = brought_something ? 1 : failures_ + 1;
  if (failures_ >= tries_) throw Failure(kExitNetwork, why.what() + how_to_go_on);
  if (why.wait() > kMaxWait) {
    throw Failure(kExitNetwork, why.what() + std::string(", and asks to wait ") +
                                    std::to_string(why.wait()) + " s" + how_to_go_on);
  }
  const unsigned pause =
      why.wait() > 0 ? why.wait() : std::min(1u << std::min(failures_ - 1, 10u), kMaxPause);
  if (!quiet_) std::fprintf(stderr, "clamma-get: %s, trying again in %u s\n", why.what(), pause);
  Pause(pause);
}

}  // namespace get
