// SPDX-License-Identifier: MIT
// A chat on one session: its turns, and what becomes of them when the context is full.
#ifndef CLAMMA_APPS_CHAT_CONVERSATION_H_
#define CLAMMA_APPS_CHAT_CONVERSATION_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

struct Answer {
  bool started = false;  // false: the log has the reason
  clamma_done_t why = CLAMMA_DONE_ERROR;
  size_t tokens = 0;
  double speed = 0;  // tokens a second; 0: not known
};

class Conversation {
 public:
  // On `model`, of type CHAT, which must outlive this.
  Conversation(txf* model, options::Model model_options, const options::Sampling& sampling,
               std::string system);

  bool ready() const { return session_ != nullptr; }

  // Says `prompt` and writes the answer to stdout as it comes. Ctrl-C ends the answer.
  Answer Say(const std::string& prompt);

  // Forgets all turns; the system prompt stays.
  void Reset();

  // All of it, to go on another day. Return what went wrong, "" if nothing; a file or conversation
  // that was there stays as it was then.
  std::string Save(const std::string& path) const;
  std::string Load(const std::string& path);

 private:
  struct Turn {
    std::string prompt;
    std::vector<tok_id_t> answer;  // with the EOS that ended it, if one did
  };
  using Tokens = std::vector<tok_id_t>;

  static bool ParseHeader(const std::string& line, std::string& system, std::vector<Turn>& turns);
  Tokens EncodeTurn(const std::string& prompt, bool first) const;
  std::optional<Tokens> Encode(const std::vector<Turn>& turns) const;
  Tokens SessionTokens() const;
  bool Forget();
  bool MakeRoom(const std::string& prompt);
  bool Query(const char* prompt, size_t limit, Answer* answer);

  txf* model_;
  options::Model model_options_;
  options::Sampling sampling_;
  std::string system_;
  size_t context_ = 0;
  std::unique_ptr<txf_session, decltype(&clamma_session_destroy)> session_;
  std::vector<Turn> turns_;
  bool seeded_ = false;  // by the first query
};

#endif  // CLAMMA_APPS_CHAT_CONVERSATION_H_
