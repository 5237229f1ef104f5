// SPDX-License-Identifier: MIT
// A chat on one session: keeps its messages, and drops the oldest when the context is full.
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
  double speed = 0;        // tokens per second; 0: unknown
  size_t n_forgotten = 0;  // number of messages dropped to make room
  std::string text;
};

class Conversation {
 public:
  // `model` must outlive the conversation; `arguments` is JSON for the template, or "".
  Conversation(txf* model, options::Model model_options, const options::Sampling& sampling,
               std::string arguments);

  bool ready() const { return session_ != nullptr; }

  // Sends `prompt` and writes the answer to `output` as it is generated. Ctrl-C ends the answer.
  Answer Say(const std::string& prompt, AnswerOutput* output);

  // Replaces the answer to the last prompt, if CanAnswerAgain().
  bool CanAnswerAgain() const { return messages_.size() >= 2; }
  Answer AnswerAgain(AnswerOutput* output);

  // Removes the last prompt and its answer. Returns false if there is none.
  bool TakeBack();

  // Removes all messages; the system prompt stays.
  void Reset();

  // Sets the system prompt for the following answers; "": none.
  void SetSystem(std::string system) { system_ = std::move(system); }
  const std::string& system() const { return system_; }
  const options::Sampling& sampling() const { return sampling_; }
  // The seed of the first answer.
  uint64_t first_seed() const { return sampling_.seed != 0 ? sampling_.seed : clock_seed_; }
  // Applies from the next answer on. A different seed restarts the random numbers.
  void SetSampling(const options::Sampling& sampling);

  clamma_session_facts_t SessionFacts() const;
  size_t context() const { return context_; }
  size_t tokens() const { return tokens_; }  // number of its tokens in use
  size_t turns() const { return messages_.size() / 2; }

  // Save the conversation, or continue a saved one. Both return the reason of a failure, else "".
  // On failure the existing file or conversation stays as it was.
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
  size_t context_ = 0;  // most tokens
  size_t tokens_ = 0;
  std::string arguments_;
  std::string system_;
  std::vector<Message> messages_;
  SessionPtr session_;
  bool seeded_ = false;                             // the first query has set the seed
  uint64_t clock_seed_ = options::SeedFromClock();  // used if the user gives no seed
};

#endif  // CLAMMA_APPS_CHAT_CONVERSATION_H_
