// SPDX-License-Identifier: MIT
// llama2.c's checkpoints as sources and as targets of Quantizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint_bytes.h"
#include "gguf_models.h"
#include "kernels/weight_types.h"
#include "model/model_file.h"
#include "quantize/encode.h"
#include "quantizer_fixture.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

using clamma_test::GgufBytes;
using clamma_test::GgufSpec;
using clamma_test::MakeGguf;
using clamma_test::MakeModel;
using clamma_test::ModelShape;
using clamma_test::PutLe32;
using clamma_test::SmallShapes;
using clamma_test::Stretch;

struct Piece {
  std::string text;
  float score;
};

// A vocabulary in llama2.c's format, with as many tokens as there is room for.
std::vector<uint8_t> MakeVocabulary(uint32_t size, std::vector<Piece> last = {}) {
  std::vector<Piece> pieces = {{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (const char* text : {"<0x0A>", "<0xE2>", " ", "a", "b", "c", " a", "ab", " ab", "a b",
                           "\xc3\xa4", "", "bc", " abc", "  "}) {
    pieces.push_back({text, -0.5f * static_cast<float>(pieces.size())});
  }
  while (pieces.size() < size) {
    pieces.push_back({"x" + std::to_string(pieces.size()), -static_cast<float>(pieces.size())});
  }
  pieces.resize(size);
  std::copy(last.begin(), last.end(), pieces.end() - static_cast<std::ptrdiff_t>(last.size()));
  std::vector<uint8_t> bytes(4);
  for (const Piece& piece : pieces) {
    const size_t at = bytes.size();
    bytes.resize(at + 8);
    PutLe32(&bytes, at, std::bit_cast<uint32_t>(piece.score));
    PutLe32(&bytes, at + 4, static_cast<uint32_t>(piece.text.size()));
    bytes.insert(bytes.end(), piece.text.begin(), piece.text.end());
    PutLe32(&bytes, 0, std::max<uint32_t>(bytes[0], static_cast<uint32_t>(piece.text.size())));
  }
  return bytes;
}

std::string NameInGguf(const std::string& name) {
  const size_t dot = name.find('.');
  if (name == "embedding") return "token_embd.weight";
  if (name == "classifier") return "output.weight";
  if (name == "final_norm") return "output_norm.weight";
  const std::string kinds[][2] = {{"wq", "attn_q"},      {"wk", "attn_k"},   {"wv", "attn_v"},
                                  {"wo", "attn_output"}, {"w1", "ffn_gate"}, {"w2", "ffn_down"},
                                  {"w3", "ffn_up"}};
  for (const auto& [from, to] : kinds) {
    if (name.substr(0, dot) == from) return "blk." + name.substr(dot + 1) + "." + to + ".weight";
  }
  return "";
}

class QuantizerLlama2cTest : public QuantizerTest {
 protected:
  // Returns the elements of a tensor in kept_, a GGUF file.
  std::vector<float> Decoded(const std::string& name) {
    GgufTensor tensor;
    if (!parsed_->FindTensor(name, &tensor)) {
      ADD_FAILURE() << "no tensor " << name;
      return {};
    }
    WeightType type = WeightType::kF32;
    EXPECT_TRUE(FindWeightType(*tensor.type, &type)) << name;
    std::vector<float> values(tensor.dims[0] * tensor.dims[1]);
    DequantizeRow(type, kept_.bytes.data() + tensor.offset, values.size(), values.data());
    return values;
  }

  // Expects that the elements of a tensor from `first` on have these values, to the bit.
  static void ExpectElements(const ModelShape& shape, const std::vector<uint8_t>& file,
                             const Stretch& stretch, uint64_t first,
                             const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto expected =
          static_cast<float>(clamma_test::ElementOf(shape, file, stretch, first + i));
      ASSERT_EQ(values[i], expected) << stretch.name << ", element " << first + i;
    }
  }

  std::string RunWith(const std::vector<uint8_t>& vocabulary, const char* type,
                      unsigned threads = 1) {
    return Run(type, threads,
               {.vocabulary = vocabulary.data(), .vocabulary_bytes = vocabulary.size()});
  }

  // Returns the reason why a model cannot become a checkpoint.
  std::string RefusalOf(const GgufBytes& file) {
    Open(file.Build());
    return Run("q80");
  }
};

GgufSpec Expressible() {
  return {.dim = 64, .hidden = 96, .layers = 2, .vocab = 300, .tokens = 300};
}

// --- As sources ---------------------------------------------------------------------------------

TEST_F(QuantizerLlama2cTest, EveryCheckpointBecomesAGgufModelOfTheSameWeights) {
  for (const auto& [name, shape] : SmallShapes()) {
    SCOPED_TRACE(name);
    const std::vector<uint8_t> file = MakeModel(shape, 7);
    Open(file);
    ASSERT_EQ(RunWith(MakeVocabulary(static_cast<uint32_t>(shape.vocab)), "F32"), "");
    EXPECT_EQ(kept_.bytes.size(), quantizer_->file_bytes());
    Parsed();
    const auto dim = static_cast<size_t>(shape.dim);
    for (const Stretch& stretch : LayOut(shape)) {
      if (stretch.name == "cosines" || stretch.name == "sines") continue;
      if (const std::string in_gguf = NameInGguf(stretch.name); !in_gguf.empty()) {
        const std::vector<float> values = Decoded(in_gguf);
        ASSERT_EQ(values.size(), stretch.rows * stretch.cols) << in_gguf;
        ExpectElements(shape, file, stretch, 0, values);
        continue;
      }
      const std::string kind = stretch.name == "ffn_norm" ? "ffn_norm" : "attn_norm";
      for (int32_t layer = 0; layer < shape.layers; ++layer) {
        ExpectElements(shape, file, stretch, dim * static_cast<size_t>(layer),
                       Decoded("blk." + std::to_string(layer) + "." + kind + ".weight"));
      }
    }
    EXPECT_EQ(quantizer_->source_is_quantised(), shape.version == 2);
  }
}

TEST_F(QuantizerLlama2cTest, TheGgufModelHasTheCheckpointsNumbers) {
  for (const auto& [name, shape] : SmallShapes()) {
    SCOPED_TRACE(name);
    Open(MakeModel(shape, 3));
    ModelFile before;
    ASSERT_TRUE(files_.back()->ReadModel(&before).ok());
    ASSERT_EQ(RunWith(MakeVocabulary(static_cast<uint32_t>(shape.vocab)), "F16"), "");
    Open(kept_.bytes);
    ModelFile after;
    const Status status = files_.back()->ReadModel(&after);
    ASSERT_TRUE(status.ok()) << status.message();
    const ModelConfig& a = before.config;
    const ModelConfig& b = after.config;
    EXPECT_EQ(a.dim, b.dim);
    EXPECT_EQ(a.n_layers, b.n_layers);
    EXPECT_EQ(a.vocab_size, b.vocab_size);
    EXPECT_EQ(a.seq_len, b.seq_len);
    EXPECT_EQ(a.shared_classifier, b.shared_classifier);
    EXPECT_EQ(a.norm_epsilon, b.norm_epsilon);
    EXPECT_EQ(a.rope_dims, b.rope_dims);
    EXPECT_EQ(a.ropes[0], b.ropes[0]);
    EXPECT_TRUE(a.widest == b.widest);
    EXPECT_STREQ(after.file_type, "F16");
  }
}

TEST_F(QuantizerLlama2cTest, TheGgufModelHasTheVocabularyInside) {
  const ModelShape shape = SmallShapes()[0].second;
  const std::vector<uint8_t> vocabulary = MakeVocabulary(static_cast<uint32_t>(shape.vocab));
  Open(MakeModel(shape, 3));
  ASSERT_EQ(RunWith(vocabulary, "F32"), "");
  Tokenizer before;
  Tokenizer after;
  ASSERT_TRUE(before.Open(memory_, vocabulary.data(), vocabulary.size(), 50).ok());
  const Status status = after.Open(memory_, Parsed(), 50);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(after.vocab_size(), before.vocab_size());
  for (TokenId id = 0; id < 50; ++id) {
    EXPECT_EQ(after.Bytes(id), before.Bytes(id)) << id;
    EXPECT_EQ(after.kind(id), before.kind(id)) << id;
    EXPECT_EQ(after.EndsText(id), before.EndsText(id)) << id;
  }
  EXPECT_EQ(after.Piece(1), "<s>");
  EXPECT_TRUE(after.adds_bos());
  EXPECT_TRUE(after.adds_prefix());
  EXPECT_FALSE(after.adds_eos());
  const std::string texts[] = {"abc abc", "  ab  b\nc", "\xc3\xa4 a\xe2\x82\xac", "<s>x17 x18", ""};
  for (const std::string& text : texts) {
    std::vector<TokenId> ids[2];
    for (const Tokenizer* tokenizer : {&before, &after}) {
      Array<TokenId> tokens;
      size_t count = 0;
      const Tokenizer::EncodeOptions options = {.bos = true, .dummy_prefix = true};
      ASSERT_TRUE(tokenizer->Encode(memory_, text, options, &tokens, &count).ok());
      ids[tokenizer == &after ? 1 : 0].assign(tokens.data(), tokens.data() + count);
    }
    EXPECT_EQ(ids[1], ids[0]) << text;
  }
}

TEST_F(QuantizerLlama2cTest, ACheckpointIsQuantisedAsAGgufModelIs) {
  const ModelShape shape = {1, 256, 512, 3, 4, 2, 300, 64, false, 0};
  const std::vector<uint8_t> vocabulary = MakeVocabulary(300);
  Open(MakeModel(shape, 11));
  ASSERT_EQ(RunWith(vocabulary, "F32"), "");
  const std::vector<uint8_t> floats = kept_.bytes;
  ASSERT_EQ(RunWith(vocabulary, "Q4_K_M", 3), "");
  const std::vector<uint8_t> direct = kept_.bytes;
  Open(floats);
  ASSERT_EQ(Run("Q4_K_M"), "");
  EXPECT_TRUE(kept_.bytes == direct);
}

TEST_F(QuantizerLlama2cTest, AVocabularyThatDoesNotFitIsRefused) {
  const ModelShape shape = SmallShapes()[0].second;
  Open(MakeModel(shape, 3));
  EXPECT_NE(Run("F32").find("needs its vocabulary"), std::string::npos);
  EXPECT_NE(RunWith(MakeVocabulary(49), "F32").find("another model"), std::string::npos);
  EXPECT_NE(RunWith(MakeVocabulary(51), "F32").find("another model"), std::string::npos);
  EXPECT_NE(RunWith(MakeVocabulary(51), "q80").find("another model"), std::string::npos);
  const std::string reason = RunWith(MakeVocabulary(50, {{"a\xe2\x96\x81", 0}}), "F32");
  EXPECT_NE(reason.find("token 49"), std::string::npos) << reason;
  EXPECT_NE(reason.find("U+2581"), std::string::npos) << reason;
}

// --- As targets ---------------------------------------------------------------------------------

// Returns a matrix of these values in llama2.c's format: integers, then scales.
std::vector<uint8_t> Expected(const std::vector<float>& values, size_t group) {
  std::vector<uint8_t> bytes(values.size() + values.size() / group * 4);
  for (size_t g = 0; g < values.size() / group; ++g) {
    float largest = 0;
    for (size_t k = 0; k < group; ++k)
      largest = std::max(largest, std::fabs(values[g * group + k]));
    const float scale = largest / 127.0f;
    PutLe32(&bytes, values.size() + 4 * g, std::bit_cast<uint32_t>(scale));
    for (size_t k = 0; k < group; ++k) {
      const float quotient = scale > 0 ? values[g * group + k] / scale : 0;
      bytes[g * group + k] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(quotient)));
    }
  }
  return bytes;
}

