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

constexpr const char* kNoMemory = "there is no memory for another story";

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

Ending EndingOf(clamma_done_t why) {
  switch (why) {
    case CLAMMA_DONE_END_OF_TEXT:
    case CLAMMA_DONE_STOP_STRING:  // none is given
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

}  // namespace

// A session lives from Begin() to the end of its story.
class Generator::Teller {
 public:
  Teller() = default;
  ~Teller() { Free(); }
  Teller(const Teller&) = delete;
  Teller& operator=(const Teller&) = delete;

  void Begin(Generator& generator, Stories& stories, size_t story);
  void Stop() { clamma_sessions_query_cancel(session_); }

 private:
  int OnText(const char* text);
  void OnDone(clamma_done_t why);
  void Count();  // the tokens generated since
  void End(Ending ending, const char* reason);
  void Free();

  Stories* stories_ = nullptr;
  Metrics* metrics_ = nullptr;
  size_t story_ = 0;
  txf_session* session_ = nullptr;
  Clock::time_point begin_;  // of the query
  Clock::time_point first_;  // token
  Progress progress_;
  Ending given_up_ = Ending::kStopped;  // why OnText() cancelled, if it did
};

struct Generator::Telling {
  std::shared_ptr<Stories> stories;
  std::array<Teller, kStories> tellers;
};

void Generator::Teller::Begin(Generator& generator, Stories& stories, size_t story) {
  stories_ = &stories;
  metrics_ = &generator.metrics_;
  story_ = story;
  session_ = clamma_session_construct(generator.model_);
  if (session_ == nullptr) return End(Ending::kError, kNoMemory);
  metrics_->SessionBegins();

  char reason[256] = "";
  const Request& request = stories.request();
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  options::Apply(generator.sampling_, info);
  info.temperature = request.temperature;
  info.topp = request.topp;
  info.rng_seed = request.seed + story;
  info.prompt = request.prompt ? request.prompt->c_str() : nullptr;
  info.desc = reason;
  info.desc_max = sizeof(reason);
  info.opaque_user_pointer = this;
  info.issue_cb = [](void* self, const char* text) {
    return static_cast<Teller*>(self)->OnText(text);
  };
  info.done_cb = [](void* self, clamma_done_t why) { static_cast<Teller*>(self)->OnDone(why); };
  begin_ = Clock::now();
  if (clamma_session_query(session_, &info) != 0) return End(Ending::kError, reason);
  clamma_session_facts_t facts = {};
  if (clamma_session_facts(session_, &facts) == 0) progress_.seed = facts.rng_seed;
}

void Generator::Teller::Count() {
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

int Generator::Teller::OnText(const char* text) {
  Count();
  try {
    if (stories_->Add(story_, text, progress_)) return 0;
    given_up_ = Ending::kTooSlow;
  } catch (const std::bad_alloc&) {
    given_up_ = Ending::kError;
  }
  return 1;
}

void Generator::Teller::OnDone(clamma_done_t why) {
  Count();
  const Ending ending = why == CLAMMA_DONE_CANCELLED ? given_up_ : EndingOf(why);
  End(ending, ending == Ending::kError ? "generation failed" : "");
}

// The session goes first, so that whoever is told of the end can have its place.
void Generator::Teller::End(Ending ending, const char* reason) {
  Free();
  metrics_->AddEnding(ending);
  stories_->End(story_, ending, progress_, reason);
}

void Generator::Teller::Free() {
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
    quit_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

void Generator::Begin(std::shared_ptr<Stories> stories) {
  Post(Command::Type::kBegin, std::move(stories));
}
void Generator::Stop(std::shared_ptr<Stories> stories) {
  Post(Command::Type::kStop, std::move(stories));
}
void Generator::Abandon(std::shared_ptr<Stories> stories) {
  Post(Command::Type::kAbandon, std::move(stories));
}

void Generator::Post(Command::Type type, std::shared_ptr<Stories> stories) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back({type, std::move(stories)});
  }
  posted_.notify_one();
}

bool Generator::Fetch(bool idle, std::vector<Command>& commands) {
  commands.clear();
  std::unique_lock lock(mutex_);
  if (idle) posted_.wait(lock, [this] { return quit_ || !commands_.empty(); });
  commands.swap(commands_);
  return !quit_;
}

void Generator::Run() {
  std::vector<Command> commands;
  bool idle = true;
  while (Fetch(idle, commands)) {
    for (const Command& command : commands) Execute(command);
    idle = clamma_sessions_step_next() == 0;
    std::erase_if(tellings_, [](const auto& telling) { return telling->stories->ended(); });
  }
  tellings_.clear();
}

void Generator::BeginTelling(const std::shared_ptr<Stories>& stories) {
  try {
    auto telling = std::make_unique<Telling>();
    telling->stories = stories;
    tellings_.push_back(std::move(telling));
  } catch (const std::bad_alloc&) {
    for (size_t i = 0; i < kStories; ++i) stories->End(i, Ending::kError, {}, kNoMemory);
    return;
  }
  for (size_t i = 0; i < kStories; ++i) {
    tellings_.back()->tellers[i].Begin(*this, *stories, i);
  }
}

void Generator::Execute(const Command& command) {
  if (command.type == Command::Type::kBegin) return BeginTelling(command.stories);
  const auto found =
      std::find_if(tellings_.begin(), tellings_.end(),
                   [&command](const auto& telling) { return telling->stories == command.stories; });
  if (found == tellings_.end()) return;  // they have ended meanwhile
  if (command.type == Command::Type::kStop) {
    for (Teller& teller : (*found)->tellers) teller.Stop();
  } else {
    tellings_.erase(found);
  }
}

}  // namespace demo
