// SPDX-License-Identifier: MIT
#include "generator.h"

#include <clamma-extra.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <new>
#include <utility>

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kNoMemory = "there is no memory for another text";

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

Ending EndingOf(clamma_done_t why) {
  switch (why) {
    case CLAMMA_DONE_END_OF_TEXT:
    case CLAMMA_DONE_STOP_STRING:  // does not occur: there are no stop strings
      return Ending::kEndOfText;
    case CLAMMA_DONE_LIMIT:
      return Ending::kLimit;
    case CLAMMA_DONE_CONTEXT_FULL:
      return Ending::kContextFull;
    case CLAMMA_DONE_CANCELLED:
      return Ending::kStopped;
    case CLAMMA_DONE_ERROR:
      break;
  }
  return Ending::kError;
}

// The messages of a chat without the n_forgotten oldest, in the form of the C API; valid as long as
// `messages`.
std::vector<clamma_message_t> List(const std::vector<ChatMessage>& messages, size_t n_forgotten) {
  std::vector<clamma_message_t> list;
  list.reserve(messages.size() - n_forgotten);
  for (size_t i = n_forgotten; i < messages.size(); ++i) {
    clamma_message_t message = {};
    message.role = messages[i].is_answer ? "assistant" : "user";
    message.content = messages[i].content.c_str();
    list.push_back(message);
  }
  return list;
}

// Whether the messages leave room for an answer in the context. Returns true if they cannot be
// encoded, because the query then reports the reason.
bool LeavesRoom(const txf* model, const std::vector<clamma_message_t>& list, size_t limit) {
  clamma_txf_facts_t facts = {};
  if (clamma_txf_facts(model, &facts) != 0) return true;
  size_t wanted = facts.context / 4;
  if (limit != 0) wanted = std::min(wanted, limit);
  size_t count = 0;
  if (clamma_chat_encode(model, nullptr, list.data(), list.size(), 1, nullptr, 0, &count) != 0) {
    return true;
  }
  return count + wanted <= facts.context;
}

// The number of oldest messages, in whole turns, to leave out so that an answer has room. The last
// message always stays. Encodes the messages at most log2(messages.size()) times.
size_t CountForgotten(const txf* model, const std::vector<ChatMessage>& messages, size_t limit) {
  if (LeavesRoom(model, List(messages, 0), limit)) return 0;
  size_t too_few = 0;  // turns
  size_t enough = messages.size() / 2;
  while (enough - too_few > 1) {
    const size_t middle = too_few + (enough - too_few) / 2;
    (LeavesRoom(model, List(messages, 2 * middle), limit) ? enough : too_few) = middle;
  }
  return 2 * enough;
}

}  // namespace

