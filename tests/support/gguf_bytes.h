// SPDX-License-Identifier: MIT
// Generates GGUF files of any content, valid or not. The code for the layout is independent of the
// library's.
//
//   GgufBytes file;
//   file.Add("general.architecture", "llama").Add("llama.block_count", uint32_t{2});
//   file.AddArray("llama.attention.head_count", std::vector<int32_t>{4, 2});
//   file.AddTensor("output_norm.weight", kF32, {64}, FloatBytes(weights));
//   std::vector<uint8_t> bytes = file.Build();
#ifndef CLAMMA_TESTS_SUPPORT_GGUF_BYTES_H_
#define CLAMMA_TESTS_SUPPORT_GGUF_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace clamma_test {

// The format's numbers of value types.
inline constexpr uint32_t kGgufString = 8;
inline constexpr uint32_t kGgufArray = 9;

template <typename T>
constexpr uint32_t GgufTypeOf() {
  if constexpr (std::is_same_v<T, bool>) return 7;
  if constexpr (std::is_same_v<T, float>) return 6;
  if constexpr (std::is_same_v<T, double>) return 12;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    const uint32_t is_signed = std::is_signed_v<T> ? 1 : 0;
    return (sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 2 : sizeof(T) == 4 ? 4 : 10) + is_signed;
  }
}

// ggml's numbers of tensor types, and their blocks: columns, bytes.
enum GgmlTypeId : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ4_XS = 23,
  kI32 = 26,
  kBF16 = 30,
  kMXFP4 = 39,
};
struct BlockShape {
  uint64_t cols = 1;
  uint64_t bytes = 4;
};
inline BlockShape BlockOf(uint32_t type) {
  static const std::map<uint32_t, BlockShape> shapes = {
      {kF32, {1, 4}},      {kF16, {1, 2}},        {kQ4_0, {32, 18}},   {kQ4_1, {32, 20}},
      {kQ5_0, {32, 22}},   {kQ5_1, {32, 24}},     {kQ8_0, {32, 34}},   {kQ2_K, {256, 84}},
      {kQ3_K, {256, 110}}, {kQ4_K, {256, 144}},   {kQ5_K, {256, 176}}, {kQ6_K, {256, 210}},
      {kIQ4_NL, {32, 18}}, {kIQ4_XS, {256, 136}}, {kI32, {1, 4}},      {kBF16, {1, 2}},
      {kMXFP4, {32, 17}},  {kIQ3_S, {256, 110}}};
  const auto found = shapes.find(type);
  return found == shapes.end() ? BlockShape() : found->second;
}

template <typename T>
void PutLe(std::vector<uint8_t>* bytes, T value) {
  static_assert(std::is_arithmetic_v<T>);
  using Bits = std::conditional_t<
      sizeof(T) == 1, uint8_t,
      std::conditional_t<sizeof(T) == 2, uint16_t,
                         std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;
  Bits bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  for (size_t i = 0; i < sizeof(bits); ++i) {
    bytes->push_back(static_cast<uint8_t>(static_cast<uint64_t>(bits) >> 8 * i));
  }
}

inline void PutString(std::vector<uint8_t>* bytes, const std::string& text) {
  PutLe(bytes, uint64_t{text.size()});
  bytes->insert(bytes->end(), text.begin(), text.end());
}

inline std::vector<uint8_t> FloatBytes(const std::vector<float>& values) {
  std::vector<uint8_t> bytes;
  for (const float value : values) PutLe(&bytes, value);
  return bytes;
}

class GgufBytes {
 public:
  // Wrong values for damaged files.
  uint32_t version = 3;
  std::string magic = "GGUF";
  std::optional<uint64_t> n_keys, n_tensors;
  // The alignment of tensors. If it is not 32, also Add() "general.alignment".
  uint64_t alignment = 32;

  // Adds a key with one value of type T.
  template <typename T>
  requires std::is_arithmetic_v<T> GgufBytes& Add(const std::string& key, T value) {
    std::vector<uint8_t> bytes;
    PutLe(&bytes, value);
    return AddRaw(key, GgufTypeOf<T>(), bytes);
  }
  GgufBytes& Add(const std::string& key, const std::string& text) {
    std::vector<uint8_t> bytes;
    PutString(&bytes, text);
    return AddRaw(key, kGgufString, bytes);
  }
  GgufBytes& Add(const std::string& key, const char* text) { return Add(key, std::string(text)); }

