// SPDX-License-Identifier: MIT
// A request that generates: its texts ("choices"), each on a session of its own, from the start of
// their queries to the end of the answer.
#ifndef CLAMMA_APPS_OPENAI_GENERATION_H_
#define CLAMMA_APPS_OPENAI_GENERATION_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openai/call.h"
#include "openai/model.h"
#include "openai/sampling.h"

namespace openai {

// A message, with texts of its own.
struct ChatMessage {
  std::string role;
  std::string content;
  std::string name;          // "": none
  std::string reasoning;     // "": none
  std::string tool_calls;    // JSON; "": none
  std::string tool_call_id;  // "": none
  bool has_content = true;
};

// The messages in the form of the C API; valid as long as they are.
std::vector<clamma_message_t> ListOf(const std::vector<ChatMessage>& messages);

// What a choice continues: a conversation, or tokens.
struct Prompt {
  std::vector<ChatMessage> messages;  // empty: tokens
  std::string tools;                  // JSON; "": none
  std::string arguments;              // of the template, JSON; "": none
  std::vector<tok_id_t> tokens;
};

// What the text of each choice must match; at most one of the first three.
struct Constraint {
  std::string json_schema, grammar, regex;
  std::string param = "response_format";  // for messages
  std::string trigger;          // of the text behind which it begins; "": at the beginning
  tok_id_t trigger_token = -1;  // in place of a text; -1: none
  bool repeats = false;         // behind a match the text is free, up to the next trigger
  bool is_loose = false;  // what a schema asks for and is not supported is dropped, not refused
  std::string dropped;    // JSON pointers of what the notation has left out, divided by commas

  bool is_any() const { return !json_schema.empty() || !grammar.empty() || !regex.empty(); }
  // Sets the fields of a query; this must live until the query has started.
  void Apply(clamma_txf_info_t* info) const;
};

// The tokens between which answers in channels say what a message is: START ... MESSAGE text.
struct ChannelTokens {
  tok_id_t start = -1, message = -1;
};

// Control tokens have no text. Those of calls are shown in it all the same: each of `tokens` as a
// byte that no UTF-8 has; and of a message to a function, in a channel, the function's name between
// two such bytes (tools/tool_format.h).
struct ShownMarks {
  std::vector<std::pair<tok_id_t, char>> tokens;
  std::optional<ChannelTokens> channels;
  bool is_any() const { return !tokens.empty() || channels.has_value(); }
};

struct Plan {
  Model* model = nullptr;
  Sampling sampling;
  std::vector<Prompt> prompts;
  size_t n = 1;  // choices of each prompt: choice i continues prompt i / n
  Constraint constraint;
  ShownMarks marks;
  bool wants_logprobs = false;
  unsigned top_logprobs = 0;
  const char* prompt_param = "messages";  // for messages about a prompt that is too long
};

// A generated token, and the likeliest ones in its place.
struct TokenLogprob {
  struct Top {
    tok_id_t token;
    float logprob;
  };
  tok_id_t token = 0;
  float logprob = 0;
  std::vector<Top> top;
};

enum class Ending : uint8_t { kStop, kLength, kCancelled, kFailed };

// Writes the answer. One thread at a time calls this. What throws ends the request.
class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output() = default;

  // First, once the request is accepted. Streams begin here.
  virtual void Begin() = 0;
  // A token, before its text. Only called if the plan wants logprobs.
  virtual void AddToken(size_t choice, TokenLogprob token) = 0;
  // Marks and the text between them, in the place where they are. Only called if the plan has any.
  virtual bool AddMark(size_t /*choice*/, std::string_view /*mark*/) { return true; }
  // Whole characters. Returns false if the choice is to end here.
  virtual bool AddText(size_t choice, std::string_view text) = 0;
  // Whether all that a choice has said is reasoning.
  virtual bool IsReasoning(size_t /*choice*/) const { return false; }
  // Not called for kFailed and kCancelled, other than by AddText().
  virtual void EndChoice(size_t choice, Ending ending) = 0;
  // Last: all choices have ended, none by failing.
  virtual void Finish(const Usage& usage) = 0;
};

