// SPDX-License-Identifier: MIT
#include "openai/generation.h"

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "openai/tools/tool_format.h"

namespace openai {
namespace {

const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

Ending EndingOf(clamma_done_t why) {
  switch (why) {
    case CLAMMA_DONE_END_OF_TEXT:
    case CLAMMA_DONE_STOP_STRING:
      return Ending::kStop;
    case CLAMMA_DONE_LIMIT:
    case CLAMMA_DONE_CONTEXT_FULL:
      return Ending::kLength;
    case CLAMMA_DONE_CANCELLED:
      return Ending::kCancelled;
    case CLAMMA_DONE_ERROR:
      break;
  }
  return Ending::kFailed;
}

constexpr size_t kMaxHeader = 512;

// The function to which a message with this header goes; "": to none.
std::string FunctionOf(const std::string& header) {
  static constexpr std::string_view kTo = "to=functions.";
  const size_t found = header.find(kTo);
  if (found == std::string::npos) return "";
  const size_t begin = found + kTo.size();
  return header.substr(begin, header.find_first_of(" \n", begin) - begin);
}

}  // namespace

std::vector<clamma_message_t> ListOf(const std::vector<ChatMessage>& messages) {
  std::vector<clamma_message_t> list;
  list.reserve(messages.size());
  for (const ChatMessage& m : messages) {
    clamma_message_t message = {};
    message.role = m.role.c_str();
    message.content = m.has_content ? m.content.c_str() : nullptr;
    message.name = OrNull(m.name);
    message.reasoning = OrNull(m.reasoning);
    message.tool_calls = OrNull(m.tool_calls);
    message.tool_call_id = OrNull(m.tool_call_id);
    list.push_back(message);
  }
  return list;
}

Generation::Generation(std::shared_ptr<Call> call, Plan plan, std::unique_ptr<Output> output,
                       Slots& slots, Counters& counters)
    : call_(std::move(call)),
      plan_(std::move(plan)),
      output_(std::move(output)),
      slots_(slots),
      counters_(counters),
      choices_(plan_.prompts.size() * plan_.n) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    choices_[i].owner = this;
    choices_[i].index = i;
  }
}

Generation::~Generation() = default;

void Constraint::Apply(clamma_txf_info_t* info) const {
  info->json_schema = OrNull(json_schema);
  info->grammar = OrNull(grammar);
  info->regex = OrNull(regex);
  info->grammar_trigger = OrNull(trigger);
  if (trigger_token >= 0) info->grammar_trigger_token = &trigger_token;
  info->grammar_repeats = repeats ? 1 : 0;
  info->json_schema_loose = is_loose && regex.empty() ? 1 : 0;
}

