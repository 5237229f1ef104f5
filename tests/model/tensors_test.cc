// SPDX-License-Identifier: MIT
#include "model/tensors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "model/model_file.h"

namespace clamma {
namespace {

TensorPlace PlaceOf(uint64_t offset, uint32_t rows, uint32_t cols, uint16_t file = 0) {
  TensorPlace place;
  place.file = file;
  place.offset = offset;
  place.rows = rows;
  place.cols = cols;
  place.row_bytes = uint64_t{cols} * 4;
  place.bytes = rows * place.row_bytes;
  return place;
}

class TensorsTest : public testing::Test {
 protected:
  // Returns the offset of a tensor; 0: there is none.
  uint64_t OffsetOf(TensorId id, uint32_t layer) const {
    TensorPlace place;
    return tensors_.Find(id, layer, &place) ? place.offset : 0;
  }

  Memory memory_;
  Tensors tensors_;
};

TEST_F(TensorsTest, FindsNothingInNone) {
  TensorPlace place;
  EXPECT_FALSE(tensors_.Find(TensorId::kQ, 0, &place));
  ASSERT_TRUE(tensors_.Init(memory_, 3).ok());
  ASSERT_TRUE(tensors_.Seal().ok());
  EXPECT_FALSE(tensors_.Find(TensorId::kQ, 0, &place));
  EXPECT_FALSE(tensors_.Has(TensorId::kQ));
}

TEST_F(TensorsTest, ASeriesIsOneEntry) {
  constexpr uint32_t kLayers = 65536;
  ASSERT_TRUE(tensors_.Init(memory_, 2).ok());
  tensors_.Add(TensorId::kUp, PlaceOf(1000, 3, 4), 0, kLayers);
  tensors_.Add(TensorId::kFfnNorm, PlaceOf(64, 1, 2), 0, kLayers);
  ASSERT_TRUE(tensors_.Seal().ok());
  for (const uint32_t layer : {0u, 1u, 2u, 40000u, kLayers - 1}) {
    TensorPlace place;
    ASSERT_TRUE(tensors_.Find(TensorId::kUp, layer, &place));
    EXPECT_EQ(place.offset, 1000u + layer * 48u);
    EXPECT_EQ(place.rows, 3u);
    EXPECT_EQ(place.cols, 4u);
    size_t first = 0;
    ASSERT_TRUE(tensors_.FindFloats(TensorId::kFfnNorm, layer, &first));
    EXPECT_EQ(first, 2 * layer);
  }
  for (const uint32_t layer : {kLayers, kLayers + 1, UINT32_MAX}) {
    EXPECT_EQ(OffsetOf(TensorId::kUp, layer), 0u);
  }
  EXPECT_EQ(OffsetOf(TensorId::kDown, 0), 0u);
  EXPECT_EQ(OffsetOf(TensorId::kEmbedding, 0), 0u);
  EXPECT_LT(memory_.bytes_in_use(), 200u);
}

// Layers with different types, shapes and files, some without some tensors, added in any order.
TEST_F(TensorsTest, LayersMayDiffer) {
  ASSERT_TRUE(tensors_.Init(memory_, 5).ok());
  TensorPlace int8 = PlaceOf(500, 4, 8);
  int8.type = WeightType::kInt8Groups;
  tensors_.Add(TensorId::kDown, PlaceOf(700, 6, 2, 3), 4, 2);
  tensors_.Add(TensorId::kQBias, PlaceOf(90, 1, 5), 2);
  tensors_.Add(TensorId::kDown, int8, 1);
  tensors_.Add(TensorId::kDown, PlaceOf(300, 1, 1), 0);
  tensors_.Add(TensorId::kQBias, PlaceOf(80, 1, 3), 0);
  ASSERT_TRUE(tensors_.Seal().ok());
  EXPECT_EQ(OffsetOf(TensorId::kDown, 0), 300u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 1), 500u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 2), 0u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 3), 0u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 4), 700u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 5), 748u);
  EXPECT_EQ(OffsetOf(TensorId::kDown, 6), 0u);
  TensorPlace place;
  ASSERT_TRUE(tensors_.Find(TensorId::kDown, 1, &place));
  EXPECT_EQ(place.type, WeightType::kInt8Groups);
  ASSERT_TRUE(tensors_.Find(TensorId::kDown, 5, &place));
  EXPECT_EQ(place.type, WeightType::kF32);
  EXPECT_EQ(place.file, 3u);
  EXPECT_EQ(place.rows, 6u);
  size_t first = 77;
  ASSERT_TRUE(tensors_.FindFloats(TensorId::kQBias, 0, &first));
  EXPECT_EQ(first, 0u);
  EXPECT_FALSE(tensors_.FindFloats(TensorId::kQBias, 1, &first));
  ASSERT_TRUE(tensors_.FindFloats(TensorId::kQBias, 2, &first));
  EXPECT_EQ(first, 3u);
  EXPECT_EQ(tensors_.floats(), 8u);
  std::vector<uint64_t> offsets;
  ASSERT_TRUE(tensors_
                  .ForEach([&](TensorId, const TensorPlace& each) {
                    offsets.push_back(each.offset);
                    return Status();
                  })
                  .ok());
  EXPECT_EQ(offsets, (std::vector<uint64_t>{80, 90, 300, 500, 700, 748}));
}

