// SPDX-License-Identifier: MIT
// Generates checkpoints of any shape in each of llama2.c's three formats. The code for the layout
// is independent of the library's.
#ifndef CLAMMA_TESTS_SUPPORT_CHECKPOINT_BYTES_H_
#define CLAMMA_TESTS_SUPPORT_CHECKPOINT_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace clamma_test {

struct ModelShape {
  int version = 0;  // 0: legacy, float; 1: float; 2: int8
  // As in the header, except that the vocabulary is never negative here.
  int32_t dim = 0, hidden_dim = 0, layers = 0, heads = 0, kv_heads = 0, vocab = 0, seq_len = 0;
  bool shared = false;
  int32_t group = 0;  // version 2

  uint64_t head_size() const { return static_cast<uint64_t>(dim) / static_cast<uint64_t>(heads); }
  uint64_t kv_dim() const { return head_size() * static_cast<uint64_t>(kv_heads); }
};

inline size_t HeaderBytes(const ModelShape& shape) { return shape.version == 0 ? 28 : 256; }
// Returns the byte offset of the i-th of the seven parameters in the header.
inline size_t ParameterOffset(const ModelShape& shape, size_t i) {
  return (shape.version == 0 ? 0 : 8) + 4 * i;
}
inline constexpr size_t kSharedOffset = 36;  // versions 1 and 2
inline constexpr size_t kGroupOffset = 37;   // version 2

inline void PutLe32(std::vector<uint8_t>* bytes, size_t offset, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) (*bytes)[offset + i] = static_cast<uint8_t>(value >> 8 * i);
}

inline std::vector<uint8_t> MakeHeader(const ModelShape& s) {
  std::vector<uint8_t> header(HeaderBytes(s));
  const bool negative = s.version == 0 && !s.shared;
  const int32_t parameters[7] = {
      s.dim, s.hidden_dim, s.layers, s.heads, s.kv_heads, negative ? -s.vocab : s.vocab, s.seq_len};
  for (size_t i = 0; i < 7; ++i) {
    PutLe32(&header, ParameterOffset(s, i), static_cast<uint32_t>(parameters[i]));
  }
  if (s.version == 0) return header;
  PutLe32(&header, 0, 0x616b3432);
  PutLe32(&header, 4, static_cast<uint32_t>(s.version));
  header[kSharedOffset] = s.shared ? 1 : 0;
  if (s.version == 2) PutLe32(&header, kGroupOffset, static_cast<uint32_t>(s.group));
  return header;
}

// A range of the file: one tensor of one layer, or the norms of all layers.
struct Stretch {
  std::string name;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint64_t cols = 0;
  bool quantized = false;
};

// Returns all ranges after the header, in the file's order.
inline std::vector<Stretch> LayOut(const ModelShape& s) {
  std::vector<Stretch> all;
  uint64_t at = HeaderBytes(s);
  const auto add = [&](const std::string& name, uint64_t rows, uint64_t cols, bool matrix) {
    Stretch stretch = {name, at, rows * cols * 4, rows, cols, matrix && s.version == 2};
    if (stretch.quantized) {
      stretch.bytes = rows * cols + rows * cols / static_cast<uint64_t>(s.group) * 4;
    }
    at += stretch.bytes;
    all.push_back(stretch);
  };
  const auto layers = static_cast<uint64_t>(s.layers);
  const auto dim = static_cast<uint64_t>(s.dim);
  const auto hidden = static_cast<uint64_t>(s.hidden_dim);
  const auto vocab = static_cast<uint64_t>(s.vocab);
  const auto add_series = [&](const std::string& name, uint64_t rows, uint64_t cols) {
    for (uint64_t layer = 0; layer < layers; ++layer) {
      add(name + "." + std::to_string(layer), rows, cols, true);
    }
  };
  const auto add_attention = [&] {
    add_series("wq", dim, dim);
    add_series("wk", s.kv_dim(), dim);
    add_series("wv", s.kv_dim(), dim);
    add_series("wo", dim, dim);
  };
  const auto add_feed_forward = [&] {
    add_series("w1", hidden, dim);
    add_series("w2", dim, hidden);
    add_series("w3", hidden, dim);
  };
  if (s.version == 0) {
    add("embedding", vocab, dim, true);
    add("attention_norm", layers, dim, false);
    add_attention();
    add("ffn_norm", layers, dim, false);
    add_feed_forward();
    add("final_norm", 1, dim, false);
    add("cosines", static_cast<uint64_t>(s.seq_len), s.head_size() / 2, false);
    add("sines", static_cast<uint64_t>(s.seq_len), s.head_size() / 2, false);
  } else {
    add("attention_norm", layers, dim, false);
    add("ffn_norm", layers, dim, false);
    add("final_norm", 1, dim, false);
    add("embedding", vocab, dim, true);
    add_attention();
    add_feed_forward();
  }
  if (!s.shared) add("classifier", vocab, dim, true);
  return all;
}

