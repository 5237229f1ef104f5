// SPDX-License-Identifier: MIT
// Measures every kernel of every table that this CPU can run, on one thread, with the sizes of a
// 1.1 B model:
//   kernels_bench --benchmark_filter='avx512/matmul_int8'
// Weights stay in the cache (a slice of 256 rows), so that the figures show arithmetic;
// clamma-bench measures weights from memory. Names: table/kernel/number of tokens or positions.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/weight_types.h"

namespace clamma {
namespace {

constexpr uint32_t kRows = 256;
constexpr uint32_t kCols = 2048;
constexpr uint32_t kGroup = 64;
constexpr uint32_t kHidden = 5632;
constexpr size_t kHeadSize = 64;
constexpr size_t kHeads = 32;
constexpr size_t kVocabulary = 32000;

std::vector<float> RandomFloats(size_t n) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(generator);
  return values;
}

std::vector<uint8_t> RandomInt8(size_t n) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<int> uniform(-127, 127);
  std::vector<uint8_t> values(n);
  for (uint8_t& value : values) value = static_cast<uint8_t>(uniform(generator));
  return values;
}

const uint8_t* Bytes(const std::vector<float>& values) {
  return reinterpret_cast<const uint8_t*>(values.data());
}

// Sets the work of one iteration: the bytes of weights or values read, and the items, which the
// benchmark defines.
void Count(benchmark::State& state, size_t bytes, size_t items) {
  const auto iterations = static_cast<int64_t>(state.iterations());
  if (bytes != 0) state.SetBytesProcessed(iterations * static_cast<int64_t>(bytes));
  state.SetItemsProcessed(iterations * static_cast<int64_t>(items));
}

// The rows of x, quantised as a table needs them.
class Quantized {
 public:
  Quantized(const Kernels& kernels, const std::vector<float>& x,
            ActivationKind kind = ActivationKind::kInt8Groups, size_t group = kGroup)
      : quantizer_(kernels.quantizers[kind]) {
    activations_ = {.x = x.data(), .n_tokens = x.size() / kCols, .cols = kCols, .group = group};
    if (quantizer_.quantize == nullptr) return;  // they are multiplied as floats
    bytes_.resize(quantizer_.bytes(activations_.n_tokens, kCols, group) + kAlignment);
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
    activations_.bytes = bytes_.data() + (kAlignment - address % kAlignment) % kAlignment;
    Quantize();
  }

  void Quantize() { quantizer_.quantize(activations_, 0, kCols / activations_.group); }
  const Activations& operator*() const { return activations_; }

 private:
  static constexpr size_t kAlignment = 64;

  const Kernels::Quantizer& quantizer_;
  std::vector<uint8_t> bytes_;
  Activations activations_;
};

void Matmul(benchmark::State& state, const Kernels& kernels, const Activations& x,
            const Matrix& matrix) {
  std::vector<float> out(x.n_tokens * kRows);
  for (auto _ : state) {
    kernels.matmul[matrix.type](out.data(), kRows, x, matrix, 0, kRows);
    benchmark::DoNotOptimize(out.data());
  }
}

// Items: multiply-adds.
void MatmulF32(benchmark::State& state, const Kernels& kernels) {
  const auto n_tokens = static_cast<size_t>(state.range(0));
  const std::vector<float> weights = RandomFloats(size_t{kRows} * kCols);
  const std::vector<float> x = RandomFloats(n_tokens * kCols);
  Matmul(state, kernels, {.x = x.data(), .n_tokens = n_tokens, .cols = kCols},
         {.type = WeightType::kF32,
          .data = Bytes(weights),
          .rows = kRows,
          .cols = kCols,
          .row_bytes = kCols * sizeof(float)});
  Count(state, weights.size() * sizeof(float), weights.size() * n_tokens);
}

void MatmulInt8(benchmark::State& state, const Kernels& kernels) {
  const auto n_tokens = static_cast<size_t>(state.range(0));
  const std::vector<uint8_t> weights = RandomInt8(size_t{kRows} * kCols);
  const std::vector<float> scales = RandomFloats(weights.size() / kGroup);
  const std::vector<float> x = RandomFloats(n_tokens * kCols);
  const Quantized quantized(kernels, x);
  Matmul(state, kernels, *quantized,
         {.type = WeightType::kInt8Groups,
          .data = weights.data(),
          .rows = kRows,
          .cols = kCols,
          .row_bytes = kCols,
          .scales = Bytes(scales),
          .group_size = kGroup});
  Count(state, weights.size() + scales.size() * sizeof(float), weights.size() * n_tokens);
}

