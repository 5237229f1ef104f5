// SPDX-License-Identifier: MIT
#include "workload.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "kv_type.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kFewestRounds = 4;  // tokens per session
constexpr size_t kMaxRounds = 64;
constexpr size_t kWarmUpRounds = 2;
constexpr double kMinSeconds = 0.2;  // per rate: small models are measured repeatedly

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-bench: %s\n", message); }

// A session that generates as long as needed: when its text ends, it begins another.
class Talk {
 public:
  explicit Talk(const txf* model)
      : session_(clamma_session_construct(model), &clamma_session_destroy) {}
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  bool Ask(const std::string& prompt) { return session_ != nullptr && Query(prompt.c_str()); }

  bool goes_on() const { return goes_on_; }
  bool has_text() const { return has_text_; }
  clamma_session_facts_t Facts() const {
    clamma_session_facts_t facts = {};
    clamma_session_facts(session_.get(), &facts);
    return facts;
  }
  uint64_t generated() const { return generated_before_ + Facts().generated_tokens; }

 private:
  bool Query(const char* prompt) {
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.issue_cb = [](void* self, const char*) {
      static_cast<Talk*>(self)->has_text_ = true;
      return 0;
    };
    info.done_cb = [](void* self, clamma_done_t why) { static_cast<Talk*>(self)->Done(why); };
    info.opaque_user_pointer = this;
    info.prompt = prompt;
    info.rng_seed = 1;
    goes_on_ = clamma_session_query(session_.get(), &info) == 0;
    return goes_on_;
  }

  void Done(clamma_done_t why) {
    goes_on_ = false;
    if (why != CLAMMA_DONE_END_OF_TEXT) return;
    generated_before_ += Facts().generated_tokens;
    Query("");
  }

  std::unique_ptr<txf_session, decltype(&clamma_session_destroy)> session_;
  bool goes_on_ = false;
  bool has_text_ = false;
  uint64_t generated_before_ = 0;
};

using Talks = std::vector<std::unique_ptr<Talk>>;

bool AllGoOn(const Talks& talks) {
  return std::all_of(talks.begin(), talks.end(), [](const auto& talk) { return talk->goes_on(); });
}

bool AllGenerate(const Talks& talks) {
  return std::all_of(talks.begin(), talks.end(),
                     [](const auto& talk) { return talk->generated() > 0; });
}

uint64_t Generated(const Talks& talks) {
  uint64_t sum = 0;
  for (const auto& talk : talks) sum += talk->generated();
  return sum;
}

// Makes one step for each session: the library serves them in turn. Returns false if one has ended.
bool Round(const Talks& talks) {
  for (size_t i = 0; i < talks.size(); ++i) {
    if (!AllGoOn(talks) || clamma_sessions_step_next() == 0) return false;
  }
  return AllGoOn(talks);
}

// Steps until done(), or until the end after a failure.
template <typename Condition>
void StepUntil(const Condition& done) {
  while (!done() && clamma_sessions_step_next() != 0) continue;
}

}  // namespace

std::unique_ptr<Workload> Workload::Load(const Source& source, double* seconds) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = source.checkpoint.c_str();
  info.tokenizer_path = source.tokenizer.empty() ? nullptr : source.tokenizer.c_str();
  if (!source.vocabulary.empty()) {
    info.tokenizer_base = source.vocabulary.data();
    info.tokenizer_size = source.vocabulary.size();
  }
  info.threads = source.threads;
  info.kv_type = options::KvTypeOf(source.kv);
  info.log_cb = OnLog;
  const Clock::time_point start = Clock::now();
  txf* model = clamma_txf_construct(&info);
  *seconds = SecondsSince(start);
  if (model == nullptr) return nullptr;
  std::unique_ptr<Workload> workload(new Workload(model, source));
  clamma_txf_facts(model, &workload->facts_);
  return workload;
}

