// SPDX-License-Identifier: MIT
#include "compare_kernels.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

#include "blocks.h"
#include "kernels/kv_types.h"
#include "kernels/native_ops.h"
#include "random.h"

namespace selftest {
namespace {

using clamma::Activations;
using clamma::AttentionInput;
using clamma::Kernels;
using clamma::KvType;
using clamma::Matrix;
using clamma::OrderKernels;
using clamma::SumOrder;
using clamma::WeightType;

using Floats = std::vector<float>;

constexpr size_t kGroup = 64;  // of llama2.c's int8

// Memory with the same alignment as the library's own.
template <typename T>
class Aligned {
 public:
  explicit Aligned(size_t n)
      : data_(static_cast<T*>(::operator new (n * sizeof(T) + 1, std::align_val_t{64}))) {
    std::memset(data_, 0, n * sizeof(T));
  }
  ~Aligned() { ::operator delete (data_, std::align_val_t{64}); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  T* data() { return data_; }

 private:
  T* data_;
};

void Compare(const std::string& what, const Floats& got, const Floats& expected,
             Comparison* comparison) {
  ++comparison->results;
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(got[i]);
    const auto wanted = std::bit_cast<uint32_t>(expected[i]);
    if (bits == wanted) continue;
    char place[96];
    std::snprintf(place, sizeof(place), ": element %zu of %zu is %a, not %a", i, expected.size(),
                  static_cast<double>(got[i]), static_cast<double>(expected[i]));
    comparison->failures.push_back(what + place);
    return;
  }
}

// x (n_tokens, w.cols)
Floats Multiply(const Kernels& kernels, const Matrix& w, const Floats& x, size_t n_tokens,
                size_t group) {
  const Kernels::Quantizer& quantizer = kernels.quantizers[clamma::KindOf(w.type)];
  Activations activations = {.x = x.data(), .n_tokens = n_tokens, .cols = w.cols, .group = group};
  const bool quantizes = quantizer.quantize != nullptr;
  Aligned<uint8_t> bytes(quantizes ? static_cast<size_t>(quantizer.bytes(n_tokens, w.cols, group))
                                   : 1);
  if (quantizes) {
    activations.bytes = bytes.data();
    quantizer.quantize(activations, 0, w.cols / group);
  }
  Floats out(n_tokens * w.rows);
  // Two ranges of rows, as with two threads.
  const size_t cut = w.rows < clamma::kRowBlock ? w.rows : clamma::kRowBlock;
  kernels.matmul[w.type](out.data(), w.rows, activations, w, 0, cut);
  kernels.matmul[w.type](out.data(), w.rows, activations, w, cut, w.rows);
  return out;
}

void CompareProducts(const Kernels& table, const Kernels& plain, const Matrix& w, size_t group,
                     const char* name, Random* random, Comparison* comparison) {
  for (const size_t n_tokens : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 13u, 16u, 17u, 33u}) {
    const Floats x = random->Uniforms(n_tokens * w.cols, 2);
    Compare(std::string(name) + ", " + std::to_string(w.rows) + " rows of " +
                std::to_string(w.cols) + ", " + std::to_string(n_tokens) + " tokens",
            Multiply(table, w, x, n_tokens, group), Multiply(plain, w, x, n_tokens, group),
            comparison);
  }
}

void CompareMatrices(const Kernels& table, const Kernels& plain, Comparison* comparison) {
  Random random(1);
  for (const WeightType type : kBlockTypes) {
    if (!clamma::IsInBuild(type)) continue;
    const bool is_256 = clamma::KindOf(type) == clamma::ActivationKind::kBlocks256;
    for (const uint32_t rows : {1u, 19u, 70u}) {
      const uint32_t cols = is_256 ? 768 : 416;
      const std::vector<uint8_t> bytes = MakeRowsInMemory(type, rows, cols, &random);
      const Matrix w = {.type = type,
                        .data = bytes.data(),
                        .rows = rows,
                        .cols = cols,
                        .row_bytes = clamma::RowBytes(type, cols)};
      CompareProducts(table, plain, w, is_256 ? 256 : 32, clamma::FactsOf(type).name, &random,
                      comparison);
    }
  }
  for (const uint32_t rows : {1u, 19u, 70u}) {
    constexpr uint32_t kCols = 448;
    std::vector<uint8_t> numbers(size_t{rows} * kCols);
    for (uint8_t& number : numbers) number = random.Byte();
    Floats scales(numbers.size() / kGroup);
    for (float& scale : scales) scale = 0x1p-8f * (1.5f + 0.5f * random.Uniform());
    const Matrix w = {.type = WeightType::kInt8Groups,
                      .data = numbers.data(),
                      .rows = rows,
                      .cols = kCols,
                      .row_bytes = kCols,
                      .scales = reinterpret_cast<const uint8_t*>(scales.data()),
                      .group_size = kGroup};
    CompareProducts(table, plain, w, kGroup, "int8 groups", &random, comparison);
  }
}

// Keys and values of some positions, in pages as in a KV cache.
class Pages {
 public:
  Pages(size_t n_positions, size_t kv_heads, size_t head_size, KvType type, Random* random)
      : head_bytes_(clamma::kKvBlock * (head_size * clamma::kKvFormats[type].element_bytes +
                                        clamma::kKvFormats[type].scale_bytes)) {
    const clamma::KvFormat& format = clamma::kKvFormats[type];
    const size_t elements = clamma::kKvBlock * head_size;
    for (size_t page = 0; page < clamma::BlocksOf(n_positions); ++page) {
      std::vector<uint8_t>& bytes = bytes_.emplace_back(2 * kv_heads * head_bytes_);
      for (uint8_t* at = bytes.data(); at < bytes.data() + bytes.size(); at += head_bytes_) {
        for (size_t i = 0; i < clamma::kKvBlock; ++i) {
          uint8_t* const scale = at + elements * format.element_bytes + i * format.scale_bytes;
          const Floats values = random->Uniforms(head_size, 2);
          format.store({at + i * head_size * format.element_bytes, 1, scale}, values.data(),
                       head_size);
        }
      }
    }
    for (const std::vector<uint8_t>& bytes : bytes_) pointers_.push_back(bytes.data());
  }
  const uint8_t* const* pointers() const { return pointers_.data(); }
  size_t head_bytes() const { return head_bytes_; }