// Random blocks. Any of their bytes make scales, of 16 or 8 bits, that are ordinary numbers: 2^-7
// to 2 in half precision.
void MatmulBlocks(benchmark::State& state, const Kernels& kernels, WeightType type) {
  const auto n_tokens = static_cast<size_t>(state.range(0));
  std::vector<uint8_t> weights(kRows * RowBytes(type, kCols));
  std::mt19937 generator(1);
  for (uint8_t& byte : weights) byte = static_cast<uint8_t>(0x20 + generator() % 0x20);
  const std::vector<float> x = RandomFloats(n_tokens * kCols);
  const Quantized quantized(kernels, x, KindOf(type), FactsOf(type).block_cols);
  Matmul(state, kernels, *quantized,
         {.type = type,
          .data = weights.data(),
          .rows = kRows,
          .cols = kCols,
          .row_bytes = RowBytes(type, kCols)});
  Count(state, weights.size(), size_t{kRows} * kCols * n_tokens);
}

// The items of the following kernels are elements, unless noted.
void Quantize(benchmark::State& state, const Kernels& kernels) {
  const auto n_tokens = static_cast<size_t>(state.range(0));
  const std::vector<float> x = RandomFloats(n_tokens * kCols);
  Quantized quantized(kernels, x);
  for (auto _ : state) {
    quantized.Quantize();
    benchmark::DoNotOptimize((*quantized).bytes);
  }
  Count(state, x.size() * sizeof(float), x.size());
}

void RmsNorm(benchmark::State& state, const Kernels& kernels) {
  const std::vector<float> x = RandomFloats(kCols);
  const std::vector<float> weight = RandomFloats(kCols);
  std::vector<float> out(kCols);
  for (auto _ : state) {
    kernels.orders[SumOrder::kLlama2c]->rmsnorm(out.data(), x.data(), weight.data(), 1, kCols,
                                                1e-5f);
    benchmark::DoNotOptimize(out.data());
  }
  Count(state, (x.size() + weight.size()) * sizeof(float), x.size());
}

void Rope(benchmark::State& state, const Kernels& kernels) {
  std::vector<float> x = RandomFloats(kHeads * kHeadSize);
  const std::vector<float> cosines(kHeadSize / 2, 0.8f);  // 0.8^2 + 0.6^2 = 1
  const std::vector<float> sines(kHeadSize / 2, 0.6f);
  for (auto _ : state) {
    kernels.rope[RopeStyle::kPairs](x.data(), cosines.data(), sines.data(), kHeads, kHeadSize);
    benchmark::DoNotOptimize(x.data());
  }
  Count(state, x.size() * sizeof(float), x.size());
}

// The attention of a context's last positions, one row each, with a given number of query heads per
// kv head. Keys and values are zeros, whose arithmetic takes as long. Items: multiply-adds.
void Attention(benchmark::State& state, const Kernels& kernels, bool half) {
  const auto n_positions = static_cast<size_t>(state.range(0));
  const auto n_rows = static_cast<size_t>(state.range(1));
  const size_t n_kv_heads = kHeads / static_cast<size_t>(state.range(2));
  const size_t n_blocks = BlocksOf(n_positions);
  const size_t head_bytes = kKvBlock * kHeadSize * (half ? 2 : 4);
  const size_t block_bytes = 2 * n_kv_heads * head_bytes;
  const std::vector<float> cache(n_blocks * block_bytes / sizeof(float));
  std::vector<const uint8_t*> blocks(n_blocks);
  for (size_t i = 0; i < n_blocks; ++i) blocks[i] = Bytes(cache) + i * block_bytes;
  const std::vector<float> q = RandomFloats(n_rows * kHeads * kHeadSize);
  const size_t stride = n_blocks * kKvBlock;
  std::vector<float> scratch(AttentionScratch(stride, kHeadSize));
  std::vector<float> out(q.size());
  AttentionInput input;
  input.q = q.data();
  input.blocks = blocks.data();
  input.key_offset = 0;
  input.value_offset = n_kv_heads * head_bytes;
  input.head_bytes = head_bytes;
  input.heads_per_kv_head = kHeads / n_kv_heads;
  input.n_rows = n_rows;
  input.row_stride = kHeads * kHeadSize;
  input.n_positions = n_positions - (n_rows - 1);
  input.head_size = kHeadSize;
  input.kv_type = half ? KvType::kF16 : KvType::kF32;
  for (auto _ : state) {
    kernels.orders[SumOrder::kLlama2c]->attention[input.kv_type](out.data(), scratch.data(), stride,
                                                                 input, 0, n_kv_heads);
    benchmark::DoNotOptimize(out.data());
  }
  Count(state, n_positions * n_kv_heads * kHeadSize * (half ? 4 : 8),
        2 * n_rows * n_positions * kHeads * kHeadSize);
}

