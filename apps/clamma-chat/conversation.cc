// SPDX-License-Identifier: MIT
#include "conversation.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>

#include "chat_setup.h"
#include "saved_chat.h"
#include "story.h"

Conversation::Conversation(txf* model, options::Model model_options,
                           const options::Sampling& sampling, std::string arguments)
    : model_(model),
      model_options_(std::move(model_options)),
      sampling_(sampling),
      arguments_(std::move(arguments)),
      session_(clamma_session_construct(model), &clamma_session_destroy) {
  if (ready()) context_ = options::FittingContext(model, session_.get());
}

// As the library takes them; valid until a message changes.
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

// The tokens of all messages, and of what opens an answer. False: the log has the reason.
bool Conversation::Encode(Tokens* tokens) const {
  const std::vector<clamma_message_t> list = List();
  clamma_txf_info_t info = options::MakeInfo(model_options_);
  info.chat_arguments = arguments_.empty() ? nullptr : arguments_.c_str();
  size_t count = 0;
  do {
    tokens->resize(count);
    if (clamma_chat_encode(model_, &info, list.data(), list.size(), 1, tokens->data(),
                           tokens->size(), &count) != 0) {
      return false;
    }
  } while (count != tokens->size());
  return true;
}

Conversation::Tokens Conversation::SessionTokens() const {
  size_t count = 0;
  clamma_session_get_tokens(session_.get(), nullptr, 0, &count);
  Tokens tokens(count);
  clamma_session_get_tokens(session_.get(), tokens.data(), count, &count);
  return tokens;
}

size_t Conversation::tokens() const {
  size_t count = 0;
  clamma_session_get_tokens(session_.get(), nullptr, 0, &count);
  return count;
}

// Where the messages leave no room for an answer, forgets the oldest turns, but not the last
// prompt, until half of the context is free. False: the log has the reason.
bool Conversation::MakeRoom(Answer* answer) {
  Tokens tokens;
  if (!Encode(&tokens)) return false;
  if (tokens.size() < context_) return true;
  std::vector<Message> all = messages_;
  while (messages_.size() > 2 && tokens.size() > context_ / 2) {
    messages_.erase(messages_.begin(), messages_.begin() + 2);
    if (!Encode(&tokens)) break;
  }
  if (tokens.size() < context_) {
    answer->n_forgotten += all.size() - messages_.size();
    return true;
  }
  messages_.swap(all);  // the last prompt alone is too long
  std::fprintf(stderr, "clamma-chat: the prompt takes %zu tokens, and the context has %zu\n",
               tokens.size(), context_);
  return false;
}

// Runs one query, which adds its text to the answer that is the last message.
bool Conversation::Run(size_t limit, bool goes_on, AnswerOutput* output, Answer* answer) {
  clamma_txf_info_t info = options::MakeInfo(model_options_);
  options::Apply(sampling_, info);
  info.limit = limit;
  info.chat_arguments = arguments_.empty() ? nullptr : arguments_.c_str();
  if (seeded_) {
    clamma_session_facts_t facts = {};
    clamma_session_facts(session_.get(), &facts);
    info.rng_seed = facts.rng_state;
  }
  std::string* const content = &messages_.back().content;
  Story story;
  story.on_text = [&](const char* text) {
    content->append(text);
    return output->Write(text);
  };
  // Without the answer, which is empty as yet.
  std::vector<clamma_message_t> list = List();
  list.pop_back();
  const bool started = goes_on ? story.Start(session_.get(), info)
                               : story.StartChat(session_.get(), info, list.data(), list.size());
  if (!started) return false;
  seeded_ = true;
  answer->started = true;
  while (clamma_sessions_step_next() != 0) {
    if (interrupted != 0) clamma_sessions_query_cancel(session_.get());
    story.Watch();
    if (!story.started()) output->ShowProgress(story.Facts());
  }
  const clamma_session_facts_t facts = story.Facts();
  answer->why = story.why();
  answer->speed = story.Speed(facts.generated_tokens);
  answer->tokens += facts.generated_tokens;
  return true;
}