TEST_F(QuantizerLlama2cTest, ACheckpointHasTheBytesOfItsFormat) {
  for (const auto& [name, from] : SmallShapes()) {
    if (from.version == 2) continue;
    SCOPED_TRACE(name);
    const std::vector<uint8_t> file = MakeModel(from, 5);
    Open(file);
    ASSERT_EQ(Run("q80", 2), "");
    ModelShape to = from;
    to.version = 2;
    to.group = 64;
    while (to.dim % to.group != 0 || to.hidden_dim % to.group != 0) to.group /= 2;
    ASSERT_EQ(kept_.bytes.size(), FileBytes(to));
    EXPECT_EQ(kept_.bytes.size(), quantizer_->file_bytes());
    EXPECT_EQ(std::vector<uint8_t>(kept_.bytes.begin(), kept_.bytes.begin() + 256), MakeHeader(to));
    const std::vector<Stretch> sources = LayOut(from);
    for (const Stretch& stretch : LayOut(to)) {
      const auto source = std::find_if(sources.begin(), sources.end(),
                                       [&](const Stretch& s) { return s.name == stretch.name; });
      ASSERT_NE(source, sources.end());
      const auto begin = kept_.bytes.begin() + static_cast<std::ptrdiff_t>(stretch.offset);
      const std::vector<uint8_t> bytes(begin, begin + static_cast<std::ptrdiff_t>(stretch.bytes));
      if (!stretch.quantized) {
        const auto same = file.begin() + static_cast<std::ptrdiff_t>(source->offset);
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), same)) << stretch.name;
        continue;
      }
      std::vector<float> values;
      for (uint64_t i = 0; i < stretch.rows * stretch.cols; ++i) {
        values.push_back(static_cast<float>(ElementOf(from, file, *source, i)));
      }
      EXPECT_EQ(bytes, Expected(values, static_cast<size_t>(to.group))) << stretch.name;
    }
  }
}