class Generation : public Cancellable, public std::enable_shared_from_this<Generation> {
 public:
  // Where its choices got their slots from.
  class Slots {
   public:
    Slots() = default;
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;
    virtual ~Slots() = default;
    virtual void Release(Generation& generation) noexcept = 0;
    virtual void Started() noexcept = 0;         // a query has: step
    virtual void ChoicesStopped() noexcept = 0;  // those that wait are not to be started
  };

  Generation(std::shared_ptr<Call> call, Plan plan, std::unique_ptr<Output> output, Slots& slots,
             Counters& counters);
  ~Generation() override;

  Call& call() { return *call_; }
  size_t size() const { return choices_.size(); }
  Plan& plan() { return plan_; }

  // Compiles what constrains the answer, and returns the JSON pointers of what was dropped, divided
  // by commas. Throws ApiError.
  static std::string CheckConstraint(const Plan& plan);

  // Checks that the prompts can be encoded and leave room for an answer. Throws ApiError.
  void CheckPrompts() const;
  // Begins the answer before the first choice has started.
  void BeginEarly() noexcept;

  // Starts a choice, which has a slot and gives it back when it ends.
  void Start(size_t index) noexcept;
  // Ends a choice that has no slot, because the request was cancelled or has failed.
  void Skip(size_t choice) noexcept { EndChoice(choices_[choice], Ending::kCancelled); }
  // Destroys the sessions, without a further call of the answer. Nobody may step meanwhile.
  void Abandon() noexcept;

  void OnCancel() noexcept override;

  // Whether no further choice is to be started.
  bool stopped() const noexcept { return is_failed_ || call_->cancelled(); }

 private:
  struct Choice {
    Generation* owner = nullptr;
    size_t index = 0;
    txf_session* session = nullptr;  // needs the lock of sessions_mutex_
    bool stopped_by_output = false;
    bool has_token = false;
    size_t reasoning_tokens = 0;
    bool in_header = true;  // of a message in a channel: the prompt has begun one
    std::string header;
    Call::Clock::time_point last_token;
  };

  void StartQuery(Choice& choice);
  int Query(const Prompt& prompt, txf_session* session, const clamma_txf_info_t& info) const;
  [[noreturn]] void Refused(const Prompt& prompt, const char* desc) const;
  size_t CountTokens(const Prompt& prompt) const;

  // Callbacks of a query, on the stepping thread.
  int OnText(Choice& choice, const char* text) noexcept;
  int OnProgress() noexcept;
  void OnToken(Choice& choice, TokenLogprob token) noexcept;
  void ShowMark(Choice& choice, tok_id_t token);
  void OnDone(Choice& choice, clamma_done_t why) noexcept;
  static void LogprobsCallback(void* opaque, tok_id_t token, float logprob, size_t n_top,
                               const tok_id_t* tokens, const float* logprobs);

  void Time(Choice& choice) noexcept;
  void CountReasoning(Choice& choice);
  void CountUsage(const Choice& choice, const txf_session* session) noexcept;
  // Ends a choice that has no session any more.
  void EndChoice(Choice& choice, Ending ending) noexcept;
  void Fail(const ApiError& error) noexcept;

  const std::shared_ptr<Call> call_;
  Plan plan_;
  const std::unique_ptr<Output> output_;
  Slots& slots_;
  Counters& counters_;
  std::vector<Choice> choices_;
  std::atomic<bool> is_failed_{false};

  std::mutex answer_mutex_;  // the following, and what is called of output_ and call_
  bool has_begun_ = false;
  size_t ended_ = 0;
  Usage usage_;

  std::mutex sessions_mutex_;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_GENERATION_H_