// Makes the session hold all messages but the answer, and of the answer these tokens.
bool Conversation::GoOn(const Tokens& answer_tokens) {
  Message answer = std::move(messages_.back());
  messages_.pop_back();
  Tokens tokens;
  const bool encoded = Encode(&tokens);
  messages_.push_back(std::move(answer));
  if (!encoded) return false;
  tokens.insert(tokens.end(), answer_tokens.begin(), answer_tokens.end());
  return clamma_session_set_tokens(session_.get(), tokens.data(), tokens.size()) == 0;
}

// Answers the last message, which is a prompt.
Answer Conversation::Generate(AnswerOutput* output) {
  Answer answer;
  interrupted = 0;
  if (!MakeRoom(&answer)) return answer;
  Tokens prompt;
  if (!Encode(&prompt)) return answer;
  messages_.push_back({"assistant", ""});
  // An answer that never ends is cut where it has filled the context once.
  const size_t limit = sampling_.steps == 0 ? context_ : sampling_.steps;
  size_t room = context_ - prompt.size();
  bool ran = Run(std::min(limit, room), false, output, &answer);
  // By the context of the model, or the smaller one here.
  while (ran && answer.tokens < limit && messages_.size() > 2 &&
         (answer.why == CLAMMA_DONE_CONTEXT_FULL || answer.why == CLAMMA_DONE_LIMIT)) {
    const Tokens all = SessionTokens();
    const size_t n_answer = std::min(answer.tokens, all.size());
    const Tokens said(all.end() - static_cast<ptrdiff_t>(n_answer), all.end());
    messages_.erase(messages_.begin(), messages_.begin() + 2);
    answer.n_forgotten += 2;
    if (!GoOn(said)) break;
    const size_t held = tokens();
    if (held >= context_) break;
    ran = Run(std::min(limit - answer.tokens, context_ - held), true, output, &answer);
  }
  if (ran && answer.why == CLAMMA_DONE_LIMIT && answer.tokens < limit) {
    answer.why = CLAMMA_DONE_CONTEXT_FULL;
  }
  if (messages_.back().content.empty() && answer.why != CLAMMA_DONE_END_OF_TEXT) {
    messages_.pop_back();
  }
  return answer;
}

Answer Conversation::Say(const std::string& prompt, AnswerOutput* output) {
  messages_.push_back({"user", prompt});
  const Answer answer = Generate(output);
  // The session has not kept it, either.
  if (messages_.back().role == "user") messages_.pop_back();
  return answer;
}

Answer Conversation::AnswerAgain(AnswerOutput* output) {
  Message before = std::move(messages_.back());
  messages_.pop_back();
  const Answer answer = Generate(output);
  if (messages_.back().role == "user") messages_.push_back(std::move(before));
  return answer;
}

bool Conversation::TakeBack() {
  if (messages_.size() < 2) return false;
  messages_.resize(messages_.size() - 2);
  return true;
}

void Conversation::Reset() {
  messages_.clear();
  clamma_session_set_tokens(session_.get(), nullptr, 0);
}

std::string Conversation::Save(const std::string& path) const {
  const SavedChat chat = {system_, messages_};
  return SaveChat(path, chat, session_.get());
}

std::string Conversation::Load(const std::string& path) {
  // Into a session of its own, so that the present one stays if that fails.
  SessionPtr fresh(clamma_session_construct(model_), &clamma_session_destroy);
  if (fresh == nullptr) return path + ": there is no further session for it";
  SavedChat chat;
  const std::string wrong = LoadChat(path, &chat, fresh.get());
  if (!wrong.empty()) return wrong;
  session_.swap(fresh);
  system_.swap(chat.system);
  messages_.swap(chat.messages);
  seeded_ = true;
  return "";
}