TEST_F(QuantizerLlama2cTest, AGgufModelAndItsCheckpointGiveTheSameCheckpoint) {
  const ModelShape shape = {1, 64, 192, 3, 4, 2, 700, 64, false, 0};
  const std::vector<uint8_t> vocabulary = MakeVocabulary(700);
  Open(MakeModel(shape, 21));
  ASSERT_EQ(RunWith(vocabulary, "q80"), "");
  const std::vector<uint8_t> direct = kept_.bytes;
  const auto beside = [&] {
    const Array<uint8_t>& bytes = quantizer_->vocabulary();
    return std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size());
  };
  EXPECT_EQ(beside(), vocabulary);
  ASSERT_EQ(RunWith(vocabulary, "F32"), "");
  Open(kept_.bytes);
  for (const unsigned threads : {1u, 4u}) {
    ASSERT_EQ(Run("q80", threads), "");
    EXPECT_TRUE(kept_.bytes == direct) << threads << " threads";
    EXPECT_EQ(beside(), vocabulary);
  }
  const VocabularyLosses& losses = quantizer_->vocabulary_losses();
  EXPECT_FALSE(losses.adds_bos || losses.adds_prefix || losses.drops_eos);
  EXPECT_EQ(losses.user_defined + losses.control, 0u);
}

