// SPDX-License-Identifier: MIT
#include "model/files/gguf_value.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>

#include "platform/endian.h"

namespace clamma {
namespace {

struct TypeFacts {
  const char* name;
  uint8_t bytes;
};

constexpr TypeFacts kFacts[kGgufTypes] = {{"uint8", 1},  {"int8", 1},  {"uint16", 2}, {"int16", 2},
                                          {"uint32", 4}, {"int32", 4}, {"float", 4},  {"bool", 1},
                                          {"string", 0}, {"array", 0}, {"uint64", 8}, {"int64", 8},
                                          {"double", 8}};

// The conversion alone is undefined for values out of a float's range.
float ToFloat(double value) {
  if (std::fabs(value) <= FLT_MAX || std::isnan(value)) return static_cast<float>(value);
  const float magnitude = std::fabs(value) < 0x1.ffffffp127 ? FLT_MAX : HUGE_VALF;
  return value < 0 ? -magnitude : magnitude;
}

}  // namespace

uint32_t GgufTypeBytes(GgufType type) { return kFacts[static_cast<size_t>(type)].bytes; }

const char* GgufTypeName(GgufType type) { return kFacts[static_cast<size_t>(type)].name; }

bool GgufValue::is_integer() const {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kUint16:
    case GgufType::kInt16:
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kUint64:
    case GgufType::kInt64:
      return true;
    default:
      return false;
  }
}

bool GgufValue::Int(uint64_t i, int64_t* out) const {
  if (i >= count) return false;
  const uint8_t* p = data + i * GgufTypeBytes(type);
  switch (type) {
    case GgufType::kUint8:
      *out = *p;
      return true;
    case GgufType::kInt8:
      *out = *p < 128 ? int64_t{*p} : int64_t{*p} - 256;
      return true;
    case GgufType::kUint16:
      *out = ReadLe16(p);
      return true;
    case GgufType::kInt16:
      *out = static_cast<int16_t>(ReadLe16(p));
      return true;
    case GgufType::kUint32:
      *out = ReadLe32(p);
      return true;
    case GgufType::kInt32:
      *out = ReadLe32Signed(p);
      return true;
    case GgufType::kUint64:
      if (ReadLe64(p) > INT64_MAX) return false;
      [[fallthrough]];
    case GgufType::kInt64:
      *out = static_cast<int64_t>(ReadLe64(p));
      return true;
    default:
      return false;
  }
}

bool GgufValue::Uint(uint64_t i, uint64_t* out) const {
  if (i < count && type == GgufType::kUint64) {
    *out = ReadLe64(data + i * 8);
    return true;
  }
  int64_t value = 0;
  if (!Int(i, &value) || value < 0) return false;
  *out = static_cast<uint64_t>(value);
  return true;
}

bool GgufValue::Float(uint64_t i, float* out) const {
  if (i >= count) return false;
  if (type == GgufType::kFloat32) {
    *out = ReadLeF32(data + i * 4);
    return true;
  }
  if (type == GgufType::kFloat64) {
    *out = ToFloat(std::bit_cast<double>(ReadLe64(data + i * 8)));
    return true;
  }
  uint64_t natural = 0;
  int64_t integer = 0;
  if (Uint(i, &natural)) {
    *out = static_cast<float>(natural);
  } else if (Int(i, &integer)) {
    *out = static_cast<float>(integer);
  } else {
    return false;
  }
  return true;
}

bool GgufValue::Bool(uint64_t i, bool* out) const {
  if (i >= count || type != GgufType::kBool || data[i] > 1) return false;
  *out = data[i] == 1;
  return true;
}

bool GgufValue::String(std::string_view* out) const {
  return !is_array && GgufStrings(*this).Next(out);
}

bool GgufStrings::Next(std::string_view* text) {
  if (left_ == 0) return false;
  const auto length = static_cast<size_t>(ReadLe64(next_));
  *text = {reinterpret_cast<const char*>(next_ + 8), length};
  next_ += 8 + length;
  --left_;
  return true;
}

}  // namespace clamma
