// SPDX-License-Identifier: MIT
// clamma-extra.h: scores of texts, compared with an independent forward pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "extra_fixture.h"

namespace clamma_test {
namespace {

struct Scored {
  clamma_score_t score = {};
  std::vector<float> logprobs;
};

Scored Score(const TxfPtr& model, const std::string& text) {
  Scored scored;
  scored.logprobs.assign(1024, 7.0f);
  EXPECT_EQ(clamma_score(model.get(), text.data(), text.size(), &scored.score,
                         scored.logprobs.data(), scored.logprobs.size()),
            0);
  for (size_t i = scored.score.tokens; i < scored.logprobs.size(); ++i) {
    EXPECT_EQ(scored.logprobs[i], 7.0f) << "written beyond the text at " << i;
  }
  scored.logprobs.resize(scored.score.tokens);
  return scored;
}

// An independent forward pass for the legacy float checkpoint: in double, one position at a time,
// without any code of the library.
class PlainModel {
 public:
  PlainModel() {
    const std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatModel));
    std::vector<float> weights((bytes.size() - 28) / 4);
    std::memcpy(weights.data(), bytes.data() + 28, weights.size() * 4);
    size_t at = 0;
    const auto take = [&](size_t n) {
      std::vector<double> tensor(weights.begin() + static_cast<ptrdiff_t>(at),
                                 weights.begin() + static_cast<ptrdiff_t>(at + n));
      at += n;
      return tensor;
    };
    embedding_ = take(kVocab * kDim);
    attention_norm_ = take(kLayers * kDim);
    wq_ = take(kLayers * kDim * kDim);
    wk_ = take(kLayers * kKvDim * kDim);
    wv_ = take(kLayers * kKvDim * kDim);
    wo_ = take(kLayers * kDim * kDim);
    ffn_norm_ = take(kLayers * kDim);
    w1_ = take(kLayers * kHidden * kDim);
    w2_ = take(kLayers * kDim * kHidden);
    w3_ = take(kLayers * kHidden * kDim);
    final_norm_ = take(kDim);
  }

  // Returns ln p of tokens[1 ..].
  std::vector<double> Score(const std::vector<tok_id_t>& tokens) {
    std::vector<double> logprobs;
    keys_.assign(kLayers, {});
    values_.assign(kLayers, {});
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const std::vector<double> logits = Forward(static_cast<size_t>(tokens[i]), i);
      double sum = 0;
      for (const double logit : logits) sum += std::exp(logit);
      logprobs.push_back(logits[static_cast<size_t>(tokens[i + 1])] - std::log(sum));
    }
    return logprobs;
  }

 private:
  static constexpr size_t kDim = 64, kHidden = 172, kLayers = 5, kHeads = 8, kKvHeads = 4,
                          kVocab = 512, kHead = kDim / kHeads, kKvDim = kHead * kKvHeads;
  using Vector = std::vector<double>;

  static Vector Norm(const Vector& x, const double* weight) {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    Vector out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out[i] = weight[i] * x[i] * scale;
    return out;
  }
  static Vector Times(const double* w, size_t rows, const Vector& x) {
    Vector out(rows);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t k = 0; k < x.size(); ++k) out[r] += w[r * x.size() + k] * x[k];
    }
    return out;
  }
  static void Turn(Vector* x, size_t position) {
    for (size_t i = 0; i < x->size(); i += 2) {
      const double power = static_cast<double>(i % kHead) / static_cast<double>(kHead);
      const double angle = static_cast<double>(position) / std::pow(10000.0, power);
      const double a = (*x)[i];
      const double b = (*x)[i + 1];
      (*x)[i] = a * std::cos(angle) - b * std::sin(angle);
      (*x)[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }

  Vector Attend(const Vector& q, size_t layer) const {
    Vector out(kDim);
    for (size_t head = 0; head < kHeads; ++head) {
      const size_t kv = head / (kHeads / kKvHeads) * kHead;
      Vector weights;
      double sum = 0;
      for (const Vector& key : keys_[layer]) {
        double dot = 0;
        for (size_t d = 0; d < kHead; ++d) dot += q[head * kHead + d] * key[kv + d];
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(kHead))));
        sum += weights.back();
      }
      for (size_t t = 0; t < weights.size(); ++t) {
        for (size_t d = 0; d < kHead; ++d) {
          out[head * kHead + d] += weights[t] / sum * values_[layer][t][kv + d];
        }
      }
    }
    return out;
  }

  Vector Forward(size_t token, size_t position) {
    Vector x(embedding_.begin() + static_cast<ptrdiff_t>(token * kDim),
             embedding_.begin() + static_cast<ptrdiff_t>((token + 1) * kDim));
    for (size_t layer = 0; layer < kLayers; ++layer) {
      Vector normed = Norm(x, &attention_norm_[layer * kDim]);
      Vector q = Times(&wq_[layer * kDim * kDim], kDim, normed);
      Vector k = Times(&wk_[layer * kKvDim * kDim], kKvDim, normed);
      Turn(&q, position);
      Turn(&k, position);
      keys_[layer].push_back(k);
      values_[layer].push_back(Times(&wv_[layer * kKvDim * kDim], kKvDim, normed));
      const Vector out = Times(&wo_[layer * kDim * kDim], kDim, Attend(q, layer));
      for (size_t i = 0; i < kDim; ++i) x[i] += out[i];
      normed = Norm(x, &ffn_norm_[layer * kDim]);
      Vector gate = Times(&w1_[layer * kHidden * kDim], kHidden, normed);
      const Vector up = Times(&w3_[layer * kHidden * kDim], kHidden, normed);
      for (size_t i = 0; i < kHidden; ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
      const Vector down = Times(&w2_[layer * kDim * kHidden], kDim, gate);
      for (size_t i = 0; i < kDim; ++i) x[i] += down[i];
    }
    return Times(embedding_.data(), kVocab, Norm(x, final_norm_.data()));
  }

  Vector embedding_, attention_norm_, wq_, wk_, wv_, wo_, ffn_norm_, w1_, w2_, w3_, final_norm_;
  std::vector<std::vector<Vector>> keys_, values_;
};