TEST_F(QuantizerLlama2cTest, AClassifierThatEqualsTheEmbeddingIsShared) {
  ModelShape shape = {1, 64, 192, 1, 4, 2, 50, 64, false, 0};
  std::vector<uint8_t> file = MakeModel(shape, 21);
  std::vector<Stretch> all = LayOut(shape);
  const auto embedding =
      std::find_if(all.begin(), all.end(), [](const Stretch& s) { return s.name == "embedding"; });
  std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(embedding->offset), embedding->bytes,
              file.begin() + static_cast<std::ptrdiff_t>(all.back().offset));
  Open(file);
  ASSERT_EQ(Run("q80"), "");
  EXPECT_EQ(kept_.bytes[clamma_test::kSharedOffset], 1);
  shape.shared = true;
  shape.version = 2;
  shape.group = 64;
  EXPECT_EQ(kept_.bytes.size(), FileBytes(shape));
}

TEST_F(QuantizerLlama2cTest, WhatACheckpointCannotExpressIsRefusedByName) {
  const auto with = [](void (*change)(GgufSpec*)) {
    GgufSpec spec = Expressible();
    change(&spec);
    return MakeGguf(spec);
  };
  const std::pair<std::string, GgufBytes> cases[] = {
      {"it has biases", with([](GgufSpec* s) { s->biases = true; })},
      {"rope_freqs.weight", with([](GgufSpec* s) { s->rope_factors = true; })},
      {"rope.scaling", with([](GgufSpec* s) { s->linear_scaling = 2; })},
      {"attention.key_length", with([](GgufSpec* s) { s->head_size = 32; })},
      {"layer 1", with([](GgufSpec* s) {
         s->layer_kv_heads = {2, 1};
       })},
      {"layer 1", with([](GgufSpec* s) {
         s->layer_hidden = {96, 64};
       })},
      {"only split into groups of 2", with([](GgufSpec* s) { s->hidden = 98; })},
      {"tokenizer.ggml.model", with([](GgufSpec* s) { s->tokens = 0; })},
      {"500000", with([](GgufSpec*) {}).Add("llama.rope.freq_base", 500000.0f)},
  };
  for (const auto& [expected, file] : cases) {
    const std::string reason = RefusalOf(file);
    EXPECT_NE(reason.find(expected), std::string::npos) << expected << ": " << reason;
  }
  GgufSpec rotated = Expressible();
  rotated.without = {"llama.rope.dimension_count"};
  const std::string reason =
      RefusalOf(MakeGguf(rotated).Add("llama.rope.dimension_count", uint32_t{8}));
  EXPECT_NE(reason.find("8 of the 16"), std::string::npos) << reason;
}