 private:
  size_t head_bytes_;
  std::vector<std::vector<uint8_t>> bytes_;
  std::vector<const uint8_t*> pointers_;
};

Floats Attend(const OrderKernels& order, const AttentionInput& input, size_t kv_heads) {
  Floats out(input.n_rows * input.row_stride);
  const size_t stride = clamma::BlocksOf(input.n_positions + input.n_rows - 1) * clamma::kKvBlock;
  Aligned<float> scratch(static_cast<size_t>(order.attention_scratch(stride, input.head_size)));
  order.attention[input.kv_type](out.data(), scratch.data(), stride, input, 0, kv_heads);
  return out;
}

// Attention in segments, as when threads share a long context.
Floats AttendInSegments(const OrderKernels& order, const AttentionInput& input, size_t kv_heads) {
  Floats out(input.n_rows * input.row_stride);
  const size_t n_segments = clamma::SegmentsOf(input.n_positions + input.n_rows - 1);
  const size_t queries = input.n_rows * input.heads_per_kv_head * kv_heads;
  const size_t size = queries * clamma::AttentionStateSize(input.head_size);
  Aligned<float> states(n_segments * size);
  Aligned<float> scratch(static_cast<size_t>(order.attention_scratch(0, input.head_size)));
  order.attend_segments(states.data(), scratch.data(), input, 0, kv_heads, 0, n_segments);
  for (size_t i = 1; i < n_segments; ++i) {
    order.merge_states(states.data(), states.data() + i * size, queries, input.head_size);
  }
  order.finish_attention(out.data(), states.data(), input, 0, kv_heads);
  return out;
}

void CompareAttention(const OrderKernels& table, const OrderKernels& plain, const char* name,
                      Comparison* comparison) {
  constexpr size_t kKvHeads = 2;
  Random random(2);
  struct Shape {
    size_t n_positions, n_rows, heads_per_kv_head, head_size;
  };
  constexpr Shape kShapes[] = {{1, 1, 1, 64},  {31, 3, 4, 64},   {33, 1, 3, 48},
                               {70, 9, 2, 64}, {40, 30, 1, 128}, {600, 1, 4, 64}};
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    if (table.attention[type] == nullptr) continue;
    for (const Shape& shape : kShapes) {
      const Pages pages(shape.n_positions + shape.n_rows - 1, kKvHeads, shape.head_size, type,
                        &random);
      AttentionInput input;
      input.row_stride = kKvHeads * shape.heads_per_kv_head * shape.head_size;
      const Floats q = random.Uniforms(shape.n_rows * input.row_stride, 2);
      input.q = q.data();
      input.blocks = pages.pointers();
      input.value_offset = kKvHeads * pages.head_bytes();
      input.head_bytes = pages.head_bytes();
      input.heads_per_kv_head = shape.heads_per_kv_head;
      input.n_rows = shape.n_rows;
      input.n_positions = shape.n_positions;
      input.head_size = shape.head_size;
      input.kv_type = type;
      const std::string what = std::string(name) + " attention, " + clamma::kKvFormats[type].name +
                               ", " + std::to_string(shape.n_rows) + " rows to " +
                               std::to_string(shape.n_positions) + " positions, " +
                               std::to_string(shape.heads_per_kv_head) + " heads of " +
                               std::to_string(shape.head_size);
      const Floats expected = Attend(plain, input, kKvHeads);
      Compare(what, Attend(table, input, kKvHeads), expected, comparison);
      if (table.attend_segments == nullptr) continue;
      Compare(what + ", in segments", AttendInSegments(table, input, kKvHeads), expected,
              comparison);
      // Features of some families of models.
      const Floats sinks = random.Uniforms(kKvHeads * shape.heads_per_kv_head);
      input.scale = 0.4f;
      input.window = 20;
      input.soft_cap = 5;
      input.sinks = sinks.data();
      Compare(what + ", with a window", Attend(table, input, kKvHeads),
              Attend(plain, input, kKvHeads), comparison);
    }
  }
}

