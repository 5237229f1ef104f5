// SPDX-License-Identifier: MIT
// Sessions whose contexts are given as tokens. The bits of their logits are compared with those of
// a forward pass that shares nothing with any session.
#ifndef CLAMMA_TESTS_SUPPORT_PREFIX_FIXTURE_H_
#define CLAMMA_TESTS_SUPPORT_PREFIX_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "api/handles.h"
#include "api_fixture.h"
#include "clamma-extra.h"
#include "engine/logprobs.h"
#include "engine/scheduler.h"
#include "engine/transformer.h"
#include "family_specs.h"
#include "temporary_folder.h"

namespace clamma_test {

// The first ordinary token.
inline constexpr tok_id_t kFirstToken = 5;
inline constexpr uint32_t kTokens = 48;

inline std::vector<tok_id_t> RandomTokens(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<tok_id_t> tokens(count);
  for (tok_id_t& token : tokens) {
    token = static_cast<tok_id_t>(kFirstToken + random() % (kTokens - kFirstToken));
  }
  return tokens;
}
inline tok_id_t OtherThan(tok_id_t token) {
  return token == kFirstToken ? kFirstToken + 1 : kFirstToken;
}

inline GgufSpec PlainSpec() { return FamilySpec("llama"); }

// A step of a query: its token, and the bits of the logarithms of all tokens' probabilities.
struct Step {
  tok_id_t token = 0;
  std::vector<uint32_t> bits;
  bool operator==(const Step&) const = default;
};
inline void PrintTo(const Step& step, std::ostream* out) { *out << "token " << step.token; }

// A model's file, and the expected steps for a context.
class PrefixModel {
 public:
  explicit PrefixModel(GgufSpec spec, clamma_kv_type_t kv_type = CLAMMA_KV_F32)
      : kv_type_(kv_type) {
    spec.vocab = spec.tokens = kTokens;
    spec.context = 2048;
    path_ = folder_.Write("model.gguf", MakeGguf(spec).Build());
    reference_ = OpenModel();
  }

  clamma_txf_info_t Info(uint64_t prefix_cache_bytes = 0) const {
    clamma_txf_info_t info = ModelInfo(path_);
    info.tokenizer_path = nullptr;
    info.kv_type = kv_type_;
    info.prefix_cache_bytes = prefix_cache_bytes;
    return info;
  }
  TxfPtr OpenModel(uint64_t prefix_cache_bytes = 0) const { return Open(Info(prefix_cache_bytes)); }

  // Returns the step after these tokens, from a forward pass with pages of its own.
  const Step& After(const std::vector<tok_id_t>& tokens) {
    Step& step = known_[tokens];
    if (step.bits.empty()) step = Compute(tokens);
    return step;
  }
  // Returns the steps of a greedy query of `limit` tokens on this context.
  std::vector<Step> Expected(std::vector<tok_id_t> tokens, size_t limit) {
    std::vector<Step> steps;
    for (size_t i = 0; i < limit; ++i) {
      steps.push_back(After(tokens));
      tokens.push_back(steps.back().token);
      if (clamma::FromHandle(reference_.get())->tokenizer.EndsText(tokens.back())) break;
    }
    return steps;
  }

  static Step StepOf(tok_id_t token, size_t n, const tok_id_t* top, const float* logprobs) {
    Step step = {token, std::vector<uint32_t>(kTokens)};
    for (size_t i = 0; i < n; ++i) {
      step.bits[static_cast<size_t>(top[i])] = std::bit_cast<uint32_t>(logprobs[i]);
    }
    return step;
  }