std::string Generation::CheckConstraint(const Plan& plan) {
  if (!plan.constraint.is_any()) return "";
  std::array<char, 512> desc = {};
  std::array<char, 1024> dropped = {};
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  plan.constraint.Apply(&info);
  info.desc = desc.data();
  info.desc_max = desc.size();
  info.dropped_constraints = dropped.data();
  info.dropped_constraints_max = dropped.size();
  if (clamma_grammar_check(plan.model->handle(), &info) != 0) {
    const std::string reason = desc.data();
    if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
    throw InvalidRequest(reason, plan.constraint.param);
  }
  std::string paths = dropped.data();
  while (paths.ends_with('\n')) paths.pop_back();
  if (!plan.constraint.dropped.empty()) {
    paths = plan.constraint.dropped + (paths.empty() ? "" : ",") + paths;
  }
  for (char& c : paths) {
    if (c == '\n') c = ',';
    // A header takes printable ASCII only.
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return paths;
}

size_t Generation::CountTokens(const Prompt& prompt) const {
  if (prompt.messages.empty()) return prompt.tokens.size();
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.chat_tools = OrNull(prompt.tools);
  info.chat_arguments = OrNull(prompt.arguments);
  plan_.model->Apply(&info);
  const std::vector<clamma_message_t> list = ListOf(prompt.messages);
  size_t count = 0;
  TakeReason();
  if (clamma_chat_encode(plan_.model->handle(), &info, list.data(), list.size(), 1, nullptr, 0,
                         &count) == 0) {
    return count;
  }
  const std::string reason = TakeReason();
  if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
  throw InvalidRequest(reason, plan_.prompt_param);
}

void Generation::CheckPrompts() const {
  const size_t context = plan_.model->facts().context;
  for (const Prompt& prompt : plan_.prompts) {
    const size_t count = CountTokens(prompt);
    if (count >= context) throw ContextTooLong(context, count, plan_.prompt_param);
  }
}

void Generation::BeginEarly() noexcept {
  const std::lock_guard lock(answer_mutex_);
  if (std::exchange(has_begun_, true)) return;
  try {
    output_->Begin();
  } catch (const std::exception&) {
    Fail(NoMemory());
  }
}

void Generation::Start(size_t index) noexcept {
  Choice& choice = choices_[index];
  const std::shared_ptr<Generation> self = weak_from_this().lock();
  if (!stopped()) {
    try {
      StartQuery(choice);
      slots_.Started();
      return;
    } catch (const ApiError& error) {
      const std::lock_guard lock(answer_mutex_);
      Fail(error);
    } catch (const std::exception&) {
      const std::lock_guard lock(answer_mutex_);
      Fail(NoMemory());
    }
  }
  slots_.Release(*this);
  EndChoice(choice, Ending::kCancelled);
}

// Takes a session and starts the query. From its start on the callbacks may run.
void Generation::StartQuery(Choice& choice) {
  const Prompt& prompt = plan_.prompts[choice.index / plan_.n];
  std::array<char, 512> desc = {};
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  plan_.sampling.Apply(&info);
  info.rng_seed = SeedOf(plan_.sampling.seed, choice.index);
  plan_.constraint.Apply(&info);
  info.chat_tools = OrNull(prompt.tools);
  info.chat_arguments = OrNull(prompt.arguments);
  plan_.model->Apply(&info);
  const std::vector<tok_id_t>& open =
      prompt.messages.empty() ? plan_.model->open_text() : plan_.model->open_chat();
  info.prefix_open_tokens = open.data();
  info.prefix_open_token_count = open.size();
  info.top_logprobs = std::min(plan_.top_logprobs, plan_.model->facts().vocab_size);
  if (plan_.wants_logprobs || plan_.marks.is_any()) info.logprobs_cb = LogprobsCallback;
  info.prompt = "";  // behind the tokens of a prompt that has any
  info.desc = desc.data();
  info.desc_max = desc.size();
  info.opaque_user_pointer = &choice;
  info.issue_cb = [](void* opaque, const char* text) {
    auto& self = *static_cast<Choice*>(opaque);
    return self.owner->OnText(self, text);
  };
  info.progress_cb = [](void* opaque, size_t /*processed*/, size_t /*total*/) {
    return static_cast<Choice*>(opaque)->owner->OnProgress();
  };
  info.done_cb = [](void* opaque, clamma_done_t why) {
    auto& self = *static_cast<Choice*>(opaque);
    self.owner->OnDone(self, why);
  };

  txf_session* const session =
      clamma_session_construct_desc(plan_.model->handle(), desc.data(), desc.size());
  if (session == nullptr) throw std::bad_alloc();
  {
    const std::lock_guard lock(sessions_mutex_);
    choice.session = session;
  }
  if (Query(prompt, session, info) == 0) return;
  {
    const std::lock_guard lock(sessions_mutex_);
    choice.session = nullptr;
  }
  clamma_session_destroy(session);
  Refused(prompt, desc.data());
}

int Generation::Query(const Prompt& prompt, txf_session* session,
                      const clamma_txf_info_t& info) const {
  if (!prompt.messages.empty()) {
    const std::vector<clamma_message_t> list = ListOf(prompt.messages);
    return clamma_chat_query(session, &info, list.data(), list.size());
  }
  const std::vector<tok_id_t>& tokens = prompt.tokens;
  if (tokens.size() >= plan_.model->facts().context) return 1;
  const int refused = clamma_session_set_tokens(session, tokens.data(), tokens.size());
  return refused != 0 ? refused : clamma_session_query(session, &info);
}

// Throws the reason why a query was refused.
void Generation::Refused(const Prompt& prompt, const char* desc) const {
  const std::string reason = desc;
  if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
  const size_t context = plan_.model->facts().context;
  const size_t count = CountTokens(prompt);
  if (count >= context) throw ContextTooLong(context, count, plan_.prompt_param);
  throw InvalidRequest(reason);
}

void Generation::OnCancel() noexcept {
  {
    const std::lock_guard lock(sessions_mutex_);
    for (const Choice& choice : choices_) clamma_sessions_query_cancel(choice.session);
  }
  slots_.ChoicesStopped();
}

void Generation::Abandon() noexcept {
  const std::lock_guard lock(sessions_mutex_);
  for (Choice& choice : choices_) clamma_session_destroy(std::exchange(choice.session, nullptr));
}

int Generation::OnProgress() noexcept {
  BeginEarly();
  return stopped() ? 1 : 0;
}

void Generation::LogprobsCallback(void* opaque, tok_id_t token, float logprob, size_t n_top,
                                  const tok_id_t* tokens, const float* logprobs) {
  auto& choice = *static_cast<Choice*>(opaque);
  try {
    TokenLogprob entry = {token, logprob, {}};
    entry.top.reserve(n_top);
    for (size_t i = 0; i < n_top; ++i) entry.top.push_back({tokens[i], logprobs[i]});
    choice.owner->OnToken(choice, std::move(entry));
  } catch (const std::exception&) {
    const std::lock_guard lock(choice.owner->answer_mutex_);
    choice.owner->Fail(NoMemory());
  }
}

void Generation::OnToken(Choice& choice, TokenLogprob token) noexcept {
  const std::lock_guard lock(answer_mutex_);
  if (stopped()) return;
  try {
    ShowMark(choice, token.token);
    if (plan_.wants_logprobs) output_->AddToken(choice.index, std::move(token));
  } catch (const std::exception&) {
    Fail(NoMemory());
  }
}

void Generation::ShowMark(Choice& choice, tok_id_t token) {
  for (const auto& [shown, byte] : plan_.marks.tokens) {
    if (token == shown) output_->AddMark(choice.index, {&byte, 1});
  }
  if (!plan_.marks.channels.has_value()) return;
  if (token == plan_.marks.channels->message) {
    const std::string name = FunctionOf(choice.header);
    choice.in_header = false;
    choice.header.clear();
    if (!name.empty()) output_->AddMark(choice.index, kOpenByte + name + kArgumentsByte);
  } else if (token == plan_.marks.channels->start) {
    choice.in_header = true;
  } else if (choice.in_header && choice.header.size() < kMaxHeader) {
    // A control token ends a name.
    choice.header += plan_.model->IsControl(token) ? " " : plan_.model->TokenBytes(token);
  }
}

void Generation::Time(Choice& choice) noexcept {
  const Call::Clock::time_point now = Call::Clock::now();
  if (choice.has_token) {
    const std::chrono::duration<double> between = now - choice.last_token;
    counters_.AddBetweenTokens(between.count());
  } else {
    counters_.AddFirstToken(call_->SecondsSince(now));
  }
  choice.has_token = true;
  choice.last_token = now;
}

int Generation::OnText(Choice& choice, const char* text) noexcept {
  Time(choice);
  const std::lock_guard lock(answer_mutex_);
  if (stopped()) return 1;
  try {
    const bool goes_on = output_->AddText(choice.index, text);
    CountReasoning(choice);
    if (goes_on) return 0;
    choice.stopped_by_output = true;
  } catch (const ApiError& error) {
    Fail(error);
  } catch (const std::exception&) {
    Fail(NoMemory());
  }
  return 1;
}

// All tokens up to now, while there is nothing but reasoning.
void Generation::CountReasoning(Choice& choice) {
  if (!output_->IsReasoning(choice.index)) return;
  clamma_query_facts_t facts = {};
  const std::lock_guard lock(sessions_mutex_);
  if (clamma_query_facts(choice.session, &facts) == 0) {
    choice.reasoning_tokens = facts.generated_tokens;
  }
}

void Generation::CountUsage(const Choice& choice, const txf_session* session) noexcept {
  clamma_query_facts_t facts = {};
  if (clamma_query_facts(session, &facts) != 0) return;
  counters_.AddTokens({facts.prompt_tokens, facts.cached_tokens, facts.generated_tokens});
  const std::lock_guard lock(answer_mutex_);
  usage_.completion_tokens += facts.generated_tokens;
  usage_.reasoning_tokens += choice.reasoning_tokens;
  if (choice.index % plan_.n != 0) return;  // a prompt counts once
  usage_.prompt_tokens += facts.prompt_tokens;
  usage_.cached_tokens += facts.cached_tokens;
}

void Generation::OnDone(Choice& choice, clamma_done_t why) noexcept {
  const std::shared_ptr<Generation> self = weak_from_this().lock();
  txf_session* session = nullptr;
  {
    const std::lock_guard lock(sessions_mutex_);
    session = std::exchange(choice.session, nullptr);
  }
  CountUsage(choice, session);
  clamma_session_destroy(session);
  slots_.Release(*this);
  Ending ending = EndingOf(why);
  if (ending == Ending::kCancelled && choice.stopped_by_output && !stopped()) {
    ending = Ending::kStop;
  }
  EndChoice(choice, ending);
}

void Generation::EndChoice(Choice& choice, Ending ending) noexcept {
  const std::lock_guard lock(answer_mutex_);
  ++ended_;
  try {
    if (!stopped() && ending == Ending::kFailed) {
      const std::string reason = TakeReason();
      Fail(reason.find("out of memory") != std::string::npos
               ? NoMemory()
               : Failed("Generation failed" + (reason.empty() ? reason : ": " + reason)));
    }
    if (!stopped()) {
      if (!std::exchange(has_begun_, true)) output_->Begin();
      output_->EndChoice(choice.index, ending);
      if (ended_ == choices_.size()) output_->Finish(usage_);
    }
  } catch (const ApiError& error) {
    Fail(error);
  } catch (const std::exception&) {
    Fail(NoMemory());
  }
  if (ended_ == choices_.size() && !call_->has_ended()) call_->EndCancelled(usage_);
}

// Ends the answer; what runs ends at its next callback. Needs the lock.
void Generation::Fail(const ApiError& error) noexcept {
  if (is_failed_.exchange(true)) return;
  call_->Fail(error, usage_);
  OnCancel();
}

}  // namespace openai
