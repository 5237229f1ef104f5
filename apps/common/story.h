// SPDX-License-Identifier: MIT
// A text as a session generates it, and Ctrl-C, which ends it. Copy this folder with the app that
// you start from.
#ifndef CLAMMA_APPS_COMMON_STORY_H_
#define CLAMMA_APPS_COMMON_STORY_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>

#include "text_output.h"

// Set by Ctrl-C.
extern volatile std::sig_atomic_t interrupted;

// With SA_RESETHAND a second Ctrl-C ends the program at once.
void CatchInterrupts(int flags);

// Catches Ctrl-C once, and makes errors of writing of what would end the program otherwise.
void HandleSignals();

// One query: where its text goes, how fast it comes, and why it ended. Stays where it is while the
// query runs.
class Story {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts the query that `info` asks for; false: the log has the reason.
  bool Start(txf_session* session, clamma_txf_info_t info);

  // The same for the answer to a conversation.
  bool StartChat(txf_session* session, clamma_txf_info_t info, const clamma_message_t* messages,
                 size_t count);

  // To be called after each step: notices the first token.
  void Watch();

  clamma_session_facts_t Facts() const;

  // Tokens a second from the first of `tokens` to the last, or to now; 0: not known.
  double Speed(size_t tokens) const;

  bool started() const { return started_; }
  bool ended() const { return ended_; }
  clamma_done_t why() const { return why_; }

  std::optional<TextOutput> output;               // to be there before the first step, or:
  std::function<bool(const char* text)> on_text;  // false: it cannot be written

 private:
  void Listen(clamma_txf_info_t* info);
  static int OnText(void* opaque, const char* text);
  static void OnDone(void* opaque, clamma_done_t why);

  txf_session* session_ = nullptr;
  bool started_ = false;
  bool ended_ = false;
  clamma_done_t why_ = CLAMMA_DONE_ERROR;
  Clock::time_point first_, end_;
};

#endif  // CLAMMA_APPS_COMMON_STORY_H_