TEST_F(QuantizerLlama2cTest, VocabulariesThatACheckpointCannotHaveAreRefusedByName) {
  GgufSpec spec = Expressible();
  spec.without = {"tokenizer.ggml.model"};
  std::string reason = RefusalOf(MakeGguf(spec).Add("tokenizer.ggml.model", "gpt2"));
  EXPECT_NE(reason.find("\"gpt2\""), std::string::npos) << reason;
  spec.without = {"tokenizer.ggml.bos_token_id"};
  reason = RefusalOf(MakeGguf(spec).Add("tokenizer.ggml.bos_token_id", uint32_t{7}));
  EXPECT_NE(reason.find("begin token is number 7"), std::string::npos) << reason;
  spec.without = {"tokenizer.ggml.eos_token_id"};
  reason = RefusalOf(MakeGguf(spec).Add("tokenizer.ggml.eos_token_id", uint32_t{1}));
  EXPECT_NE(reason.find("end token is number 1"), std::string::npos) << reason;
}

TEST_F(QuantizerLlama2cTest, ATokenizersPeculiaritiesAreCounted) {
  GgufBytes file;
  clamma_test::AddKeys({.dim = 64, .hidden = 64, .layers = 1}, &file);
  file.Add("tokenizer.ggml.model", "llama");
  file.AddArray("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "a",
                                                                  "<|im_end|>", "[x]", "[PAD6]"});
  file.AddArray("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, -1, -2, -3, -10000});
  file.AddArray("tokenizer.ggml.token_type", std::vector<int32_t>{2, 3, 3, 1, 3, 4, 5});
  file.Add("tokenizer.ggml.add_space_prefix", false);
  file.Add("tokenizer.ggml.add_bos_token", false).Add("tokenizer.ggml.add_eos_token", true);
  const GgufSpec spec = {.dim = 64, .hidden = 64, .layers = 1, .vocab = 9};
  for (const clamma_test::GgufTensorSpec& tensor : TensorsOf(spec)) {
    file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
  }
  Open(file.Build());
  ASSERT_EQ(Run("q80"), "");
  const VocabularyLosses& losses = quantizer_->vocabulary_losses();
  EXPECT_TRUE(losses.adds_bos);
  EXPECT_TRUE(losses.adds_prefix);
  EXPECT_TRUE(losses.drops_eos);
  EXPECT_TRUE(losses.lacks_bytes);
  EXPECT_EQ(losses.control, 1u);
  EXPECT_EQ(losses.user_defined, 1u);
  const Array<uint8_t>& bytes = quantizer_->vocabulary();
  Tokenizer tokenizer;
  ASSERT_TRUE(tokenizer.Open(memory_, bytes.data(), bytes.size(), 9).ok());
  EXPECT_EQ(tokenizer.Piece(4), "<|im_end|>");
  EXPECT_EQ(tokenizer.Piece(6), "");  // a padding
  EXPECT_EQ(tokenizer.Piece(8), "");  // for a row of the embedding without a token
}

// --- Int8 groups --------------------------------------------------------------------------------

TEST(EncodeInt8Groups, RoundsToNearestWithTiesToEven) {
  const float x[] = {127, 0.5f, 1.5f, -2.5f, -127, 126.5f, 3, -0.5f};
  uint8_t q[8];
  uint8_t scales[8];
  ASSERT_EQ(EncodeInt8Groups(x, 4, 8, q, scales), EncodeResult::kOk);
  const int8_t expected[] = {127, 0, 2, -2, -127, 126, 3, 0};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(static_cast<int8_t>(q[i]), expected[i]) << i;
  float again[3];
  DecodeInt8Groups(q + 3, scales, 4, 3, 3, again);  // across a group's end
  EXPECT_EQ(again[0], -2);
  EXPECT_EQ(again[1], -127);
  EXPECT_EQ(again[2], 126);
}

TEST(EncodeInt8Groups, TinyValuesAndThoseThatAreNoNumbers) {
  float x[] = {0, 0, 0, 0, 1e-45f, 0, -1e-45f, 0, 3e-43f, -1e-43f, 0, 0};
  uint8_t q[12];
  uint8_t scales[12];
  ASSERT_EQ(EncodeInt8Groups(x, 4, 12, q, scales), EncodeResult::kOk);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(q[i], 0) << i;
  EXPECT_LE(static_cast<int8_t>(q[8]), 127);
  EXPECT_GT(static_cast<int8_t>(q[8]), 63);  // for a scale that has lost its digits
  EXPECT_LT(static_cast<int8_t>(q[9]), 0);
  for (const float bad : {HUGE_VALF, -HUGE_VALF, NAN}) {
    x[5] = bad;
    EXPECT_EQ(EncodeInt8Groups(x, 4, 12, q, scales), EncodeResult::kNotFinite) << bad;
  }
}

}  // namespace
}  // namespace clamma
