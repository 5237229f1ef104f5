// SPDX-License-Identifier: MIT
#include "model/files/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/files/gguf_parser.h"
#include "platform/endian.h"
#include "platform/hash.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

// The functions below read what GgufParser has checked.

std::string_view ReadString(const uint8_t*& p) {
  const auto length = static_cast<size_t>(ReadLe64(p));
  const std::string_view text(reinterpret_cast<const char*>(p + 8), length);
  p += 8 + length;
  return text;
}

// Reads a key's value, which begins with its type. Moves p to the data.
GgufValue ReadValue(const uint8_t*& p) {
  GgufValue value;
  value.type = static_cast<GgufType>(ReadLe32(p));
  value.count = 1;
  p += 4;
  if (value.type == GgufType::kArray) {
    value.is_array = true;
    value.type = static_cast<GgufType>(ReadLe32(p));
    value.count = ReadLe64(p + 4);
    p += 12;
  }
  value.data = p;
  return value;
}

// Reads a tensor's entry after its name.
void ReadTensor(const uint8_t*& p, uint64_t data_begin, GgufTensor* tensor) {
  tensor->n_dims = ReadLe32(p);
  p += 4;
  for (uint32_t i = 0; i < 4; ++i) {
    tensor->dims[i] = i < tensor->n_dims ? ReadLe64(p) : 1;
    if (i < tensor->n_dims) p += 8;
  }
  tensor->type = FindGgmlType(ReadLe32(p));
  tensor->bytes = tensor->dims[0] / tensor->type->block_cols * tensor->type->block_bytes *
                  tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
  tensor->offset = data_begin + ReadLe64(p + 4);
  p += 12;
}

// What the value is, for error messages.
const char* KindOf(const GgufValue& value) {
  if (value.is_array) return "an array";
  if (value.is_integer()) return "an integer";
  if (value.is_float()) return "a floating-point number";
  return value.type == GgufType::kBool ? "a boolean" : "a string";
}

Status WrongKind(std::string_view key, const GgufValue& value, const char* expected) {
  return Status::Error(StatusCode::kCorrupt, "key %s of the GGUF file is %s%s%s: %s is expected",
                       Quoted(key).c_str(), KindOf(value), value.is_array ? " of type " : "",
                       value.is_array ? GgufTypeName(value.type) : "", expected);
}

}  // namespace

GgufKey::GgufKey(std::string_view architecture, std::string_view name) {
  if (architecture.size() + name.size() >= sizeof(text_)) return;
  char* end = std::copy(architecture.begin(), architecture.end(), text_);
  *end++ = '.';
  std::copy(name.begin(), name.end(), end);
  size_ = architecture.size() + 1 + name.size();
}

bool Gguf::HasMagic(const uint8_t* bytes, uint64_t size) {
  return size >= 4 && std::memcmp(bytes, "GGUF", 4) == 0;
}

Status Gguf::Parse(Memory& memory, const uint8_t* bytes, uint64_t size, uint64_t file_size,
                   uint64_t* wanted, const GgufRoom& room) {
  size = std::min({size, file_size, room.header_bytes});
  return GgufParser(memory, *this, bytes, size, file_size, room).Run(wanted);
}

Status Gguf::CheckTensorTypes() const {
  GgufTensor tensor;
  for (Tensors tensors(*this); tensors.Next(&tensor);) {
    if (!tensor.type->runs) return UnsupportedGgmlType(tensor.name, tensor.type->id);
  }
  return Status();
}

bool Gguf::Keys::Next(std::string_view* key, GgufValue* value) {
  if (left_ == 0) return false;
  --left_;
  *key = ReadString(next_);
  *value = ReadValue(next_);
  if (value->type != GgufType::kString) {
    next_ += value->count * GgufTypeBytes(value->type);
    return true;
  }
  for (uint64_t i = 0; i < value->count; ++i) ReadString(next_);
  return true;
}

bool Gguf::Tensors::Next(GgufTensor* tensor) {
  if (left_ == 0) return false;
  --left_;
  tensor->name = ReadString(next_);
  ReadTensor(next_, data_begin_, tensor);
  return true;
}

size_t Gguf::FirstSlot(const Index& index, std::string_view name) const {
  return static_cast<size_t>(SeededHash(hash_seed_, name)) & (index.size() - 1);
}

const uint8_t* Gguf::Lookup(const Index& index, std::string_view name) const {
  // At most half of the slots are taken, so this ends.
  for (size_t slot = FirstSlot(index, name); index[slot] != 0;
       slot = (slot + 1) & (index.size() - 1)) {
    const uint8_t* entry = bytes_ + index[slot];
    const uint8_t* p = entry;
    if (ReadString(p) == name) return entry;
  }
  return nullptr;
}

bool Gguf::Find(std::string_view key, GgufValue* value) const {
  if (keys_by_name_.data() == nullptr) {  // a plan
    std::string_view name;
    GgufValue candidate;
    for (Keys keys(*this); keys.Next(&name, &candidate);) {
      if (name != key) continue;
      *value = candidate;
      return true;
    }
    return false;
  }
  const uint8_t* entry = Lookup(keys_by_name_, key);
  if (entry == nullptr) return false;
  ReadString(entry);
  *value = ReadValue(entry);
  return true;
}

