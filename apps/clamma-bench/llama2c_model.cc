// SPDX-License-Identifier: MIT
#include "llama2c_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "file_writer.h"
#include "random.h"
#include "vocabulary.h"

namespace bench {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are little-endian");

constexpr uint32_t kMagic = 0x616b3432;
constexpr size_t kHeaderBytes = 256;
constexpr size_t kBufferBytes = FileWriter::kMaxAppendBytes;

// Calls body(first, count) for consecutive parts of [0, total) of at most `most` elements.
template <typename Body>
void InStretches(uint64_t total, uint64_t most, const Body& body) {
  for (uint64_t at = 0; at < total; at += most) body(at, std::min(most, total - at));
}

class ModelWriter {
 public:
  ModelWriter(const Shape& shape, FileWriter& writer) : shape_(shape), writer_(writer) {}

  void Header() {
    const uint32_t numbers[] = {kMagic,          shape_.group_size != 0 ? 2u : 1u,
                                shape_.dim,      shape_.hidden_dim,
                                shape_.layers,   shape_.heads,
                                shape_.kv_heads, shape_.vocab_size,
                                shape_.context};
    char* header = writer_.Append<char>(kHeaderBytes);  // zeroed
    std::memcpy(header, numbers, sizeof(numbers));
    header[sizeof(numbers)] = shape_.shared_classifier ? 1 : 0;
    std::memcpy(header + sizeof(numbers) + 1, &shape_.group_size, sizeof(shape_.group_size));
  }

  void Norms(uint64_t count, float weight) {
    InStretches(count, kBufferBytes / sizeof(float),
                [&](uint64_t, uint64_t n) { std::fill_n(writer_.Append<float>(n), n, weight); });
  }

  // Writes `count` matrices of weights with a variance of 1 / cols, which preserves the size of
  // activations; the first `quiet_rows` rows are smaller.
  void Matrices(uint32_t rows, uint32_t cols, uint32_t count, uint32_t quiet_rows = 0) {
    const uint64_t elements = uint64_t{rows} * cols;
    const uint64_t quiet = uint64_t{quiet_rows} * cols;
    const float deviation = 1.0f / std::sqrt(static_cast<float>(cols));
    for (uint32_t i = 0; i < count; ++i) {
      if (shape_.group_size != 0) {
        Int8(elements);
        Scales(elements / shape_.group_size, quiet / shape_.group_size, deviation);
      } else {
        Floats(elements, quiet, deviation);
      }
    }
  }

 private:
  // Writes integers uniform in [-127, 127], with a standard deviation of 73.6.
  void Int8(uint64_t count) {
    InStretches(count, kBufferBytes, [&](uint64_t, uint64_t n) {
      auto* out = writer_.Append<int8_t>(n);
      for (uint64_t i = 0; i < n; i += 8) {
        const uint64_t word = random_.Next();
        std::memcpy(out + i, &word, std::min<uint64_t>(8, n - i));
      }
      for (uint64_t i = 0; i < n; ++i) out[i] = out[i] == -128 ? int8_t{0} : out[i];
    });
  }

  void Scales(uint64_t count, uint64_t quiet, float deviation) {
    InStretches(count, kBufferBytes / sizeof(float), [&](uint64_t first, uint64_t n) {
      auto* out = writer_.Append<float>(n);
      for (uint64_t i = 0; i < n; ++i) {
        const float varied = 0.75f + 0.5f * Unit(random_.Next() >> 32);
        out[i] = deviation / 73.6f * varied * (first + i < quiet ? kQuiet : 1.0f);
      }
    });
  }

  void Floats(uint64_t count, uint64_t quiet, float deviation) {
    const float width = deviation * 2 * std::sqrt(3.0f);  // of a uniform distribution
    InStretches(count, kBufferBytes / sizeof(float), [&](uint64_t first, uint64_t n) {
      auto* out = writer_.Append<float>(n);
      for (uint64_t i = 0; i < n; i += 2) {
        const uint64_t word = random_.Next();
        out[i] = (Unit(word >> 32) - 0.5f) * width;
        if (i + 1 < n) out[i + 1] = (Unit(word & 0xffffffff) - 0.5f) * width;
      }
      for (uint64_t i = 0; i < n && first + i < quiet; ++i) out[i] *= kQuiet;
    });
  }

  const Shape& shape_;
  FileWriter& writer_;
  Random random_;
};

void PutToken(std::vector<char>& out, float score, const std::string& text) {
  const auto length = static_cast<int32_t>(text.size());
  char head[8];
  std::memcpy(head, &score, 4);
  std::memcpy(head + 4, &length, 4);
  out.insert(out.end(), head, head + 8);
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

uint64_t Llama2cModelBytes(const Shape& shape) {
  const uint64_t tables = shape.shared_classifier ? 1 : 2;
  const uint64_t weights = shape.layer_weights() + tables * shape.classifier_weights();
  const uint64_t norms = (2 * uint64_t{shape.layers} + 1) * shape.dim * sizeof(float);
  return kHeaderBytes + norms + shape.bytes_of(weights);
}

int WriteLlama2cModel(const Shape& shape, int fd, const std::function<void(double)>& progress) {
  FileWriter writer(fd, Llama2cModelBytes(shape), progress);
  ModelWriter model(shape, writer);
  const uint32_t quiet_rows = std::min(kFirstString, shape.vocab_size);
  model.Header();
  model.Norms(2 * uint64_t{shape.layers} * shape.dim, 1.0f);
  model.Norms(shape.dim, kLogitDeviation);
  model.Matrices(shape.vocab_size, shape.dim, 1, quiet_rows);
  model.Matrices(shape.dim, shape.dim, shape.layers);       // wq
  model.Matrices(shape.kv_dim(), shape.dim, shape.layers);  // wk
  model.Matrices(shape.kv_dim(), shape.dim, shape.layers);  // wv
  model.Matrices(shape.dim, shape.dim, shape.layers);       // wo
  model.Matrices(shape.hidden_dim, shape.dim, shape.layers);
  model.Matrices(shape.dim, shape.hidden_dim, shape.layers);
  model.Matrices(shape.hidden_dim, shape.dim, shape.layers);
  if (!shape.shared_classifier) model.Matrices(shape.vocab_size, shape.dim, 1, quiet_rows);
  writer.Flush();
  return writer.error();
}

std::vector<char> MakeVocabulary(uint32_t vocab_size) {
  std::vector<char> out = {8, 0, 0, 0};  // the longest token
  for (const char* control : {"<unk>", "\n<s>\n", "\n</s>\n"}) PutToken(out, 0, control);
  for (uint32_t byte = 0; byte < kByteTokens; ++byte) PutToken(out, 0, ByteToken(byte));
  uint32_t id = kFirstString;
  for (const std::string& text : RandomStrings(vocab_size)) {
    PutToken(out, -static_cast<float>(id++), text);
  }
  return out;
}

}  // namespace bench
