// SPDX-License-Identifier: MIT
// Runs a query and follows its text, which Ctrl-C ends. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_TEXT_GENERATION_H_
#define CLAMMA_APPS_COMMON_TEXT_GENERATION_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>

#include "text_output.h"

// Becomes 1 when the user presses Ctrl-C.
extern volatile std::sig_atomic_t interrupted;

// Makes Ctrl-C set `interrupted`. `flags` are those of sigaction(): with SA_RESETHAND, a second
// Ctrl-C ends the program.
void CatchInterrupts(int flags);

// Catches the first Ctrl-C, and turns signals of failed writes, which would end the program, into
// write errors.
void HandleSignals();

// A query: where its text goes, how fast it comes, and why it ended. Must not be moved while the
// query runs.
class TextGeneration {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts the query that `info` describes. Returns false on failure, with the reason in the log.
  bool Start(txf_session* session, clamma_txf_info_t info);

  // Starts a query for the answer to a conversation.
  bool StartChat(txf_session* session, clamma_txf_info_t info, const clamma_message_t* messages,
                 size_t count);

  // Call this after each step, so that the time of the first token is known.
  void Watch();

  clamma_session_facts_t Facts() const;
  clamma_query_facts_t QueryFacts() const;

  // Returns tokens per second, from the first of `tokens` to the last, or until now; 0: unknown.
  double Speed(size_t tokens) const;

  bool started() const { return started_; }
  bool ended() const { return ended_; }
  clamma_done_t why() const { return why_; }

  std::optional<TextOutput> output;               // set this before the first step, or on_text
  std::function<bool(const char* text)> on_text;  // returns false if writing fails
  // If set, before the query starts: is told how many positions of the prompt have been processed.
  std::function<void(size_t processed, size_t total)> on_progress;
  // If set before the start: receives what clamma_logit_hash_cb_t does.
  std::function<void(tok_id_t token, uint64_t hash)> on_logit_hash;

 private:
  void Listen(clamma_txf_info_t* info);
  static int OnText(void* opaque, const char* text);
  static int OnProgress(void* opaque, size_t processed, size_t total);
  static void OnLogitHash(void* opaque, tok_id_t token, uint64_t hash);
  static void OnDone(void* opaque, clamma_done_t why);

  txf_session* session_ = nullptr;
  bool started_ = false;
  bool ended_ = false;
  clamma_done_t why_ = CLAMMA_DONE_ERROR;
  Clock::time_point first_, end_;
};

#endif  // CLAMMA_APPS_COMMON_TEXT_GENERATION_H_
