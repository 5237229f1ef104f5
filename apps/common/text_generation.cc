// SPDX-License-Identifier: MIT
#include "text_generation.h"

volatile std::sig_atomic_t interrupted = 0;

void CatchInterrupts(int flags) {
  struct sigaction on_interrupt = {};
  on_interrupt.sa_handler = [](int) { interrupted = 1; };
  on_interrupt.sa_flags = flags;
  sigaction(SIGINT, &on_interrupt, nullptr);
}

void HandleSignals() {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe becomes a write error
  std::signal(SIGXFSZ, SIG_IGN);  // so does the limit on the size of files
  CatchInterrupts(static_cast<int>(SA_RESETHAND));
}

bool TextGeneration::Start(txf_session* session, clamma_txf_info_t info) {
  Listen(&info);
  session_ = session;
  return clamma_session_query(session, &info) == 0;
}

bool TextGeneration::StartChat(txf_session* session, clamma_txf_info_t info,
                               const clamma_message_t* messages, size_t count) {
  Listen(&info);
  session_ = session;
  return clamma_chat_query(session, &info, messages, count) == 0;
}

void TextGeneration::Watch() {
  if (started_ || ended_ || Facts().generated_tokens == 0) return;
  started_ = true;
  first_ = Clock::now();
}

clamma_session_facts_t TextGeneration::Facts() const {
  clamma_session_facts_t facts = {};
  clamma_session_facts(session_, &facts);
  return facts;
}

clamma_query_facts_t TextGeneration::QueryFacts() const {
  clamma_query_facts_t facts = {};
  clamma_query_facts(session_, &facts);
  return facts;
}

double TextGeneration::Speed(size_t tokens) const {
  if (!started_ || tokens < 2) return 0;
  const std::chrono::duration<double> time = (ended_ ? end_ : Clock::now()) - first_;
  return time.count() > 0 ? static_cast<double>(tokens - 1) / time.count() : 0;
}

void TextGeneration::Listen(clamma_txf_info_t* info) {
  info->issue_cb = OnText;
  info->done_cb = OnDone;
  info->progress_cb = on_progress ? OnProgress : nullptr;
  if (on_logit_hash) info->logit_hash_cb = OnLogitHash;
  info->opaque_user_pointer = this;
}

int TextGeneration::OnText(void* opaque, const char* text) {
  auto* generation = static_cast<TextGeneration*>(opaque);
  const bool written =
      generation->on_text ? generation->on_text(text) : generation->output->Write(text);
  return written && interrupted == 0 ? 0 : 1;
}

int TextGeneration::OnProgress(void* opaque, size_t processed, size_t total) {
  static_cast<TextGeneration*>(opaque)->on_progress(processed, total);
  return interrupted == 0 ? 0 : 1;
}

void TextGeneration::OnLogitHash(void* opaque, tok_id_t token, uint64_t hash) {
  static_cast<TextGeneration*>(opaque)->on_logit_hash(token, hash);
}

void TextGeneration::OnDone(void* opaque, clamma_done_t why) {
  auto* generation = static_cast<TextGeneration*>(opaque);
  generation->why_ = why;
  generation->ended_ = true;
  generation->end_ = Clock::now();
}
