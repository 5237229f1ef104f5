// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "allow_failed_allocations.h"
#include "kernels/half.h"
#include "model/model_file.h"
#include "platform/endian.h"

namespace clamma {
namespace {

ModelConfig SmallConfig() {
  ModelConfig config;
  config.dim = 24;
  config.widest = {.n_heads = 4, .n_kv_heads = 2, .head_size = 6};
  config.n_layers = 3;
  config.seq_len = 1000;
  return config;
}

// Halves represent integers up to 2048 exactly, enough for neighbours in any direction to differ.
// So does int8 for integers up to 127 times a power of two, as the first element of each head is
// the largest.
float ValueAt(KvType type, const LayerConfig& numbers, size_t layer, size_t position,
              size_t element, bool of_value) {
  const size_t id = ((position * 3 + layer) * 2 + (of_value ? 1 : 0)) * 12 + element;
  if (type != KvType::kQ8) return static_cast<float>(id % 4093) - 2046.0f;
  const float scale =
      std::ldexp(1.0f, static_cast<int>((position + element / numbers.head_size) % 3) - 1);
  if (element % numbers.head_size == 0) return -127 * scale;
  return (static_cast<float>(id % 251) - 125.0f) * scale;
}

// Returns the bytes of a position's key or value.
size_t BytesOf(KvType type, size_t elements, size_t heads) {
  return type == KvType::kF32   ? 4 * elements
         : type == KvType::kF16 ? 2 * elements
                                : elements + 4 * heads;
}

class KvCacheOf : public testing::TestWithParam<KvType> {
 protected:
  static constexpr size_t kKvDim = 12;
  static constexpr size_t kHeadSize = 6;

  KvCacheOf() { cache_.Init(memory_, config_, GetParam()); }

  void StoreAll(size_t first, size_t end) {
    for (size_t position = first; position < end; ++position) {
      for (uint32_t layer = 0; layer < config_.n_layers; ++layer) {
        std::vector<float> key(kKvDim);
        std::vector<float> value(kKvDim);
        for (size_t i = 0; i < kKvDim; ++i) {
          key[i] = Expected(layer, position, i, false);
          value[i] = Expected(layer, position, i, true);
        }
        cache_.Store(layer, position, key.data(), value.data());
      }
    }
  }

  float Expected(size_t layer, size_t position, size_t element, bool of_value) const {
    return ValueAt(GetParam(), config_.widest, layer, position, element, of_value);
  }

  // Returns an element of a head at position `slot` of its page.
  static float Load(const uint8_t* head, size_t head_size, size_t index, size_t slot) {
    if (GetParam() == KvType::kF16) return LoadHalf(head + 2 * index);
    float value = 0;
    if (GetParam() == KvType::kF32) {
      std::memcpy(&value, head + 4 * index, sizeof(value));
      return value;
    }
    std::memcpy(&value, head + kKvBlock * head_size + 4 * slot, sizeof(value));
    return static_cast<float>(static_cast<int8_t>(head[index])) * value;
  }

  // Reads the layout that AttentionInput documents.
  void ExpectAll(size_t end) {
    for (uint32_t layer = 0; layer < config_.n_layers; ++layer) {
      AttentionInput input;
      cache_.Attend(layer, end, &input);
      EXPECT_EQ(input.n_positions, end);
      EXPECT_EQ(input.head_size, kHeadSize);
      EXPECT_EQ(input.kv_type, GetParam());
      for (uint32_t head = 0; head < config_.widest.n_kv_heads; ++head) {
        for (size_t position = 0; position < end; ++position) {
          const uint8_t* block = input.blocks[position / kKvBlock] + head * input.head_bytes;
          const size_t slot = position % kKvBlock;
          for (size_t d = 0; d < kHeadSize; ++d) {
            const size_t element = head * kHeadSize + d;
            ASSERT_EQ(Load(block + input.key_offset, kHeadSize, d * kKvBlock + slot, slot),
                      Expected(layer, position, element, false))
                << "key " << layer << ", " << position << ", " << element;
            ASSERT_EQ(Load(block + input.value_offset, kHeadSize, slot * kHeadSize + d, slot),
                      Expected(layer, position, element, true))
                << "value " << layer << ", " << position << ", " << element;
          }
        }
      }
    }
  }