TEST_F(TensorsTest, TwoOfOneNameAndLayerAreRefused) {
  ASSERT_TRUE(tensors_.Init(memory_, 3).ok());
  tensors_.Add(TensorId::kGate, PlaceOf(0, 1, 1), 3);
  tensors_.Add(TensorId::kUp, PlaceOf(8, 1, 1), 3);
  tensors_.Add(TensorId::kGate, PlaceOf(16, 1, 1), 1, 3);
  const Status status = tensors_.Seal();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_NE(std::strstr(status.message(), "'gate' of layer 3"), nullptr) << status.message();
}

// With or without a separate classifier, the embedding counts as a matrix.
TEST_F(TensorsTest, TotalsAreOfWhatIsMultiplied) {
  for (const bool shared : {true, false}) {
    Tensors tensors;
    ASSERT_TRUE(tensors.Init(memory_, 4).ok());
    tensors.Add(TensorId::kOutputNorm, PlaceOf(0, 1, 16));
    tensors.Add(TensorId::kEmbedding, PlaceOf(64, 100, 4));
    tensors.Add(TensorId::kQ, PlaceOf(2000, 4, 4), 0, 3);
    if (!shared) tensors.Add(TensorId::kOutput, PlaceOf(3000, 50, 4));
    ASSERT_TRUE(tensors.Seal().ok());
    const TensorTotals totals = tensors.multiplied();
    EXPECT_EQ(totals.count, 4u);
    EXPECT_EQ(totals.largest, shared ? 1600u : 800u);
    EXPECT_EQ(totals.bytes, 3 * 64 + totals.largest);
    EXPECT_EQ(totals.arena_bytes, 3 * Arena::CostOf(64) + Arena::CostOf(totals.largest));
    EXPECT_EQ(tensors.matrix_bytes(), 3 * 64 + 1600u + (shared ? 0 : 800u));
    EXPECT_EQ(tensors.embedding().offset, 64u);
  }
}

// A plan takes no memory, and has the same totals.
TEST_F(TensorsTest, APlanHasTotals) {
  Memory plan((Memory::Plan()));
  Tensors tensors;
  ASSERT_TRUE(tensors.Init(plan, 3).ok());
  tensors.Add(TensorId::kOutputNorm, PlaceOf(0, 1, 16));
  tensors.Add(TensorId::kEmbedding, PlaceOf(64, 100, 4));
  tensors.Add(TensorId::kQ, PlaceOf(2000, 4, 4), 0, 3);
  ASSERT_TRUE(tensors.Seal().ok());
  EXPECT_EQ(tensors.floats(), 16u);
  EXPECT_EQ(tensors.multiplied().count, 4u);
  EXPECT_TRUE(tensors.Has(TensorId::kQ));
  EXPECT_EQ(plan.bytes_in_use(), 0u);
  ASSERT_TRUE(tensors_.Init(memory_, 3).ok());
  EXPECT_EQ(plan.planned_bytes(), Arena::CostOf(memory_.bytes_in_use()));
}

