// SPDX-License-Identifier: MIT
#include "conversation.h"

#include <algorithm>
#include <utility>

#include "chat_setup.h"
#include "notices.h"
#include "saved_chat.h"
#include "text_generation.h"

Conversation::Conversation(txf* model, options::Model model_options,
                           const options::Sampling& sampling, std::string arguments)
    : model_(model),
      model_options_(std::move(model_options)),
      sampling_(sampling),
      arguments_(std::move(arguments)),
      session_(clamma_session_construct(model), &clamma_session_destroy) {
  if (ready()) context_ = options::FittingContext(model, session_.get());
}

// The messages in the form of the C API; valid until a message changes.
std::vector<clamma_message_t> Conversation::List() const {
  std::vector<clamma_message_t> list;
  const auto add = [&list](const char* role, const std::string& content) {
    clamma_message_t message = {};
    message.role = role;
    message.content = content.c_str();
    list.push_back(message);
  };
  if (!system_.empty()) add("system", system_);
  for (const Message& message : messages_) add(message.role.c_str(), message.content);
  return list;
}

// Encodes all messages, with opens_answer also the text that opens an answer. Returns false on
// failure; the log has the reason.
bool Conversation::Encode(Tokens* tokens, bool opens_answer) const {
  const std::vector<clamma_message_t> list = List();
  clamma_txf_info_t info = options::MakeInfo(model_options_);
  info.chat_arguments = arguments_.empty() ? nullptr : arguments_.c_str();
  size_t count = 0;
  do {
    tokens->resize(count);
    if (clamma_chat_encode(model_, &info, list.data(), list.size(), opens_answer ? 1 : 0,
                           tokens->data(), tokens->size(), &count) != 0) {
      return false;
    }
  } while (count != tokens->size());
  return true;
}

clamma_session_facts_t Conversation::SessionFacts() const {
  clamma_session_facts_t facts = {};
  clamma_session_facts(session_.get(), &facts);
  return facts;
}

Conversation::Tokens Conversation::SessionTokens() const {
  size_t count = 0;
  clamma_session_get_tokens(session_.get(), nullptr, 0, &count);
  Tokens tokens(count);
  clamma_session_get_tokens(session_.get(), tokens.data(), count, &count);
  return tokens;
}

// Counts the tokens of messages that the session does not have yet.
void Conversation::CountTokens() {
  Tokens tokens;
  tokens_ = !messages_.empty() && Encode(&tokens, false) ? tokens.size() : 0;
}

// Drops the oldest turns, but not the last prompt, until the messages and the n_answer tokens of an
// answer that has begun leave half of the context free. *n_tokens receives the number of all these
// tokens. Returns false, and changes nothing, if the last prompt alone fills the context, or if the
// template refuses the messages.
bool Conversation::Forget(size_t n_answer, Answer* answer, size_t* n_tokens) {
  const std::vector<Message> all = messages_;
  Tokens tokens;
  bool encoded = true;
  do {
    if (messages_.size() < 3) break;
    messages_.erase(messages_.begin(), messages_.begin() + 2);
    encoded = Encode(&tokens);
  } while (encoded && tokens.size() + n_answer > context_ / 2);
  *n_tokens = tokens.size() + n_answer;
  if (!encoded || messages_.size() == all.size() || *n_tokens >= context_) {
    messages_ = all;
    return false;
  }
  answer->n_forgotten += all.size() - messages_.size();
  return true;
}

// Makes room for an answer: a sixteenth of the context, or whatever is left if the prompt alone
// leaves less. Returns false on failure; the log has the reason.
bool Conversation::MakeRoom(Answer* answer, size_t* n_tokens) {
  Tokens tokens;
  if (!Encode(&tokens)) return false;
  *n_tokens = tokens.size();
  if (tokens.size() <= context_ - context_ / 16 || Forget(0, answer, n_tokens)) return true;
  *n_tokens = tokens.size();
  if (messages_.size() == 1 && tokens.size() < context_) return true;
  Tell("the prompt takes " + std::to_string(*n_tokens) + " tokens, and the context has " +
       std::to_string(context_));
  return false;
}

// Makes room for the rest of an answer that has filled the context: the session then holds the
// answer after fewer messages. Returns false if it cannot continue.
bool Conversation::MakeRoomToGoOn(Answer* answer, size_t* n_tokens) {
  const Tokens all = SessionTokens();
  const size_t n_answer = std::min(answer->tokens, all.size());
  Tokens tokens;
  if (!Forget(n_answer, answer, n_tokens) || !Encode(&tokens)) return false;
  tokens.insert(tokens.end(), all.end() - static_cast<ptrdiff_t>(n_answer), all.end());
  return clamma_session_set_tokens(session_.get(), tokens.data(), tokens.size()) == 0;
}