// One of the texts of a generation, with a session from Begin() to its end.
class Generator::Stream {
 public:
  Stream() = default;
  ~Stream() { Free(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Begin(Generator& generator, Generation& generation, size_t index);
  void Stop() { clamma_sessions_query_cancel(session_); }
  void ReportReading();  // reports the progress of a prompt that takes several steps

 private:
  bool StartQuery(const txf* model, const clamma_txf_info_t& info);
  int OnText(const char* text);
  void OnDone(clamma_done_t why);
  void Count();  // counts the tokens generated since the last call
  void End(Ending ending, const char* reason);
  void Free();

  Generation* generation_ = nullptr;
  Metrics* metrics_ = nullptr;
  size_t index_ = 0;  // in the generation
  txf_session* session_ = nullptr;
  Clock::time_point begin_;  // of the query
  Clock::time_point first_;  // of the first token
  Progress progress_;
  Ending given_up_ = Ending::kStopped;  // the reason, if OnText() cancelled
};

struct Generator::Running {
  std::shared_ptr<Generation> generation;
  std::array<Stream, kMaxStreams> streams;
};

void Generator::Stream::Begin(Generator& generator, Generation& generation, size_t index) {
  generation_ = &generation;
  metrics_ = &generator.metrics_;
  index_ = index;
  session_ = clamma_session_construct(generator.model_);
  if (session_ == nullptr) return End(Ending::kError, kNoMemory);
  metrics_->SessionBegins();

  char reason[256] = "";
  const Request& request = generation.request();
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  options::Apply(generator.sampling_, info);
  info.temperature = request.temperature;
  info.topp = request.topp;
  info.rng_seed = request.seed + index;
  if (request.length != 0) info.limit = request.length;
  info.prompt = request.prompt ? request.prompt->c_str() : nullptr;
  info.desc = reason;
  info.desc_max = sizeof(reason);
  info.opaque_user_pointer = this;
  info.issue_cb = [](void* self, const char* text) {
    return static_cast<Stream*>(self)->OnText(text);
  };
  info.done_cb = [](void* self, clamma_done_t why) { static_cast<Stream*>(self)->OnDone(why); };
  begin_ = Clock::now();
  try {
    if (!StartQuery(generator.model_, info)) return End(Ending::kError, reason);
  } catch (const std::bad_alloc&) {
    return End(Ending::kError, kNoMemory);
  }
  clamma_session_facts_t facts = {};
  if (clamma_session_facts(session_, &facts) == 0) progress_.seed = facts.rng_seed;
}

bool Generator::Stream::StartQuery(const txf* model, const clamma_txf_info_t& info) {
  const Request& request = generation_->request();
  if (request.mode == Mode::kStories) return clamma_session_query(session_, &info) == 0;
  progress_.forgotten = CountForgotten(model, request.messages, info.limit);
  const std::vector<clamma_message_t> list = List(request.messages, progress_.forgotten);
  return clamma_chat_query(session_, &info, list.data(), list.size()) == 0;
}

void Generator::Stream::Count() {
  clamma_session_facts_t facts = {};
  if (clamma_session_facts(session_, &facts) != 0) return;
  const size_t added = facts.generated_tokens - progress_.tokens;
  if (added == 0) return;
  const Clock::time_point now = Clock::now();
  if (progress_.tokens == 0) {
    first_ = now;
    metrics_->AddFirstToken(Seconds(now - begin_));
  }
  progress_.tokens += added;
  metrics_->AddTokens(added);
  const double seconds = Seconds(now - first_);
  if (seconds > 0) {
    progress_.tokens_per_second = static_cast<double>(progress_.tokens - 1) / seconds;
  }
}

void Generator::Stream::ReportReading() {
  clamma_session_facts_t facts = {};
  if (session_ == nullptr || progress_.tokens > 0) return;
  if (clamma_session_facts(session_, &facts) != 0 || facts.position >= facts.prompt_tokens ||
      facts.position == progress_.read_tokens) {
    return;
  }
  progress_.prompt_tokens = facts.prompt_tokens;
  progress_.read_tokens = facts.position;
  generation_->Report(index_, progress_);
}

int Generator::Stream::OnText(const char* text) {
  Count();
  try {
    if (generation_->Add(index_, text, progress_)) return 0;
    given_up_ = Ending::kTooSlow;
  } catch (const std::bad_alloc&) {
    given_up_ = Ending::kError;
  }
  return 1;
}

void Generator::Stream::OnDone(clamma_done_t why) {
  Count();
  const Ending ending = why == CLAMMA_DONE_CANCELLED ? given_up_ : EndingOf(why);
  End(ending, ending == Ending::kError ? "generation failed" : "");
}

// Destroys the session first: when a visitor receives the end, another one may get the seat.
void Generator::Stream::End(Ending ending, const char* reason) {
  Free();
  metrics_->AddEnding(ending);
  generation_->End(index_, ending, progress_, reason);
}

void Generator::Stream::Free() {
  if (session_ == nullptr) return;
  clamma_session_destroy(session_);
  session_ = nullptr;
  metrics_->SessionEnds();
}

Generator::Generator(txf* model, const options::Sampling& sampling, Metrics& metrics)
    : model_(model), sampling_(sampling), metrics_(metrics), thread_([this] { Run(); }) {}

Generator::~Generator() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

void Generator::Begin(std::shared_ptr<Generation> generation) {
  {
    const std::lock_guard lock(mutex_);
    begun_.push_back(std::move(generation));
  }
  posted_.notify_one();
}

void Generator::Stop(Generation& generation) noexcept {
  generation.Stop();
  Notify();
}

void Generator::Abandon(Generation& generation) noexcept {
  generation.Abandon();
  Notify();
}

void Generator::Notify() noexcept {
  {
    const std::lock_guard lock(mutex_);
    has_wishes_ = true;
  }
  posted_.notify_one();
}

bool Generator::Fetch(bool idle, std::vector<std::shared_ptr<Generation>>& begun) {
  begun.clear();
  std::unique_lock lock(mutex_);
  if (idle) posted_.wait(lock, [this] { return is_ending_ || has_wishes_ || !begun_.empty(); });
  begun.swap(begun_);
  has_wishes_ = false;
  return !is_ending_;
}

void Generator::Run() {
  std::vector<std::shared_ptr<Generation>> begun;
  bool idle = true;
  while (Fetch(idle, begun)) {
    std::erase_if(running_, [](const auto& running) { return running->generation->abandoned(); });
    for (const std::shared_ptr<Generation>& generation : begun) {
      if (!generation->abandoned()) BeginStreams(generation);
    }
    for (const auto& running : running_) {
      if (!running->generation->TakeStop()) continue;
      for (Stream& stream : running->streams) stream.Stop();
    }
    idle = clamma_sessions_step_next() == 0;
    for (const auto& running : running_) {
      for (Stream& stream : running->streams) stream.ReportReading();
    }
    std::erase_if(running_, [](const auto& running) { return running->generation->ended(); });
  }
  running_.clear();
}

void Generator::BeginStreams(const std::shared_ptr<Generation>& generation) {
  try {
    auto running = std::make_unique<Running>();
    running->generation = generation;
    running_.push_back(std::move(running));
  } catch (const std::bad_alloc&) {
    for (size_t i = 0; i < generation->n_streams(); ++i) {
      generation->End(i, Ending::kError, {}, kNoMemory);
    }
    return;
  }
  for (size_t i = 0; i < generation->n_streams(); ++i) {
    running_.back()->streams[i].Begin(*this, *generation, i);
  }
}

}  // namespace demo