TEST_F(TensorsTest, NoMemoryIsAnError) {
  std::vector<uint8_t> bytes(256);
  Memory memory(Arena::Make(bytes.data(), bytes.size()));
  Tensors tensors;
  EXPECT_EQ(tensors.Init(memory, 1000).code(), StatusCode::kOutOfMemory);
}

TEST(TensorName, EachHasOneOfItsOwn) {
  std::set<std::string> names;
  for (size_t id = 0; id < kTensorIds; ++id) names.insert(TensorName(static_cast<TensorId>(id)));
  EXPECT_EQ(names.size(), kTensorIds);
  EXPECT_FALSE(names.contains(""));
}

TEST(ModelFile, LayersThatAreAlikeTakeNoMemory) {
  Memory memory;
  ModelFile file;
  file.config.n_layers = 65536;
  const LayerConfig layer = {.n_heads = 6, .n_kv_heads = 2, .head_size = 8, .hidden_dim = 100};
  for (uint32_t i = 0; i < file.config.n_layers; ++i)
    ASSERT_TRUE(file.AddLayer(memory, layer).ok());
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  EXPECT_EQ(file.config.layer(65535), layer);
  EXPECT_EQ(file.config.kv_count(65536, false).elements, uint64_t{65536} * 16);
}

// All tensors that a model of 2 layers must have, except one.
Status CheckWithout(TensorId missing, uint32_t of_layer) {
  Memory memory;
  ModelFile file;
  ModelConfig& config = file.config;
  config.dim = 12;
  config.vocab_size = 30;
  config.n_layers = 2;
  config.rope_dims = 4;
  const LayerConfig layer = {.n_heads = 2, .n_kv_heads = 1, .head_size = 8, .hidden_dim = 20};
  EXPECT_TRUE(file.tensors.Init(memory, 30).ok());
  const auto add = [&](TensorId id, uint32_t rows, uint32_t cols, uint32_t of) {
    if (id != missing || of != of_layer) file.tensors.Add(id, PlaceOf(64, rows, cols), of);
  };
  add(TensorId::kEmbedding, 30, 12, 0);
  add(TensorId::kOutputNorm, 1, 12, 0);
  for (uint32_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(file.AddLayer(memory, layer).ok());
    add(TensorId::kAttentionNorm, 1, 12, i);
    add(TensorId::kFfnNorm, 1, 12, i);
    add(TensorId::kQ, 16, 12, i);
    add(TensorId::kK, 8, 12, i);
    add(TensorId::kV, 8, 12, i);
    add(TensorId::kAttentionOutput, 12, 16, i);
    add(TensorId::kGate, 20, 12, i);
    add(TensorId::kUp, 20, 12, i);
    add(TensorId::kDown, 12, 20, i);
  }
  EXPECT_TRUE(file.tensors.Seal().ok());
  return file.Check();
}

TEST(ModelFile, RefusesWhatLacksATensor) {
  EXPECT_TRUE(CheckWithout(TensorId::kQBias, 0).ok());
  for (const TensorId id :
       {TensorId::kQ, TensorId::kK, TensorId::kV, TensorId::kAttentionOutput, TensorId::kGate,
        TensorId::kUp, TensorId::kDown, TensorId::kFfnNorm, TensorId::kAttentionNorm}) {
    const Status status = CheckWithout(id, 1);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_EQ(std::string("there is no tensor '") + TensorName(id) + "' of layer 1",
              status.message());
  }
  EXPECT_FALSE(CheckWithout(TensorId::kEmbedding, 0).ok());
  EXPECT_FALSE(CheckWithout(TensorId::kOutputNorm, 0).ok());
}