void CompareVectors(const OrderKernels& table, const OrderKernels& plain, const char* name,
                    Comparison* comparison) {
  Random random(3);
  for (const size_t n : {1u, 7u, 16u, 100u, 1000u}) {
    const std::string size = std::string(" of ") + std::to_string(n);
    constexpr size_t kRows = 3;
    const Floats x = random.Uniforms(kRows * n, 3);
    const Floats weight = random.Uniforms(n, 2);
    Floats got(x.size());
    Floats expected(x.size());
    table.rmsnorm(got.data(), x.data(), weight.data(), kRows, n, 1e-5f);
    plain.rmsnorm(expected.data(), x.data(), weight.data(), kRows, n, 1e-5f);
    Compare(std::string(name) + " norm" + size, got, expected, comparison);
    got = expected = random.Uniforms(n, 10);
    table.softmax(got.data(), n);
    plain.softmax(expected.data(), n);
    Compare(std::string(name) + " softmax" + size, got, expected, comparison);
    for (size_t i = 0; i < clamma::kGluTypes; ++i) {
      const auto type = static_cast<clamma::GluType>(i);
      if (plain.glu[type] == nullptr) continue;  // not of this order
      got = expected = random.Uniforms(n, 8);
      table.glu[type](got.data(), weight.data(), n);
      plain.glu[type](expected.data(), weight.data(), n);
      Compare(std::string(name) + " gate " + std::to_string(i) + size, got, expected, comparison);
    }
    if (plain.soft_cap == nullptr) continue;
    got = expected = random.Uniforms(n, 90);
    table.soft_cap(got.data(), n, 30);
    plain.soft_cap(expected.data(), n, 30);
    Compare(std::string(name) + " soft cap" + size, got, expected, comparison);
  }
}

void CompareRotations(const Kernels& table, const Kernels& plain, Comparison* comparison) {
  Random random(4);
  for (size_t i = 0; i < clamma::kRopeStyles; ++i) {
    const auto style = static_cast<clamma::RopeStyle>(i);
    if (plain.rope[style] == nullptr) continue;  // in builds without GGUF
    for (const size_t head_size : {2u, 8u, 48u, 64u, 128u}) {
      constexpr size_t kHeads = 3;
      Floats got = random.Uniforms(kHeads * head_size);
      Floats expected = got;
      const Floats cosines = random.Uniforms(head_size / 2);
      const Floats sines = random.Uniforms(head_size / 2);
      table.rope[style](got.data(), cosines.data(), sines.data(), kHeads, head_size);
      plain.rope[style](expected.data(), cosines.data(), sines.data(), kHeads, head_size);
      Compare("rotation " + std::to_string(i) + " of heads of " + std::to_string(head_size), got,
              expected, comparison);
    }
  }
  for (const size_t n : {1u, 15u, 16u, 100u}) {
    Floats got = random.Uniforms(n);
    Floats expected = got;
    const Floats y = random.Uniforms(n);
    table.add(got.data(), y.data(), n);
    plain.add(expected.data(), y.data(), n);
    Compare("sum of " + std::to_string(n), got, expected, comparison);
  }
}

}  // namespace

Comparison CompareKernels(const Kernels& table, const Kernels& plain) {
  Comparison comparison;
  CompareMatrices(table, plain, &comparison);
  CompareRotations(table, plain, &comparison);
  constexpr struct {
    SumOrder order;
    const char* name;
  } kOrders[] = {{SumOrder::kLlama2c, "llama2.c's"}, {SumOrder::kNative, "native"}};
  for (const auto& [order, name] : kOrders) {
    if (table.orders[order] == nullptr || plain.orders[order] == nullptr) continue;
    CompareVectors(*table.orders[order], *plain.orders[order], name, &comparison);
    CompareAttention(*table.orders[order], *plain.orders[order], name, &comparison);
  }
  return comparison;
}

}  // namespace selftest