// The value of "ARCHITECTURE.key" in a GGUF model's metadata; 0: there is none.
uint32_t Workload::Metadata(const char* key) const {
  const std::string name = std::string(facts_.architecture) + "." + key;
  char text[16] = {};
  size_t size = 0;
  if (clamma_txf_metadata(model_.get(), name.c_str(), text, sizeof(text) - 1, &size) != 0) return 0;
  return static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

Shape Workload::shape() const {
  Shape shape;
  shape.dim = facts_.dim;
  shape.hidden_dim = facts_.hidden_dim;
  shape.layers = facts_.layers;
  shape.heads = facts_.heads;
  shape.kv_heads = facts_.kv_heads;
  shape.head_size = facts_.head_size;
  shape.vocab_size = facts_.vocab_size;
  shape.context = facts_.context;
  shape.shared_classifier = facts_.shared_classifier != 0;
  shape.group_size = facts_.group_size;
  shape.gguf_bytes = source_.gguf_bytes;
  shape.gguf_int8 = source_.gguf_int8;
  shape.gguf_weights = source_.gguf_weights;
  if (source_.gguf && shape.gguf_bytes == 0) {
    // All tensors but an embedding that is not the classifier and the experts that a token does not
    // use, as if these had as many bits as others.
    const uint64_t unread = shape.shared_classifier ? 0 : shape.classifier_weights() - shape.dim;
    shape.experts = Metadata("expert_count");
    shape.experts_used = Metadata("expert_used_count");
    if (const uint32_t own = Metadata("expert_feed_forward_length")) shape.hidden_dim = own;
    const uint64_t idle = uint64_t{shape.experts - shape.experts_used} * shape.layers * 3 *
                          shape.hidden_dim * shape.dim;
    const auto weights = static_cast<double>(facts_.parameters - unread - idle);
    const std::string type = facts_.file_type;
    shape.gguf_bytes = static_cast<uint64_t>(weights * facts_.bits_per_weight / 8);
    shape.gguf_int8 = type != "F32" && type != "F16" && type != "BF16";
  }
  return shape;
}

std::string Workload::weight_type() const {
  if (!source_.type.empty()) return source_.type;
  if (source_.gguf) return facts_.file_type;
  return facts_.group_size != 0 ? "q80" : "f32";
}

std::string Workload::MakePrompt(unsigned tokens, unsigned seed) const {
  uint32_t state = seed * 2654435761u + 1;
  std::string text;
  const auto add_word = [&] {
    for (int i = 0; i < 5; ++i) {
      state = state * 1664525u + 1013904223u;  // Numerical Recipes
      text += static_cast<char>('a' + (state >> 24) % 26);
    }
    text += ' ';
  };
  const auto count = [&] {
    size_t n = 0;
    const int failed =
        clamma_encode(model_.get(), text.data(), text.size(),
                      CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX, nullptr, 0, &n);
    return failed == 0 ? n : size_t{tokens};
  };
  size_t n = 0;
  for (size_t words = std::max(tokens / 4, 1u); (n = count()) < tokens; words *= 2) {
    for (size_t i = 0; i < words; ++i) add_word();
  }
  // A token has at least one character, so this seldom removes too many.
  for (; n > tokens; n = count()) text.resize(text.size() - std::min(text.size(), n - tokens));
  return text;
}

double Workload::FirstText(const std::string& prompt) const {
  const Clock::time_point start = Clock::now();
  Talk talk(model_.get());
  if (!talk.Ask(prompt)) return 0;
  StepUntil([&] { return talk.has_text(); });
  return talk.has_text() ? SecondsSince(start) : 0;
}

double Workload::PromptRate(const std::string& prompt, size_t* tokens) const {
  double time = 0;
  size_t sum = 0;
  while (time < kMinSeconds) {
    Talk talk(model_.get());
    const Clock::time_point start = Clock::now();
    if (!talk.Ask(prompt)) return 0;
    StepUntil([&] { return talk.generated() > 0; });
    time += SecondsSince(start);
    if (talk.generated() == 0) return 0;
    *tokens = talk.Facts().prompt_tokens;
    sum += *tokens;
  }
  return static_cast<double>(sum) / time;
}

double Workload::GenerationRate(unsigned sessions, double seconds) const {
  double time = 0;
  uint64_t sum = 0;
  while (time < kMinSeconds) {
    Talks talks;
    for (unsigned i = 0; i < sessions; ++i) {
      talks.push_back(std::make_unique<Talk>(model_.get()));
      if (!talks.back()->Ask(MakePrompt(kShortPrompt, i + 1))) return 0;
    }
    StepUntil([&] { return AllGenerate(talks) || !AllGoOn(talks); });
    for (size_t i = 0; i < kWarmUpRounds; ++i) Round(talks);
    const uint64_t before = Generated(talks);
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < kMaxRounds && Round(talks); ++i) {
      if (i + 1 >= kFewestRounds && SecondsSince(start) >= seconds) break;
    }
    time += SecondsSince(start);
    const uint64_t generated = Generated(talks) - before;
    if (generated == 0) return 0;
    sum += generated;
  }
  return static_cast<double>(sum) / time;
}

}  // namespace bench