// One of each kind.
TEST(ModelFile, RefusesNumbersAndShapesThatDoNotFit) {
  const auto check = [](const LayerConfig& layer, uint32_t rope_dims, uint32_t bias) {
    Memory memory;
    ModelFile file;
    file.config.dim = 12;
    file.config.vocab_size = 30;
    file.config.n_layers = 1;
    file.config.rope_dims = rope_dims;
    EXPECT_TRUE(file.AddLayer(memory, layer).ok());
    EXPECT_TRUE(file.tensors.Init(memory, 12).ok());
    const TensorPlace places[] = {PlaceOf(0, 16, 12), PlaceOf(0, 8, 12),  PlaceOf(0, 8, 12),
                                  PlaceOf(0, 12, 16), PlaceOf(0, 20, 12), PlaceOf(0, 12, 20),
                                  PlaceOf(0, 20, 12), PlaceOf(0, 30, 12)};
    for (size_t i = 0; i < 8; ++i) {
      file.tensors.Add(static_cast<TensorId>(static_cast<size_t>(TensorId::kQ) + i), places[i]);
    }
    for (const TensorId id :
         {TensorId::kAttentionNorm, TensorId::kFfnNorm, TensorId::kOutputNorm}) {
      file.tensors.Add(id, PlaceOf(0, 1, 12));
    }
    file.tensors.Add(TensorId::kVBias, PlaceOf(0, 1, bias));
    EXPECT_TRUE(file.tensors.Seal().ok());
    return std::string(file.Check().message());
  };
  const LayerConfig right = {.n_heads = 2, .n_kv_heads = 1, .head_size = 8, .hidden_dim = 20};
  EXPECT_EQ(check(right, 8, 8), "");
  EXPECT_EQ(check(right, 8, 7),
            "tensor 'value bias' of layer 0 has 7 elements, and 8 are expected");
  EXPECT_EQ(check(right, 10, 8), "layer 0: of heads of 8 elements 10 are to be rotated");
  EXPECT_NE(check(right, 7, 8), "");
  LayerConfig wrong = right;
  wrong.n_kv_heads = 0;
  EXPECT_EQ(check(wrong, 8, 8), "layer 0 has no heads, or no width");
  wrong = right;
  wrong.n_heads = 3;
  wrong.n_kv_heads = 2;
  EXPECT_EQ(check(wrong, 8, 8), "layer 0: 3 heads cannot share 2 kv heads");
  wrong = right;
  wrong.hidden_dim = 21;
  EXPECT_EQ(check(wrong, 8, 8),
            "tensor 'gate' of layer 0 has 20 rows of 12 columns, and 21 of 12 are expected");
}

TEST(ModelFile, LayersThatDifferAreKeptEach) {
  Memory memory;
  Memory plan((Memory::Plan()));
  ModelFile file;
  ModelFile planned;
  const LayerConfig layers[] = {
      {.n_heads = 6, .n_kv_heads = 2, .head_size = 8, .hidden_dim = 100},
      {.n_heads = 6, .n_kv_heads = 2, .head_size = 8, .hidden_dim = 100},
      {.n_heads = 2, .n_kv_heads = 1, .head_size = 16, .hidden_dim = 60},
      {.n_heads = 6, .n_kv_heads = 3, .head_size = 8, .hidden_dim = 200},
  };
  file.config.n_layers = planned.config.n_layers = 4;
  for (const LayerConfig& layer : layers) {
    ASSERT_TRUE(file.AddLayer(memory, layer).ok());
    ASSERT_TRUE(planned.AddLayer(plan, layer).ok());
  }
  uint64_t before = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(file.config.layer(i).n_heads, layers[i].n_heads);
    EXPECT_EQ(file.config.layer(i).n_kv_heads, layers[i].n_kv_heads);
    EXPECT_EQ(file.config.layer(i).head_size, layers[i].head_size);
    EXPECT_EQ(file.config.layer(i).hidden_dim, layers[i].hidden_dim);
    EXPECT_EQ(file.config.kv_before(i).elements, before) << i;
    before += layers[i].kv_dim();
  }
  EXPECT_EQ(file.config.kv_count(4, false).elements, before);
  const LayerConfig widest = {.n_heads = 6, .n_kv_heads = 3, .head_size = 16, .hidden_dim = 200};
  EXPECT_EQ(file.config.widest, widest);
  EXPECT_EQ(planned.config.widest, widest);
  EXPECT_EQ(plan.planned_bytes(), Arena::CostOf(memory.bytes_in_use()));
}

}  // namespace
}  // namespace clamma