TEST_F(ExtraTest, ScoresAgreeWithAPlainForwardPass) {
  PlainModel plain;
  for (const char* text :
       {"Once upon a time, there was a little girl named Lily. She loved to play outside.",
        "zq\xff\x01 nonsense 12345", "a"}) {
    const Scored scored = Score(model_, text);
    const std::vector<double> expected = plain.Score(Encode(text, kAsPrompt));
    ASSERT_EQ(scored.score.tokens, expected.size());
    double sum = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(scored.logprobs[i]), expected[i], 1e-4) << "token " << i;
      sum += expected[i];
    }
    EXPECT_NEAR(scored.score.log_likelihood, sum, 1e-3);
  }
}

TEST_F(ExtraTest, ScoreIsTheSumOfItsTokens) {
  const std::string text = "Lily and Tom went to the park. They saw a big dog.";
  const Scored scored = Score(model_, text);
  EXPECT_EQ(scored.score.tokens, Encode(text, kAsPrompt).size() - 1) << "all but BOS";
  double sum = 0;
  for (const float logprob : scored.logprobs) {
    EXPECT_LT(logprob, 0.0f);
    sum += static_cast<double>(logprob);
  }
  EXPECT_DOUBLE_EQ(scored.score.log_likelihood, sum);
  EXPECT_NEAR(scored.score.perplexity, std::exp(-sum / static_cast<double>(scored.score.tokens)),
              1e-9);
}

TEST_F(ExtraTest, ScoresOfAFrontAreThoseOfTheWhole) {
  const std::string front = "Once upon a time, there was a little girl named Lily.";
  const std::string whole = front + " She loved to play. " + std::string(60, 'x');
  const std::vector<tok_id_t> front_tokens = Encode(front, kAsPrompt);
  const std::vector<tok_id_t> whole_tokens = Encode(whole, kAsPrompt);
  ASSERT_TRUE(std::equal(front_tokens.begin(), front_tokens.end(), whole_tokens.begin()));
  const Scored a = Score(model_, front);
  const Scored b = Score(model_, whole);
  for (size_t i = 0; i < a.logprobs.size(); ++i) {
    EXPECT_EQ(a.logprobs[i], b.logprobs[i]) << "to the bit, wherever it is cut: token " << i;
  }
}

TEST_F(ExtraTest, LogprobsStopAtTheirMaximum) {
  const std::string text = "Once upon a time";
  float logprobs[3] = {7, 7, 7};
  clamma_score_t score = {};
  ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &score, logprobs, 2), 0);
  ASSERT_GT(score.tokens, 2u);
  const Scored all = Score(model_, text);
  EXPECT_EQ(logprobs[0], all.logprobs[0]);
  EXPECT_EQ(logprobs[1], all.logprobs[1]);
  EXPECT_EQ(logprobs[2], 7.0f);
  clamma_score_t none = {};
  ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &none, nullptr, 0), 0);
  EXPECT_EQ(none.log_likelihood, score.log_likelihood);
}