bool Gguf::FindTensor(std::string_view name, GgufTensor* tensor) const {
  if (tensors_by_name_.data() == nullptr) {  // a plan
    GgufTensor candidate;
    for (Tensors tensors(*this); tensors.Next(&candidate);) {
      if (candidate.name != name) continue;
      *tensor = candidate;
      return true;
    }
    return false;
  }
  const uint8_t* entry = Lookup(tensors_by_name_, name);
  if (entry == nullptr) return false;
  tensor->name = ReadString(entry);
  ReadTensor(entry, data_begin_, tensor);
  return true;
}

Status Gguf::FindElement(std::string_view key, const Layer* layer, Presence presence,
                         GgufValue* value, uint64_t* element) const {
  *element = 0;
  if (!Find(key, value)) {
    if (presence == Presence::kOptional) return Status();
    return Status::Error(StatusCode::kCorrupt, "the GGUF file has no key %s", Quoted(key).c_str());
  }
  if (!value->is_array || layer == nullptr) return Status();
  if (value->count != layer->count) {
    return Status::Error(
        StatusCode::kCorrupt, "key %s of the GGUF file has %llu values for %u layers",
        Quoted(key).c_str(), Ull{value->count}, static_cast<unsigned>(layer->count));
  }
  *element = layer->index;
  return Status();
}

Status Gguf::ReadUint32(std::string_view key, const Layer* layer, Presence presence, Range range,
                        uint32_t* out) const {
  GgufValue value;
  uint64_t element = 0;
  CLAMMA_RETURN_IF_ERROR(FindElement(key, layer, presence, &value, &element));
  if (value.data != nullptr && value.is_array && layer == nullptr) {
    return WrongKind(key, value, "an integer");
  }
  return ReadElement(key, value, element, range, out);
}

Status Gguf::ReadElement(std::string_view key, const GgufValue& value, uint64_t element,
                         Range range, uint32_t* out) {
  if (value.data == nullptr) return Status();
  if (!value.is_integer()) return WrongKind(key, value, "an integer");
  uint64_t number = 0;
  const bool is_natural = value.Uint(element, &number);
  if (!is_natural || number < range.min || number > range.max) {
    int64_t negative = 0;
    if (!is_natural) value.Int(element, &negative);
    const uint64_t magnitude = is_natural ? number : uint64_t{0} - static_cast<uint64_t>(negative);
    return Status::Error(StatusCode::kCorrupt,
                         "key %s of the GGUF file is %s%llu: %u to %u expected",
                         Quoted(key).c_str(), is_natural ? "" : "-", Ull{magnitude},
                         static_cast<unsigned>(range.min), static_cast<unsigned>(range.max));
  }
  *out = static_cast<uint32_t>(number);
  return Status();
}

Status Gguf::FindLayers(std::string_view key, uint32_t count, Presence presence,
                        GgufValue* value) const {
  const Layer first = {0, count};
  uint64_t element = 0;
  return FindElement(key, &first, presence, value, &element);
}

Status Gguf::GetLayerUint32(std::string_view key, const GgufValue& value, uint32_t layer,
                            Range range, uint32_t* out) {
  return ReadElement(key, value, value.is_array ? layer : 0, range, out);
}

Status Gguf::ReadFloat(std::string_view key, const Layer* layer, Presence presence,
                       float* out) const {
  GgufValue value;
  uint64_t element = 0;
  CLAMMA_RETURN_IF_ERROR(FindElement(key, layer, presence, &value, &element));
  if (value.data == nullptr) return Status();
  float number = 0;
  if ((value.is_array && layer == nullptr) || !value.Float(element, &number)) {
    return WrongKind(key, value, "a number");
  }
  if (!std::isfinite(number)) {
    return Status::Error(StatusCode::kCorrupt,
                         "key %s of the GGUF file is infinite or not a number",
                         Quoted(key).c_str());
  }
  *out = number;
  return Status();
}

Status Gguf::ReadBool(std::string_view key, const Layer* layer, Presence presence,
                      bool* out) const {
  GgufValue value;
  uint64_t element = 0;
  CLAMMA_RETURN_IF_ERROR(FindElement(key, layer, presence, &value, &element));
  if (value.data == nullptr) return Status();
  if (value.type != GgufType::kBool || (value.is_array && layer == nullptr)) {
    return WrongKind(key, value, "a boolean");
  }
  if (!value.Bool(element, out)) {
    return Status::Error(StatusCode::kCorrupt, "key %s of the GGUF file is neither 0 nor 1",
                         Quoted(key).c_str());
  }
  return Status();
}

Status Gguf::GetString(std::string_view key, Presence presence, std::string_view* out) const {
  GgufValue value;
  uint64_t element = 0;
  CLAMMA_RETURN_IF_ERROR(FindElement(key, nullptr, presence, &value, &element));
  if (value.data != nullptr && !value.String(out)) return WrongKind(key, value, "a string");
  return Status();
}

Status Gguf::GetArray(std::string_view key, Elements elements, Presence presence,
                      GgufValue* out) const {
  GgufValue value;
  uint64_t element = 0;
  CLAMMA_RETURN_IF_ERROR(FindElement(key, nullptr, presence, &value, &element));
  if (value.data == nullptr) return Status();
  const bool fits =
      elements == Elements::kStrings
          ? value.type == GgufType::kString
          : value.is_integer() || (elements == Elements::kNumbers && value.is_float());
  if (!value.is_array || (!fits && value.count > 0)) {
    return WrongKind(key, value,
                     elements == Elements::kStrings    ? "an array of strings"
                     : elements == Elements::kIntegers ? "an array of integers"
                                                       : "an array of numbers");
  }
  *out = value;
  return Status();
}

}  // namespace clamma
