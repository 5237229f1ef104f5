// SPDX-License-Identifier: MIT
#include "model_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace bench {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are little-endian");

constexpr uint32_t kMagic = 0x616b3432;
constexpr size_t kHeaderBytes = 256;
constexpr size_t kBufferBytes = size_t{4} << 20;
// Written at a time, so that systems that keep files in huge pages do so here, as where a file was
// read from a disk: in pages of 4 KB, memory is read 3 % slower.
constexpr size_t kHugePage = size_t{2} << 20;
constexpr uint32_t kByteTokens = 256;
constexpr uint32_t kFirstString = 3 + kByteTokens;  // behind unknown, BOS, EOS and the bytes
constexpr float kQuiet = 1e-3f;                     // times the usual: weights of unlikely tokens
// Of the logits, that of stories260K in the middle of a story: sampling from a flatter distribution
// takes longer, as its nucleus has many tokens instead of a few.
constexpr float kLogitDeviation = 7.3f;

// xorshift64 (Marsaglia, 2003): 8 bytes a nanosecond or two, and good enough for noise.
class Random {
 public:
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15;
};

// A buffered file; the first error sticks, and what comes behind is dropped.
class Writer {
 public:
  Writer(int fd, uint64_t total, const std::function<void(double)>& progress)
      : fd_(fd), total_(static_cast<double>(total)), progress_(progress) {
    buffer_.reserve(kHugePage + kBufferBytes);
  }

  // Room for `count` more items, of kBufferBytes at most.
  template <typename T>
  T* Append(size_t count) {
    const size_t bytes = count * sizeof(T);
    if (buffer_.size() + bytes > buffer_.capacity()) Write(buffer_.size() / kHugePage * kHugePage);
    const size_t at = buffer_.size();
    buffer_.resize(at + bytes);
    return reinterpret_cast<T*>(buffer_.data() + at);
  }

  void Put(const void* data, size_t bytes) { std::memcpy(Append<char>(bytes), data, bytes); }

  void Flush() { Write(buffer_.size()); }

  int error() const { return error_; }

 private:
  // Writes the first `bytes` of the buffer, and keeps the others.
  void Write(size_t bytes) {
    size_t done = 0;
    while (error_ == 0 && done < bytes) {
      const ssize_t n = write(fd_, buffer_.data() + done, bytes - done);
      if (n < 0 && errno != EINTR) error_ = errno;
      if (n > 0) done += static_cast<size_t>(n);
    }
    written_ += static_cast<double>(done);
    progress_(written_ / total_);
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(bytes));
  }

  const int fd_;
  const double total_;
  const std::function<void(double)>& progress_;
  std::vector<char> buffer_;
  double written_ = 0;
  int error_ = 0;
};

// Calls body(first, count) for stretches of [0, total) of at most `most`.
template <typename Body>
void InStretches(uint64_t total, uint64_t most, const Body& body) {
  for (uint64_t at = 0; at < total; at += most) body(at, std::min(most, total - at));
}

class ModelWriter {
 public:
  ModelWriter(const Shape& shape, Writer& writer) : shape_(shape), writer_(writer) {}

  void Header() {
    const uint32_t numbers[] = {
        kMagic,       shape_.int8() ? 2u : 1u, shape_.dim,        shape_.hidden_dim, shape_.layers,
        shape_.heads, shape_.kv_heads,         shape_.vocab_size, shape_.context};
    char* header = writer_.Append<char>(kHeaderBytes);  // zeroed
    std::memcpy(header, numbers, sizeof(numbers));
    header[sizeof(numbers)] = shape_.shared_classifier ? 1 : 0;
    std::memcpy(header + sizeof(numbers) + 1, &shape_.group_size, sizeof(shape_.group_size));
  }

  void Norms(uint64_t count, float weight) {
    InStretches(count, kBufferBytes / sizeof(float),
                [&](uint64_t, uint64_t n) { std::fill_n(writer_.Append<float>(n), n, weight); });
  }

  // `count` matrices of weights with a variance of 1 / cols, which keeps the size of what is
  // multiplied by them; the first `quiet_rows` rows are smaller.
  void Matrices(uint32_t rows, uint32_t cols, uint32_t count, uint32_t quiet_rows = 0) {
    const uint64_t elements = uint64_t{rows} * cols;
    const uint64_t quiet = uint64_t{quiet_rows} * cols;
    const float deviation = 1.0f / std::sqrt(static_cast<float>(cols));
    for (uint32_t i = 0; i < count; ++i) {
      if (shape_.int8()) {
        Int8(elements);
        Scales(elements / shape_.group_size, quiet / shape_.group_size, deviation);
      } else {
        Floats(elements, quiet, deviation);
      }
    }
  }

 private:
  // Uniform in [-127, 127], with a standard deviation of 73.6.
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

  // 32 random bits as a number in [0, 1].
  static float Unit(uint64_t bits) {
    return static_cast<float>(static_cast<uint32_t>(bits)) * 0x1p-32f;
  }

  const Shape& shape_;
  Writer& writer_;
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

// Letters first, so that they merge; then words, half of them with a space in front.
std::string RandomString(uint32_t index, Random& random) {
  constexpr uint32_t kLetters = 26;
  if (index == 0) return " ";
  if (index <= kLetters) return {static_cast<char>('a' + index - 1)};
  uint64_t bits = random.Next();
  std::string text(bits % 2, ' ');
  for (uint64_t length = 1 + bits / 2 % 6; length > 0; --length) {
    bits = random.Next() >> 8;
    text += static_cast<char>('a' + bits % kLetters);
  }
  return text;
}

}  // namespace

uint64_t ModelFileBytes(const Shape& shape) {
  const uint64_t tables = shape.shared_classifier ? 1 : 2;
  const uint64_t weights = shape.layer_weights() + tables * shape.classifier_weights();
  const uint64_t norms = (2 * uint64_t{shape.layers} + 1) * shape.dim * sizeof(float);
  return kHeaderBytes + norms + shape.bytes_of(weights);
}

int WriteModel(const Shape& shape, int fd, const std::function<void(double)>& progress) {
  Writer writer(fd, ModelFileBytes(shape), progress);
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

std::vector<char> MakeDictionary(uint32_t vocab_size) {
  Random random;
  std::vector<char> out = {8, 0, 0, 0};  // the longest token
  for (const char* control : {"<unk>", "\n<s>\n", "\n</s>\n"}) PutToken(out, 0, control);
  for (uint32_t byte = 0; byte < kByteTokens; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    PutToken(out, 0, text);
  }
  for (uint32_t id = kFirstString; id < vocab_size; ++id) {
    PutToken(out, -static_cast<float>(id), RandomString(id - kFirstString, random));
  }
  return out;
}

}  // namespace bench