 private:
  Step Compute(const std::vector<tok_id_t>& tokens) {
    Step step;
    clamma::Status status;
    clamma::Transformer& transformer = *clamma::FromHandle(reference_.get());
    const bool ran = clamma::TheScheduler().WithTurn(
        transformer, &status, [&](auto) { return Run(transformer, tokens, &step); });
    EXPECT_TRUE(ran && status.ok()) << status.message();
    return step;
  }
  static clamma::Status Run(clamma::Transformer& transformer, const std::vector<tok_id_t>& tokens,
                            Step* step) {
    const size_t n = tokens.size();
    clamma::KvCache kv;
    kv.Init(transformer.memory, transformer.config(), transformer.kv_type);
    const uint32_t short_context = transformer.config().short_context;
    kv.SetLong(short_context > 0 && n > short_context);
    CLAMMA_RETURN_IF_ERROR(kv.Reserve(n));
    clamma::Logprobs logprobs;
    CLAMMA_RETURN_IF_ERROR(logprobs.Init(transformer.memory, kTokens));
    for (size_t done = 0; done < n;) {
      const size_t count = std::min(n - done, transformer.forward.max_rows());
      clamma::ForwardRow* rows = transformer.rows.data();
      for (size_t i = 0; i < count; ++i) {
        rows[i] = {tokens[done + i], done + i, &kv, nullptr, done + i + 1 == n};
      }
      CLAMMA_RETURN_IF_ERROR(transformer.forward.Run(rows, count));
      done += count;
      if (done == n) logprobs.Compute(rows[count - 1].logits, kTokens, 0);
    }
    const tok_id_t* const top = logprobs.top_tokens();
    const tok_id_t* const token = std::find_if(top, top + kTokens, [&](tok_id_t candidate) {
      return transformer.tokenizer.IsGenerated(candidate);
    });
    *step = StepOf(*token, kTokens, top, logprobs.top_logprobs());
    return clamma::Status();
  }

  TemporaryFolder folder_;
  std::string path_;
  clamma_kv_type_t kv_type_;
  TxfPtr reference_;
  std::map<std::vector<tok_id_t>, Step> known_;
};

// A session that continues contexts greedily, and records its steps.
class Speaker {
 public:
  Speaker() = default;
  explicit Speaker(SessionPtr session) : session_(std::move(session)) {}

  txf_session* session() const { return session_.get(); }
  const std::vector<Step>& steps() const { return notes_->steps; }
  bool busy() const { return notes_ != nullptr && !notes_->ended; }
  clamma_done_t why() const { return notes_->why; }
  std::vector<tok_id_t> Tokens() const {
    size_t count = 0;
    EXPECT_EQ(clamma_session_get_tokens(session(), nullptr, 0, &count), 0);
    std::vector<tok_id_t> tokens(count);
    EXPECT_EQ(clamma_session_get_tokens(session(), tokens.data(), count, &count), 0);
    return tokens;
  }
  void Destroy() { session_.reset(); }

  // The tokens that further queries declare to be no secret.
  void SetOpen(std::vector<tok_id_t> tokens) { open_ = std::move(tokens); }

  // Starts a query on a context. Returns whether it started.
  bool Begin(const TxfPtr& model, const std::vector<tok_id_t>& tokens, size_t limit,
             uint64_t salt = 0) {
    if (session_ == nullptr) session_ = NewSession(model);
    if (session_ == nullptr) return false;
    if (clamma_session_set_tokens(session(), tokens.data(), tokens.size()) != 0) return false;
    return Query(nullptr, limit, salt);
  }
  void Run(const TxfPtr& model, const std::vector<tok_id_t>& tokens, size_t limit,
           uint64_t salt = 0) {
    ASSERT_TRUE(Begin(model, tokens, limit, salt));
    while (busy() && clamma_sessions_step_next() != 0) continue;
  }
  void RunText(const TxfPtr& model, const std::string& text, size_t limit) {
    session_ = NewSession(model);
    ASSERT_TRUE(Query(text.c_str(), limit, 0));
    StepAll();
  }

 private:
  struct Notes {
    std::vector<Step> steps;
    bool ended = false;
    clamma_done_t why = CLAMMA_DONE_ERROR;
  };

  bool Query(const char* prompt, size_t limit, uint64_t salt) {
    notes_ = std::make_unique<Notes>();
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.prompt = prompt;
    info.limit = limit;
    info.rng_seed = 1;
    info.prefix_salt = salt;
    info.prefix_open_tokens = open_.data();
    info.prefix_open_token_count = open_.size();
    info.top_logprobs = kTokens;
    info.opaque_user_pointer = notes_.get();
    info.logprobs_cb = [](void* opaque, tok_id_t token, float, size_t n, const tok_id_t* top,
                          const float* logprobs) {
      static_cast<Notes*>(opaque)->steps.push_back(PrefixModel::StepOf(token, n, top, logprobs));
    };
    info.done_cb = [](void* opaque, clamma_done_t why) {
      static_cast<Notes*>(opaque)->ended = true;
      static_cast<Notes*>(opaque)->why = why;
    };
    const bool started = clamma_session_query(session(), &info) == 0;
    if (!started) notes_->ended = true;
    return started;
  }

  SessionPtr session_;
  std::vector<tok_id_t> open_;
  std::unique_ptr<Notes> notes_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_PREFIX_FIXTURE_H_