void SwiGlu(benchmark::State& state, const Kernels& kernels) {
  const std::vector<float> start = RandomFloats(kHidden);
  const std::vector<float> up(kHidden, 1.0f);
  std::vector<float> gate(kHidden);
  for (auto _ : state) {
    std::memcpy(gate.data(), start.data(), kHidden * sizeof(float));  // else it goes to 0
    kernels.orders[SumOrder::kLlama2c]->glu[GluType::kSilu](gate.data(), up.data(), kHidden);
    benchmark::DoNotOptimize(gate.data());
  }
  Count(state, 2 * kHidden * sizeof(float), kHidden);
}

void Add(benchmark::State& state, const Kernels& kernels) {
  std::vector<float> x = RandomFloats(kCols);
  const std::vector<float> y = RandomFloats(kCols);
  for (auto _ : state) {
    kernels.add(x.data(), y.data(), kCols);
    benchmark::DoNotOptimize(x.data());
  }
  Count(state, 2 * kCols * sizeof(float), kCols);
}

void Softmax(benchmark::State& state, const Kernels& kernels) {
  std::vector<float> x = RandomFloats(kVocabulary);
  for (auto _ : state) {
    kernels.orders[SumOrder::kLlama2c]->softmax(x.data(), kVocabulary);
    benchmark::DoNotOptimize(x.data());
  }
  Count(state, kVocabulary * sizeof(float), kVocabulary);
}

void Register(const Kernels& kernels) {
  const auto add = [&](const char* kernel, auto function) {
    return benchmark::RegisterBenchmark(
        (std::string(kernels.name) + "/" + kernel).c_str(),
        [&kernels, function](benchmark::State& state) { function(state, kernels); });
  };
  for (auto* matmul : {add("matmul_f32", MatmulF32), add("matmul_int8", MatmulInt8)}) {
    for (const int n_tokens : {1, 4, 8, 16, 64, 120, 128}) matmul->Arg(n_tokens);
  }
  for (size_t i = 0; i < kWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    if (type < WeightType::kF16 || !IsInBuild(type)) continue;
    const std::string name = std::string("matmul_") + FactsOf(type).name;
    auto* matmul = add(name.c_str(), [type](benchmark::State& state, const Kernels& k) {
      MatmulBlocks(state, k, type);
    });
    for (const int n_tokens : {1, 4, 8, 16, 64}) matmul->Arg(n_tokens);
  }
  add("quantize", Quantize)->Arg(1)->Arg(16);
  add("rmsnorm", RmsNorm);
  add("rope", Rope);
  for (const bool half : {false, true}) {
    add(half ? "attention_f16" : "attention_f32",
        [half](benchmark::State& state, const Kernels& k) { Attention(state, k, half); })
        ->ArgNames({"positions", "rows", "heads_per_kv_head"})
        ->ArgsProduct({{128, 2048}, {1, 8}, {1, 8}});
  }
  add("swiglu", SwiGlu);
  add("add", Add);
  add("softmax", Softmax);
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (size_t i = 0; i < clamma::TableCount(); ++i) {
    const clamma::Kernels* table = clamma::UsableTable(i);
    if (table != nullptr) clamma::Register(*table);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
