// SPDX-License-Identifier: MIT
// A chat on one session: its messages, and what becomes of them when the context is full.
#ifndef CLAMMA_APPS_CHAT_CONVERSATION_H_
#define CLAMMA_APPS_CHAT_CONVERSATION_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "answer_output.h"
#include "options.h"

struct Message {
  std::string role;  // "user" or "assistant"
  std::string content;

  bool operator==(const Message&) const = default;
};

struct Answer {
  bool started = false;  // false: the log has the reason
  clamma_done_t why = CLAMMA_DONE_ERROR;
  size_t tokens = 0;
  double speed = 0;        // tokens a second; 0: not known
  size_t n_forgotten = 0;  // messages that made room for this one
  std::string text;
};

class Conversation {
 public:
  // On `model`, which must outlive this; `arguments` is JSON for the template, or "".
  Conversation(txf* model, options::Model model_options, const options::Sampling& sampling,
               std::string arguments);

  bool ready() const { return session_ != nullptr; }

  // Says `prompt` and writes the answer to `output` as it comes. Ctrl-C ends the answer.
  Answer Say(const std::string& prompt, AnswerOutput* output);

  // Answers the last prompt once more. False: there is none.
  bool CanAnswerAgain() const { return messages_.size() >= 2; }
  Answer AnswerAgain(AnswerOutput* output);

  // Takes back the last prompt and its answer; false: there is none.
  bool TakeBack();

  // Forgets all messages; the system prompt stays.
  void Reset();

  // How the model is to answer, from now on; "": nothing is said.
  void SetSystem(std::string system) { system_ = std::move(system); }
  const std::string& system() const { return system_; }
  const options::Sampling& sampling() const { return sampling_; }
  // Of the first answer.
  uint64_t first_seed() const { return sampling_.seed != 0 ? sampling_.seed : clock_seed_; }
  // From the next answer on; another seed starts the random numbers anew.
  void SetSampling(const options::Sampling& sampling);

  clamma_session_facts_t SessionFacts() const;
  size_t context() const { return context_; }
  size_t tokens() const { return tokens_; }  // that the messages take of it
  size_t turns() const { return messages_.size() / 2; }

  // All of it, to go on another day. Return what went wrong, "" if nothing; a file or conversation
  // that was there stays as it was then.
  std::string Save(const std::string& path) const;
  std::string Load(const std::string& path);

 private:
  using SessionPtr = std::unique_ptr<txf_session, decltype(&clamma_session_destroy)>;
  using Tokens = std::vector<tok_id_t>;

  std::vector<clamma_message_t> List() const;
  bool Encode(Tokens* tokens, bool opens_answer = true) const;
  bool Forget(size_t n_answer, Answer* answer, size_t* n_tokens);
  bool MakeRoom(Answer* answer, size_t* n_tokens);
  Answer Generate(AnswerOutput* output);
  bool MakeRoomToGoOn(Answer* answer, size_t* n_tokens);
  bool Run(size_t limit, bool goes_on, AnswerOutput* output, Answer* answer);
  Tokens SessionTokens() const;
  void CountTokens();

  txf* model_;
  options::Model model_options_;
  options::Sampling sampling_;
  size_t context_ = 0;  // most tokens that it holds
  size_t tokens_ = 0;
  std::string arguments_;
  std::string system_;
  std::vector<Message> messages_;
  SessionPtr session_;
  bool seeded_ = false;                             // by the first query
  uint64_t clock_seed_ = options::SeedFromClock();  // where the user gives none
};

#endif  // CLAMMA_APPS_CHAT_CONVERSATION_H_
