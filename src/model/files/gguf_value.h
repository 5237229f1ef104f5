// SPDX-License-Identifier: MIT
// Values of a GGUF file's metadata: views into its header.
#ifndef CLAMMA_MODEL_FILES_GGUF_VALUE_H_
#define CLAMMA_MODEL_FILES_GGUF_VALUE_H_

#include <cstdint>
#include <string_view>

namespace clamma {

// As numbered in the files.
enum class GgufType : uint8_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufTypes = 13;

// Bytes of a value; 0 for strings and arrays, which have no fixed size.
uint32_t GgufTypeBytes(GgufType type);
const char* GgufTypeName(GgufType type);  // "uint8", "string" ...

// One value, or the elements of an array. Valid as long as the header's bytes.
//
// The functions return false, and leave *out as it is, if there is no element `i` or if it is of
// another type.
struct GgufValue {
  GgufType type = GgufType::kUint8;  // in an array, the type of the elements; never kArray
  bool is_array = false;
  uint64_t count = 0;             // 1 unless it is an array; 0: empty, or no such key
  const uint8_t* data = nullptr;  // little-endian, at any alignment

  bool is_integer() const;
  bool is_float() const { return type == GgufType::kFloat32 || type == GgufType::kFloat64; }

  // Integers of any type whose value fits.
  bool Uint(uint64_t i, uint64_t* out) const;
  bool Int(uint64_t i, int64_t* out) const;
  // Floats and integers of any type, rounded to nearest. Out of range, the result is infinite.
  bool Float(uint64_t i, float* out) const;
  // Booleans that are 0 or 1.
  bool Bool(uint64_t i, bool* out) const;
  // A single string. Strings of an array cannot be accessed by index: see GgufStrings.
  bool String(std::string_view* out) const;
};

// Iterates over the strings of an array. They may contain any bytes, also 0.
class GgufStrings {
 public:
  // A value that is not of strings counts as empty.
  explicit GgufStrings(const GgufValue& value)
      : next_(value.data), left_(value.type == GgufType::kString ? value.count : 0) {}
  uint64_t left() const { return left_; }
  bool Next(std::string_view* text);  // false: there are no more

 private:
  const uint8_t* next_;
  uint64_t left_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGUF_VALUE_H_