  ModelConfig config_ = SmallConfig();
  Memory memory_;
  KvCache cache_;
};

INSTANTIATE_TEST_SUITE_P(Types, KvCacheOf, testing::Values(KvType::kF32, KvType::kF16, KvType::kQ8),
                         [](const testing::TestParamInfo<KvType>& type) {
                           return std::string(kKvFormats[type.param].name);
                         });

TEST_P(KvCacheOf, HoldsNothingUntilReserved) {
  EXPECT_EQ(cache_.bytes_held(), 0u);
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
  ASSERT_TRUE(cache_.Reserve(0).ok());
  EXPECT_EQ(cache_.bytes_held(), 0u);
  EXPECT_EQ(KvCache::BytesFor(config_, GetParam(), 0), 0u);
}

TEST_P(KvCacheOf, GrowsByWholeBlocksToTheBytesForeseen) {
  uint64_t last = 0;
  size_t steps = 0;
  for (size_t positions = 1; positions <= 1000; ++positions) {
    ASSERT_TRUE(cache_.Reserve(positions).ok());
    const uint64_t foreseen = KvCache::BytesFor(config_, GetParam(), positions);
    ASSERT_EQ(cache_.bytes_held(), foreseen) << positions;
    ASSERT_EQ(memory_.bytes_in_use(), foreseen) << positions;
    if (foreseen != last) {
      ++steps;
      ASSERT_EQ(positions % kKvBlock, 1u) << positions;
    }
    last = foreseen;
  }
  EXPECT_EQ(steps, (1000 + kKvBlock - 1) / kKvBlock);
}

TEST_P(KvCacheOf, ReservingAtOnceTakesAsMuchAsStepByStep) {
  for (const size_t positions : {1u, 32u, 33u, 128u, 129u, 500u, 1000u}) {
    KvCache cache;
    cache.Init(memory_, config_, GetParam());
    ASSERT_TRUE(cache.Reserve(positions).ok());
    EXPECT_EQ(cache.bytes_held(), KvCache::BytesFor(config_, GetParam(), positions)) << positions;
  }
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
}

TEST_P(KvCacheOf, ReservingLessChangesNothing) {
  ASSERT_TRUE(cache_.Reserve(200).ok());
  const size_t held = cache_.bytes_held();
  ASSERT_TRUE(cache_.Reserve(1).ok());
  ASSERT_TRUE(cache_.Reserve(0).ok());
  EXPECT_EQ(cache_.bytes_held(), held);
}

TEST_P(KvCacheOf, BlocksHoldKeysAndValuesOfEachLayerAndNothingElse) {
  const uint64_t two_blocks = KvCache::BytesFor(config_, GetParam(), 64);
  const uint64_t one_block = KvCache::BytesFor(config_, GetParam(), 32);
  EXPECT_EQ(two_blocks - one_block, 3 * 2 * BytesOf(GetParam(), kKvDim, 2) * kKvBlock);
}

TEST_P(KvCacheOf, GivesBackWhatWasStored) {
  ASSERT_TRUE(cache_.Reserve(100).ok());
  StoreAll(0, 100);
  ExpectAll(100);
  ExpectAll(1);
}

TEST_P(KvCacheOf, KeepsWhatWasStoredAsItGrows) {
  size_t stored = 0;
  for (const size_t positions : {1u, 31u, 32u, 33u, 129u, 300u, 513u}) {
    ASSERT_TRUE(cache_.Reserve(positions).ok());
    StoreAll(stored, positions);
    stored = positions;
    ExpectAll(stored);
  }
}

TEST_P(KvCacheOf, StoringAgainReplaces) {
  ASSERT_TRUE(cache_.Reserve(50).ok());
  const std::vector<float> other(kKvDim, 77);
  for (uint32_t layer = 0; layer < config_.n_layers; ++layer) {
    for (size_t position = 0; position < 50; ++position) {
      cache_.Store(layer, position, other.data(), other.data());
    }
  }
  StoreAll(0, 50);
  ExpectAll(50);
}

TEST_P(KvCacheOf, ResetGivesAllBackAndItMayBeUsedAgain) {
  ASSERT_TRUE(cache_.Reserve(300).ok());
  cache_.ShrinkToBlocks(0);
  EXPECT_EQ(cache_.bytes_held(), 0u);
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
  cache_.ShrinkToBlocks(0);
  ASSERT_TRUE(cache_.Reserve(40).ok());
  StoreAll(0, 40);
  ExpectAll(40);
}

TEST_P(KvCacheOf, HoldsNothingAfterItsEnd) {
  {
    KvCache cache;
    cache.Init(memory_, config_, GetParam());
    ASSERT_TRUE(cache.Reserve(70).ok());
    EXPECT_GT(memory_.bytes_in_use(), 0u);
  }
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
}

TEST_P(KvCacheOf, ABlockThatCannotBeHadIsAnError) {
  ModelConfig config;
  config.dim = 1u << 28;
  config.widest = {.n_heads = 1, .n_kv_heads = 1, .head_size = config.dim};
  config.n_layers = 1u << 16;
  KvCache cache;
  cache.Init(memory_, config, GetParam());
  const Status status = cache.Reserve(1);
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_STRNE(status.message(), "");
}

// Layers of different sizes follow each other without gaps.
TEST_P(KvCacheOf, LayersMayDiffer) {
  Memory memory;
  ModelFile file;
  file.config.dim = 24;
  file.config.n_layers = 4;
  const LayerConfig layers[] = {{.n_heads = 4, .n_kv_heads = 2, .head_size = 6},
                                {.n_heads = 4, .n_kv_heads = 2, .head_size = 6},
                                {.n_heads = 4, .n_kv_heads = 1, .head_size = 10},
                                {.n_heads = 3, .n_kv_heads = 3, .head_size = 2}};
  for (const LayerConfig& layer : layers) ASSERT_TRUE(file.AddLayer(memory, layer).ok());
  KvCache cache;
  cache.Init(memory, file.config, GetParam());
  EXPECT_GE(cache.MaxRowBytes(), BytesOf(GetParam(), 12, 2));
  ASSERT_TRUE(cache.Reserve(70).ok());
  EXPECT_EQ(cache.bytes_held(), KvCache::BytesFor(file.config, GetParam(), 70));
  EXPECT_EQ(cache.bytes_held(),
            3 * 2 * BytesOf(GetParam(), 12 + 12 + 10 + 6, 2 + 2 + 1 + 3) * kKvBlock +
                4 * sizeof(uint8_t*));
  const auto store = [&](uint32_t layer, size_t position) {
    std::vector<float> key(layers[layer].kv_dim());
    std::vector<float> value(layers[layer].kv_dim());
    for (size_t i = 0; i < key.size(); ++i) {
      key[i] = ValueAt(GetParam(), layers[layer], layer, position, i, false);
      value[i] = ValueAt(GetParam(), layers[layer], layer, position, i, true);
    }
    cache.Store(layer, position, key.data(), value.data());
  };
  for (uint32_t layer = 0; layer < 4; ++layer) {
    for (size_t position = 0; position < 70; ++position) store(layer, position);
  }
  size_t before = 0;
  for (uint32_t layer = 0; layer < 4; ++layer) {
    const LayerConfig& numbers = layers[layer];
    const size_t row = BytesOf(GetParam(), numbers.kv_dim(), numbers.n_kv_heads);
    EXPECT_EQ(cache.RowBytes(layer), row);
    AttentionInput input;
    cache.Attend(layer, 70, &input);
    EXPECT_EQ(input.head_size, numbers.head_size);
    EXPECT_EQ(input.key_offset, 2 * before * kKvBlock);
    before += row;
    std::vector<uint8_t> key(cache.RowBytes(layer));
    std::vector<uint8_t> value(cache.RowBytes(layer));
    for (size_t position = 0; position < 70; ++position) {
      cache.GetRows(layer, position, key.data(), value.data());
      for (size_t i = 0; i < numbers.kv_dim(); ++i) {
        const size_t head = i / numbers.head_size;
        const size_t d = i % numbers.head_size;
        const size_t slot = position % kKvBlock;
        const uint8_t* block = input.blocks[position / kKvBlock] + head * input.head_bytes;
        ASSERT_EQ(Load(block + input.key_offset, numbers.head_size, d * kKvBlock + slot, slot),
                  ValueAt(GetParam(), numbers, layer, position, i, false));
        ASSERT_EQ(
            Load(block + input.value_offset, numbers.head_size, slot * numbers.head_size + d, slot),
            ValueAt(GetParam(), numbers, layer, position, i, true));
      }
      cache.SetRows(layer, position, key.data(), value.data());
    }
  }
}

TEST(KvCache, HalfPrecisionTakesHalfTheMemory) {
  const ModelConfig config = SmallConfig();
  const uint64_t table = 4 * sizeof(uint8_t*);
  for (const size_t positions : {1u, 32u, 100u, 128u}) {
    const uint64_t full = KvCache::BytesFor(config, KvType::kF32, positions) - table;
    const uint64_t half = KvCache::BytesFor(config, KvType::kF16, positions) - table;
    EXPECT_EQ(full, 2 * half) << positions;
  }
}

TEST(KvCache, BytesForLargeModelsGoBeyond32Bits) {
  ModelConfig config;
  config.dim = 8192;
  config.widest = {.n_heads = 64, .n_kv_heads = 64, .head_size = 128};
  config.n_layers = 80;
  // 80 layers of keys and values of 8192 floats each, and a table of 4096 pointers.
  EXPECT_EQ(KvCache::BytesFor(config, KvType::kF32, 131072),
            uint64_t{131072} * 80 * 2 * 8192 * 4 + 4096 * sizeof(uint8_t*));
}

// 2 heads of 6: 12 bytes and 2 scales in place of 48 bytes.
TEST(KvCache, Int8TakesAQuarterOfTheMemoryAndItsScales) {
  const ModelConfig config = SmallConfig();
  const uint64_t table = 4 * sizeof(uint8_t*);
  const uint64_t full = KvCache::BytesFor(config, KvType::kF32, 100) - table;
  EXPECT_EQ((KvCache::BytesFor(config, KvType::kQ8, 100) - table) * 48, full * 20);
}

// A head's key is rounded to multiples of its largest magnitude / 127, whatever the other head has.
TEST(KvCache, RoundsToMultiplesOfEachHeadsScale) {
  ModelConfig config = SmallConfig();
  const float infinity = std::numeric_limits<float>::infinity();
  struct Case {
    float key[6];
    float scale;
    int8_t q[6];
  };
  const Case cases[] = {{{254, -2, 3, 1, -5, 0}, 2, {127, -1, 2, 0, -2, 0}},  // ties to even
                        {{0, 0, -0.0f, 0, 0, 0}, 0, {}},
                        {{1e-40f, 0, 0, 0, 0, 0}, 0, {}},  // too small to divide by
                        {{3e38f, -3e38f, 0, 1e30f, 0, 0}, 3e38f / 127, {127, -127}},
                        {{1, infinity, 2, 3, 4, 5}, NAN, {}},
                        {{1, 2, 3, NAN, 4, 5}, NAN, {}}};
  for (const Case& c : cases) {
    Memory memory;
    KvCache cache;
    cache.Init(memory, config, KvType::kQ8);
    ASSERT_TRUE(cache.Reserve(1).ok());
    std::vector<float> key(c.key, c.key + 6);
    key.resize(12, 127.0f);
    cache.Store(0, 0, key.data(), key.data());
    EXPECT_FALSE(cache.Overflows(1));
    std::vector<uint8_t> rows[2];
    for (std::vector<uint8_t>& row : rows) row.resize(cache.RowBytes(0));
    cache.GetRows(0, 0, rows[0].data(), rows[1].data());
    EXPECT_EQ(rows[0], rows[1]);
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(static_cast<int8_t>(rows[0][i]), c.q[i]) << i;
    const float scale = std::bit_cast<float>(ReadLe32(&rows[0][6]));
    if (std::isnan(c.scale)) {
      EXPECT_TRUE(std::isnan(scale));
    } else {
      EXPECT_EQ(scale, c.scale);
    }
    EXPECT_EQ(rows[0][10], 127) << "the other head";
    EXPECT_EQ(std::bit_cast<float>(ReadLe32(&rows[0][16])), 1.0f);
  }
}

TEST(KvCache, RoundsToHalves) {
  ModelConfig config = SmallConfig();
  Memory memory;
  KvCache cache;
  cache.Init(memory, config, KvType::kF16);
  ASSERT_TRUE(cache.Reserve(1).ok());
  std::vector<float> key(12, 1.0f / 3);
  std::vector<float> value(12, 1e6f);
  cache.Store(0, 0, key.data(), value.data());
  AttentionInput input;
  cache.Attend(0, 1, &input);
  EXPECT_EQ(LoadHalf(input.blocks[0] + input.key_offset), 0.333251953125f);
  EXPECT_EQ(FloatToHalf(LoadHalf(input.blocks[0] + input.value_offset)), 0x7c00);
}

}  // namespace
}  // namespace clamma