inline uint64_t FileBytes(const ModelShape& shape) {
  const Stretch last = LayOut(shape).back();
  return last.offset + last.bytes;
}

// Returns a whole file of random weights of sensible magnitude.
inline std::vector<uint8_t> MakeModel(const ModelShape& shape, uint32_t seed) {
  std::vector<uint8_t> bytes = MakeHeader(shape);
  bytes.resize(FileBytes(shape));
  std::mt19937 random(seed);
  const auto put_float = [&bytes](uint64_t offset, float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    PutLe32(&bytes, offset, bits);
  };
  const auto uniform = [&random] { return static_cast<float>(random() % 20001) / 10000.0f - 1.0f; };
  for (const Stretch& stretch : LayOut(shape)) {
    const uint64_t elements = stretch.rows * stretch.cols;
    const bool norm = stretch.name.find("norm") != std::string::npos;
    if (!stretch.quantized) {
      for (uint64_t i = 0; i < elements; ++i) {
        put_float(stretch.offset + 4 * i, norm ? 1.0f + 0.1f * uniform() : 0.3f * uniform());
      }
      continue;
    }
    for (uint64_t i = 0; i < elements; ++i) {
      bytes[stretch.offset + i] = static_cast<uint8_t>(random() >> 24);
    }
    for (uint64_t at = stretch.offset + elements; at < stretch.offset + stretch.bytes; at += 4) {
      put_float(at, 0.002f * (1.1f + uniform()));
    }
  }
  return bytes;
}

// Returns element e of a range, as the formats define it.
inline double ElementOf(const ModelShape& shape, const std::vector<uint8_t>& file,
                        const Stretch& stretch, uint64_t e) {
  const auto float_at = [&file](uint64_t offset) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(file[offset + i]) << 8 * i;
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return static_cast<double>(value);
  };
  if (!stretch.quantized) return float_at(stretch.offset + 4 * e);
  const auto weight = static_cast<int8_t>(file[stretch.offset + e]);
  const uint64_t scales = stretch.offset + stretch.rows * stretch.cols;
  return weight * float_at(scales + 4 * (e / static_cast<uint64_t>(shape.group)));
}

// Returns bytes of a file as kernels expect them: floats, from byte `floats_from` on, in this
// machine's byte order.
inline std::vector<uint8_t> InMachineOrder(const uint8_t* bytes, uint64_t size,
                                           uint64_t floats_from) {
  std::vector<uint8_t> ordered(bytes, bytes + size);
  for (uint64_t at = floats_from; at + 4 <= size; at += 4) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(bytes[at + i]) << 8 * i;
    std::memcpy(&ordered[at], &bits, sizeof(bits));
  }
  return ordered;
}

// Small models that differ in every respect that matters.
inline std::vector<std::pair<std::string, ModelShape>> SmallShapes() {
  return {
      {"legacy", {0, 32, 44, 2, 4, 2, 50, 64, true, 0}},
      {"legacy_unshared", {0, 24, 40, 3, 2, 1, 37, 48, false, 0}},
      {"v1", {1, 32, 44, 2, 4, 4, 50, 64, true, 0}},
      {"v1_unshared", {1, 36, 20, 1, 6, 3, 41, 64, false, 0}},
      {"q80", {2, 32, 48, 2, 4, 2, 50, 64, true, 16}},
      {"q80_unshared", {2, 64, 96, 2, 2, 2, 40, 64, false, 32}},
      // Groups that straddle rows, in every tensor.
      {"q80_straddling", {2, 36, 44, 2, 6, 2, 48, 64, false, 24}},
  };
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_CHECKPOINT_BYTES_H_
