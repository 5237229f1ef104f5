// SPDX-License-Identifier: MIT
#include "blocks.h"

#include <algorithm>
#include <bit>

namespace selftest {
namespace {

using clamma::WeightType;

void PutLe(uint32_t value, size_t bytes, uint8_t* place) {
  for (size_t i = 0; i < bytes; ++i) place[i] = static_cast<uint8_t>(value >> (8 * i));
}

// Bits of an IEEE half from 2^-8 to 2^-7, or the negative.
uint32_t SmallHalf(Random* random, bool is_signed) {
  const auto bits = static_cast<uint32_t>(random->Next() >> 32);
  return (7u << 10) | (bits & 0x3ff) | (is_signed ? bits >> 31 << 15 : 0);
}

// Sets the parts of a block that are not random bytes: floats, scales and exponents.
void PutScales(WeightType type, Random* random, uint8_t* block) {
  switch (type) {
    case WeightType::kF32:
      return PutLe(std::bit_cast<uint32_t>(random->Uniform() * 0x1p-3f), 4, block);
    case WeightType::kF16:
      return PutLe(SmallHalf(random, true), 2, block);
    case WeightType::kBF16:
      return PutLe(std::bit_cast<uint32_t>(random->Uniform() * 0x1p-3f) >> 16, 2, block);
    case WeightType::kMXFP4:
      block[0] = static_cast<uint8_t>(124 + random->Byte() % 3);
      return;
    case WeightType::kQ6_K:
      return PutLe(SmallHalf(random, false), 2, block + 208);
    case WeightType::kQ3_K:
      return PutLe(SmallHalf(random, false), 2, block + 108);
    case WeightType::kQ2_K:
      PutLe(SmallHalf(random, false), 2, block + 80);
      return PutLe(SmallHalf(random, false), 2, block + 82);
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      PutLe(SmallHalf(random, false), 2, block + 2);
      break;
    default:
      break;
  }
  PutLe(SmallHalf(random, false), 2, block);
}

}  // namespace

std::vector<uint8_t> MakeRows(WeightType type, size_t rows, size_t cols, Random* random) {
  std::vector<uint8_t> bytes(static_cast<size_t>(clamma::RowBytes(type, cols)) * rows);
  for (uint8_t& byte : bytes) byte = random->Byte();
  const size_t block_bytes = clamma::FactsOf(type).block_bytes;
  for (size_t i = 0; i < bytes.size(); i += block_bytes) PutScales(type, random, &bytes[i]);
  return bytes;
}

std::vector<uint8_t> MakeRowsInMemory(WeightType type, size_t rows, size_t cols, Random* random) {
  std::vector<uint8_t> bytes = MakeRows(type, rows, cols, random);
  if (std::endian::native != std::endian::big || clamma::FactsOf(type).block_cols != 1) {
    return bytes;
  }
  const auto size = static_cast<ptrdiff_t>(clamma::FactsOf(type).block_bytes);
  for (auto number = bytes.begin(); number != bytes.end(); number += size) {
    std::reverse(number, number + size);
  }
  return bytes;
}

}  // namespace selftest
