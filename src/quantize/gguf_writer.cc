// SPDX-License-Identifier: MIT
#include "quantize/gguf_writer.h"

#include <algorithm>

#include "platform/text.h"

namespace clamma {
namespace {

constexpr uint32_t kVersion = 3;

// Whether the key describes a split model. The written file is not split.
bool IsOfSplit(std::string_view key) { return StartsWith(key, "split."); }

const GgufUint32Key* FindChange(std::string_view key, const GgufUint32Key* changes, size_t n) {
  const GgufUint32Key* const end = changes + n;
  const GgufUint32Key* found =
      std::find_if(changes, end, [&](const GgufUint32Key& change) { return change.name == key; });
  return found == end ? nullptr : found;
}

// The number of bytes of a value's elements in a file.
uint64_t DataBytes(const GgufValue& value) {
  if (value.type != GgufType::kString) return value.count * GgufTypeBytes(value.type);
  // A single string has the same layout as a string in an array.
  uint64_t bytes = 0;
  std::string_view text;
  for (GgufStrings strings(value); strings.Next(&text);) bytes += 8 + text.size();
  return bytes;
}

uint64_t CountKeys(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes) {
  uint64_t count = 0;
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(metadata); keys.Next(&key, &value);) count += IsOfSplit(key) ? 0 : 1;
  for (size_t i = 0; i < n_changes; ++i) count += metadata.Find(changes[i].name, &value) ? 0 : 1;
  return count;
}

uint64_t Aligned(uint64_t n, uint64_t alignment) { return (n + alignment - 1) & ~(alignment - 1); }

uint64_t HeaderBytes(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes,
                     const GgufTensorList& tensors) {
  uint64_t bytes = 24;
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(metadata); keys.Next(&key, &value);) {
    if (IsOfSplit(key)) continue;
    bytes += 8 + key.size() + 4;
    const bool changed = FindChange(key, changes, n_changes) != nullptr;
    bytes += changed ? 4 : (value.is_array ? 12 : 0) + DataBytes(value);
  }
  for (size_t i = 0; i < n_changes; ++i) {
    if (!metadata.Find(changes[i].name, &value)) bytes += 8 + changes[i].name.size() + 4 + 4;
  }
  for (size_t i = 0; i < tensors.count; ++i) {
    const GgufTensor& tensor = tensors.tensors[i];
    bytes += 8 + tensor.name.size() + 4 + 8 * uint64_t{tensor.n_dims} + 4 + 8;
  }
  return bytes;
}

}  // namespace

Status GgufWriter::FileBytes(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes,
                             const GgufTensorList& tensors, uint64_t* bytes) {
  const uint64_t alignment = metadata.alignment();
  *bytes = Aligned(HeaderBytes(metadata, changes, n_changes, tensors), alignment);
  for (size_t i = 0; i < tensors.count; ++i) {
    const uint64_t size = tensors.tensors[i].bytes;
    if (size > UINT64_MAX - alignment || !CheckedAdd(*bytes, Aligned(size, alignment), bytes)) {
      return Status::Error(StatusCode::kLimit, "the file would be larger than a file can be");
    }
  }
  return Status();
}

Status GgufWriter::Begin(PieceWriter* pieces, const Gguf& metadata, const GgufUint32Key* changes,
                         size_t n_changes, const GgufTensorList& tensors) {
  pieces_ = pieces;
  alignment_ = metadata.alignment();
  uint64_t bytes = 0;
  CLAMMA_RETURN_IF_ERROR(FileBytes(metadata, changes, n_changes, tensors, &bytes));
  const uint8_t magic[] = {'G', 'G', 'U', 'F'};
  CLAMMA_RETURN_IF_ERROR(Append(magic, sizeof(magic)));
  CLAMMA_RETURN_IF_ERROR(PutUint32(kVersion));
  CLAMMA_RETURN_IF_ERROR(PutUint64(tensors.count));
  CLAMMA_RETURN_IF_ERROR(PutUint64(CountKeys(metadata, changes, n_changes)));
  CLAMMA_RETURN_IF_ERROR(PutKeys(metadata, changes, n_changes));
  CLAMMA_RETURN_IF_ERROR(PutTensors(tensors));
  return EndTensor();
}

Status GgufWriter::PutChanged(const GgufUint32Key& change) {
  CLAMMA_RETURN_IF_ERROR(PutString(change.name));
  CLAMMA_RETURN_IF_ERROR(PutUint32(static_cast<uint32_t>(GgufType::kUint32)));
  return PutUint32(change.value);
}

Status GgufWriter::PutKey(std::string_view key, const GgufValue& value) {
  CLAMMA_RETURN_IF_ERROR(PutString(key));
  if (value.is_array) {
    CLAMMA_RETURN_IF_ERROR(PutUint32(static_cast<uint32_t>(GgufType::kArray)));
  }
  CLAMMA_RETURN_IF_ERROR(PutUint32(static_cast<uint32_t>(value.type)));
  if (value.is_array) CLAMMA_RETURN_IF_ERROR(PutUint64(value.count));
  return Append(value.data, static_cast<size_t>(DataBytes(value)));
}

Status GgufWriter::PutKeys(const Gguf& metadata, const GgufUint32Key* changes, size_t n_changes) {
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(metadata); keys.Next(&key, &value);) {
    if (IsOfSplit(key)) continue;
    const GgufUint32Key* change = FindChange(key, changes, n_changes);
    CLAMMA_RETURN_IF_ERROR(change != nullptr ? PutChanged(*change) : PutKey(key, value));
  }
  for (size_t i = 0; i < n_changes; ++i) {
    if (metadata.Find(changes[i].name, &value)) continue;
    CLAMMA_RETURN_IF_ERROR(PutChanged(changes[i]));
  }
  return Status();
}

Status GgufWriter::PutTensors(const GgufTensorList& tensors) {
  uint64_t offset = 0;
  for (size_t i = 0; i < tensors.count; ++i) {
    const GgufTensor& tensor = tensors.tensors[i];
    CLAMMA_RETURN_IF_ERROR(PutString(tensor.name));
    CLAMMA_RETURN_IF_ERROR(PutUint32(tensor.n_dims));
    for (uint32_t d = 0; d < tensor.n_dims; ++d) CLAMMA_RETURN_IF_ERROR(PutUint64(tensor.dims[d]));
    CLAMMA_RETURN_IF_ERROR(PutUint32(tensor.type->id));
    CLAMMA_RETURN_IF_ERROR(PutUint64(offset));
    offset += Aligned(tensor.bytes, alignment_);
  }
  return Status();
}

Status GgufWriter::PutUint32(uint32_t value) {
  uint8_t bytes[4];
  for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(value >> 8 * i & 0xff);
  return Append(bytes, sizeof(bytes));
}

Status GgufWriter::PutUint64(uint64_t value) {
  CLAMMA_RETURN_IF_ERROR(PutUint32(static_cast<uint32_t>(value & 0xffffffffu)));
  return PutUint32(static_cast<uint32_t>(value >> 32));
}

Status GgufWriter::PutString(std::string_view text) {
  CLAMMA_RETURN_IF_ERROR(PutUint64(text.size()));
  return Append(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

Status GgufWriter::EndTensor() {
  static constexpr uint8_t kZeros[64] = {};
  const uint64_t written = pieces_->written();
  for (uint64_t left = Aligned(written, alignment_) - written; left > 0;) {
    const uint64_t part = std::min<uint64_t>(left, sizeof(kZeros));
    CLAMMA_RETURN_IF_ERROR(Append(kZeros, static_cast<size_t>(part)));
    left -= part;
  }
  return Status();
}

}  // namespace clamma