  template <typename T>
  GgufBytes& AddArray(const std::string& key, const std::vector<T>& values) {
    std::vector<uint8_t> bytes;
    for (const T value : values) PutLe(&bytes, value);
    return AddRawArray(key, GgufTypeOf<T>(), values.size(), bytes);
  }
  GgufBytes& AddArray(const std::string& key, const std::vector<std::string>& texts) {
    std::vector<uint8_t> bytes;
    for (const std::string& text : texts) PutString(&bytes, text);
    return AddRawArray(key, kGgufString, texts.size(), bytes);
  }

  // Adds a key with any bytes as its value, for damaged files.
  GgufBytes& AddRaw(const std::string& key, uint32_t type, const std::vector<uint8_t>& value) {
    std::vector<uint8_t> entry;
    PutString(&entry, key);
    PutLe(&entry, type);
    entry.insert(entry.end(), value.begin(), value.end());
    keys_.push_back(entry);
    return *this;
  }
  GgufBytes& AddRawArray(const std::string& key, uint32_t type, uint64_t count,
                         const std::vector<uint8_t>& elements) {
    std::vector<uint8_t> value;
    PutLe(&value, type);
    PutLe(&value, count);
    value.insert(value.end(), elements.begin(), elements.end());
    return AddRaw(key, kGgufArray, value);
  }

  // Adds a tensor (columns first) after the others; without data, with as many zeros as it needs.
  GgufBytes& AddTensor(const std::string& name, uint32_t type, const std::vector<uint64_t>& dims,
                       std::vector<uint8_t> data = {}) {
    if (data.empty()) data.resize(BytesOf(type, dims));
    data_.resize(Aligned(data_.size()));
    const uint64_t offset = data_.size();
    data_.insert(data_.end(), data.begin(), data.end());
    return AddTensorAt(name, type, dims, offset);
  }
  // Adds a tensor that claims to be at `offset`, without data.
  GgufBytes& AddTensorAt(const std::string& name, uint32_t type, const std::vector<uint64_t>& dims,
                         uint64_t offset) {
    std::vector<uint8_t> entry;
    PutString(&entry, name);
    PutLe(&entry, static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) PutLe(&entry, dim);
    PutLe(&entry, type);
    PutLe(&entry, offset);
    tensors_.push_back(entry);
    return *this;
  }
  GgufBytes& AddData(size_t zeros) {
    data_.resize(data_.size() + zeros);
    return *this;
  }

  // Returns everything before the tensors' data, without the padding.
  std::vector<uint8_t> BuildHeader() const {
    std::vector<uint8_t> bytes(magic.begin(), magic.end());
    PutLe(&bytes, version);
    PutLe(&bytes, n_tensors.value_or(tensors_.size()));
    PutLe(&bytes, n_keys.value_or(keys_.size()));
    for (const auto& entry : keys_) bytes.insert(bytes.end(), entry.begin(), entry.end());
    for (const auto& entry : tensors_) bytes.insert(bytes.end(), entry.begin(), entry.end());
    return bytes;
  }

  std::vector<uint8_t> Build() const {
    std::vector<uint8_t> bytes = BuildHeader();
    bytes.resize(Aligned(bytes.size()));
    bytes.insert(bytes.end(), data_.begin(), data_.end());
    return bytes;
  }

  static uint64_t BytesOf(uint32_t type, const std::vector<uint64_t>& dims) {
    const BlockShape block = BlockOf(type);
    uint64_t bytes = dims.empty() ? 0 : dims[0] / block.cols * block.bytes;
    for (size_t i = 1; i < dims.size(); ++i) bytes *= dims[i];
    return bytes;
  }

 private:
  size_t Aligned(size_t n) const { return (n + alignment - 1) / alignment * alignment; }

  std::vector<std::vector<uint8_t>> keys_;
  std::vector<std::vector<uint8_t>> tensors_;
  std::vector<uint8_t> data_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_GGUF_BYTES_H_