TEST_F(ExtraTest, ScoresDependOnNeitherAccessNorThreads) {
  const std::string text = "Once upon a time, there was a little girl named Lily. She had a dog.";
  for (const char* name : {kFloatModel, kQ80Model, kStraddlingModel}) {
    const Scored expected = Score(Open(ModelInfo(name)), text);
    clamma_txf_info_t info = ModelInfo(name);
    info.threads = 3;
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    info.cache_limit = SmallestCacheLimit(name);
    EXPECT_EQ(Score(Open(info), text).logprobs, expected.logprobs) << name;
  }
}

TEST_F(ExtraTest, Int8ModelsScoreNearlyAsWellAsTheFloatModel) {
  CLAMMA_NEED_FILE(GoldenPath("float-greedy-bos.txt"));
  const std::string text = ReadGolden("float-greedy-bos");
  const double expected = Score(model_, text).score.perplexity;
  EXPECT_LT(expected, 2.0) << "its own greedy text is no surprise to it";
  for (const char* name : {kQ80Model, kStraddlingModel}) {
    EXPECT_NEAR(Score(Open(ModelInfo(name)), text).score.perplexity / expected, 1.0, 0.02) << name;
  }
}

TEST_F(ExtraTest, TextBeyondTheContextIsRefused) {
  std::string text;
  while (Encode(text, kAsPrompt).size() < 512) text += 'z';
  ASSERT_EQ(Encode(text, kAsPrompt).size(), 512u);
  clamma_score_t score = {};
  EXPECT_EQ(clamma_score(model_.get(), text.data(), text.size(), &score, nullptr, 0), 0);
  EXPECT_EQ(score.tokens, 511u);
  text += 'q';
  ASSERT_EQ(Encode(text, kAsPrompt).size(), 513u);
  EXPECT_NE(clamma_score(model_.get(), text.data(), text.size(), &score, nullptr, 0), 0);
  EXPECT_NE(log_.last().find("513"), std::string::npos) << log_.last();
}

TEST_F(ExtraTest, DamagedWeightsAreAnErrorNotAScore) {
  std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
  for (const int32_t bits : {0x7fc00000, 0x7f800000}) {  // NaN, infinity
    PutInt32(&bytes, 256 + 4 * (2 * 5 * 64), bits);      // in the final norm
    HeapCopy damaged(bytes);
    clamma_txf_info_t info = ModelInfo(kFloatV1Model);
    damaged.BecomeModel(&info);
    const TxfPtr model = Open(info);
    clamma_score_t score = {};
    EXPECT_NE(clamma_score(model.get(), "Once upon", 9, &score, nullptr, 0), 0);
  }
}

TEST_F(ExtraTest, EmptyTextIsRefused) {
  clamma_score_t score = {};
  EXPECT_NE(clamma_score(model_.get(), "", 0, &score, nullptr, 0), 0);
  EXPECT_NE(log_.last(), "");
}

TEST_F(ExtraTest, ScoreInsideACallbackFails) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  int refused = 0;
  listener.on_text = [&] {
    clamma_score_t score = {};
    refused += clamma_score(model_.get(), "Lily", 4, &score, nullptr, 0) != 0 ? 1 : 0;
    return 0;
  };
  listener.on_done = [&](clamma_done_t) { listener.on_text(); };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 3}), 0);
  StepAll();
  EXPECT_EQ(refused, static_cast<int>(listener.pieces) + 1);
  EXPECT_EQ(log_.lines.size(), listener.pieces + 1);
  EXPECT_EQ(listener.text, RunFresh(model_, {.limit = 3}).text);
}

TEST_F(ExtraTest, ScoringBetweenStepsChangesNoText) {
  const std::string alone = RunFresh(model_, {.limit = 40}).text;
  const double expected = Score(model_, "Lily went home.").score.log_likelihood;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 40}), 0);
  while (clamma_sessions_step_next() != 0) {
    EXPECT_EQ(Score(model_, "Lily went home.").score.log_likelihood, expected);
  }
  EXPECT_EQ(listener.text, alone);
}

}  // namespace
}  // namespace clamma_test
