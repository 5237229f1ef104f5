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
inline volatile std::sig_atomic_t interrupted = 0;

// With SA_RESETHAND a second Ctrl-C ends the program at once.
inline void CatchInterrupts(int flags) {
  struct sigaction on_interrupt = {};
  on_interrupt.sa_handler = [](int) { interrupted = 1; };
  on_interrupt.sa_flags = flags;
  sigaction(SIGINT, &on_interrupt, nullptr);
}

inline void HandleSignals() {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of writing, not the end of us
  std::signal(SIGXFSZ, SIG_IGN);  // so is a limit on the size of files
  CatchInterrupts(static_cast<int>(SA_RESETHAND));
}

// One query: where its text goes, how fast it comes, and why it ended. Stays where it is while the
// query runs.
class Story {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts the query that `info` asks for; false: the log has the reason.
  bool Start(txf_session* session, clamma_txf_info_t info) {
    Listen(&info);
    session_ = session;
    return clamma_session_query(session, &info) == 0;
  }

  // The same for the answer to a conversation.
  bool StartChat(txf_session* session, clamma_txf_info_t info, const clamma_message_t* messages,
                 size_t count) {
    Listen(&info);
    session_ = session;
    return clamma_chat_query(session, &info, messages, count) == 0;
  }

  // To be called after each step: notices the first token.
  void Watch() {
    if (started_ || ended_ || Facts().generated_tokens == 0) return;
    started_ = true;
    first_ = Clock::now();
  }

  clamma_session_facts_t Facts() const {
    clamma_session_facts_t facts = {};
    clamma_session_facts(session_, &facts);
    return facts;
  }

  // Tokens a second from the first of `tokens` to the last, or to now; 0: not known.
  double Speed(size_t tokens) const {
    if (!started_ || tokens < 2) return 0;
    const std::chrono::duration<double> time = (ended_ ? end_ : Clock::now()) - first_;
    return time.count() > 0 ? static_cast<double>(tokens - 1) / time.count() : 0;
  }

  bool started() const { return started_; }
  bool ended() const { return ended_; }
  clamma_done_t why() const { return why_; }

  std::optional<TextOutput> output;               // to be there before the first step, or:
  std::function<bool(const char* text)> on_text;  // false: it cannot be written

 private:
  void Listen(clamma_txf_info_t* info) {
    info->issue_cb = OnText;
    info->done_cb = OnDone;
    info->opaque_user_pointer = this;
  }

  static int OnText(void* opaque, const char* text) {
    auto* story = static_cast<Story*>(opaque);
    const bool written = story->on_text ? story->on_text(text) : story->output->Write(text);
    return written && interrupted == 0 ? 0 : 1;
  }

  static void OnDone(void* opaque, clamma_done_t why) {
    auto* story = static_cast<Story*>(opaque);
    story->why_ = why;
    story->ended_ = true;
    story->end_ = Clock::now();
  }

  txf_session* session_ = nullptr;
  bool started_ = false;
  bool ended_ = false;
  clamma_done_t why_ = CLAMMA_DONE_ERROR;
  Clock::time_point first_, end_;
};

#endif  // CLAMMA_APPS_COMMON_STORY_H_