// Runs one query, and adds its text to the answer.
bool Conversation::Run(size_t limit, bool goes_on, AnswerOutput* output, Answer* answer) {
  clamma_txf_info_t info = options::MakeInfo(model_options_);
  options::Apply(sampling_, info);
  info.limit = limit;
  info.chat_arguments = arguments_.empty() ? nullptr : arguments_.c_str();
  info.rng_seed = seeded_ ? SessionFacts().rng_state : first_seed();
  TextGeneration generation;
  generation.on_text = [&](const char* text) {
    answer->text += text;
    return output->Write(text);
  };
  const std::vector<clamma_message_t> list = List();
  const bool started = goes_on
                           ? generation.Start(session_.get(), info)
                           : generation.StartChat(session_.get(), info, list.data(), list.size());
  if (!started) return false;
  seeded_ = true;
  answer->started = true;
  do {
    if (interrupted != 0) clamma_sessions_query_cancel(session_.get());
    generation.Watch();
    output->ShowProgress(generation.Facts());
  } while (clamma_sessions_step_next() != 0);
  const clamma_session_facts_t facts = generation.Facts();
  answer->why = generation.why();
  answer->speed = generation.Speed(facts.generated_tokens);
  answer->tokens += facts.generated_tokens;
  return true;
}

// Answers the last message, which is a prompt.
Answer Conversation::Generate(AnswerOutput* output) {
  Answer answer;
  interrupted = 0;
  size_t held = 0;
  if (!MakeRoom(&answer, &held)) return answer;
  // An endless answer is cut off when it has filled the context once.
  const size_t limit = sampling_.steps == 0 ? context_ : sampling_.steps;
  bool ran = Run(std::min(limit, context_ - held), false, output, &answer);
  // The query ends at the context of the model, or at the smaller one of the conversation.
  while (ran && answer.tokens < limit &&
         (answer.why == CLAMMA_DONE_CONTEXT_FULL || answer.why == CLAMMA_DONE_LIMIT)) {
    answer.why = CLAMMA_DONE_CONTEXT_FULL;
    if (!MakeRoomToGoOn(&answer, &held)) break;
    ran = Run(std::min(limit - answer.tokens, context_ - held), true, output, &answer);
  }
  if (!answer.text.empty() || answer.why == CLAMMA_DONE_END_OF_TEXT) {
    messages_.push_back({"assistant", answer.text});
  }
  tokens_ = SessionTokens().size();
  return answer;
}

Answer Conversation::Say(const std::string& prompt, AnswerOutput* output) {
  messages_.push_back({"user", prompt});
  Answer answer = Generate(output);
  if (messages_.back().role == "user") messages_.pop_back();
  return answer;
}

Answer Conversation::AnswerAgain(AnswerOutput* output) {
  Message before = std::move(messages_.back());
  messages_.pop_back();
  Answer answer = Generate(output);
  if (messages_.back().role == "user") messages_.push_back(std::move(before));
  return answer;
}

void Conversation::SetSampling(const options::Sampling& sampling) {
  if (sampling.seed != sampling_.seed) {
    seeded_ = false;
    clock_seed_ = options::SeedFromClock();
  }
  sampling_ = sampling;
}

bool Conversation::TakeBack() {
  if (messages_.size() < 2) return false;
  messages_.resize(messages_.size() - 2);
  CountTokens();
  return true;
}

void Conversation::Reset() {
  messages_.clear();
  tokens_ = 0;
  clamma_session_set_tokens(session_.get(), nullptr, 0);
}

std::string Conversation::Save(const std::string& path) const {
  const SavedChat chat = {system_, messages_};
  return SaveChat(path, chat, session_.get());
}

std::string Conversation::Load(const std::string& path) {
  // Load into another session, so that the current one stays if that fails.
  SessionPtr fresh(clamma_session_construct(model_), &clamma_session_destroy);
  if (fresh == nullptr) return path + ": no further session can be constructed for it";
  SavedChat chat;
  std::string wrong = LoadChat(path, &chat, fresh.get());
  if (!wrong.empty()) return wrong;
  session_.swap(fresh);
  system_.swap(chat.system);
  messages_.swap(chat.messages);
  CountTokens();
  seeded_ = true;
  return "";
}
