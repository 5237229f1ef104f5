// SPDX-License-Identifier: MIT
// Reads GGUF files, versions 2 and 3, little-endian: metadata (keys and values) and the places of
// tensors.
//
// A file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) is "GGUF", uint32 version,
// uint64 number of tensors, uint64 number of keys; for each key its name, uint32 type, value; for
// each tensor its name, uint32 number of dimensions, uint64 each of them, uint32 type, uint64
// offset; then, at the next multiple of the alignment, the tensors' data, from which the offsets
// count. A string is uint64 length and bytes; an array is uint32 type, uint64 count and the
// elements.
#ifndef CLAMMA_MODEL_FILES_GGUF_H_
#define CLAMMA_MODEL_FILES_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/files/ggml_types.h"
#include "model/files/gguf_value.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Limits of what is read. All are far beyond the files in use. A file that exceeds one is refused,
// and the error names the limit. A header and the memory for it always stay below 64 MB.
struct GgufLimits {
  static constexpr uint64_t kHeaderBytes = uint64_t{56} << 20;  // all before the tensors' data
  static constexpr uint64_t kKeys = 65536;
  static constexpr uint64_t kTensors = 65536;
  static constexpr uint64_t kKeyBytes = 65535;
  static constexpr uint64_t kTensorNameBytes = 255;
  static constexpr uint64_t kStringBytes = uint64_t{16} << 20;
  static constexpr uint64_t kArrayCount = uint64_t{1} << 24;
  static constexpr uint64_t kMinAlignment = 8;
  static constexpr uint64_t kMaxAlignment = 65536;
};

// The limits of a header: GgufLimits, or what the other files of a split model leave of them.
struct GgufRoom {
  uint64_t header_bytes = GgufLimits::kHeaderBytes;
  uint64_t keys = GgufLimits::kKeys;
  uint64_t tensors = GgufLimits::kTensors;
};

// A key of a model of one architecture: "ARCHITECTURE.name".
class GgufKey {
 public:
  GgufKey(std::string_view architecture, std::string_view name);
  // Empty, which no key is, if it would be longer than the keys of all known architectures.
  std::string_view view() const { return {text_, size_}; }

 private:
  size_t size_ = 0;
  char text_[128];
};

struct GgufTensor {
  std::string_view name;
  const GgmlType* type = nullptr;   // with a known layout: block_cols and block_bytes are not 0
  uint32_t n_dims = 0;              // 1 to 4
  uint64_t dims[4] = {1, 1, 1, 1};  // columns first: (dims[3], dims[2], rows, columns)
  uint64_t offset = 0;              // from the file's start
  uint64_t bytes = 0;
};

// Constant once parsed: any number of threads may use it. It copies nothing, so views are valid as
// long as the header's bytes. It takes a few bytes per key and tensor, at most 1 MB; while it
// parses tensors that are not in the order of their entries, 2 MB more.
class Gguf {
 public:
  Gguf() = default;
  Gguf(const Gguf&) = delete;
  Gguf& operator=(const Gguf&) = delete;

  // Whether a file with these first `size` bytes is a GGUF file.
  static bool HasMagic(const uint8_t* bytes, uint64_t size);

  // Parses the first `size` bytes of a file of `file_size`. The bytes must outlive this. Any bytes
  // are safe; a header that is incomplete, damaged or beyond GgufLimits or `room` is refused with a
  // reason.
  //
  // If the header continues in the file beyond `size`, *wanted is the least number of bytes needed
  // (more than `size`), and nothing else may be used: call again with so many or more, preferably
  // twice as many. Otherwise *wanted is 0.
  //
  // A plan reads the bytes, too, but does not keep an index of names. Searching for a name then
  // walks through the header, and duplicate names are not detected.
  Status Parse(Memory& memory, const uint8_t* bytes, uint64_t size, uint64_t file_size,
               uint64_t* wanted, const GgufRoom& room = {});

  // Refuses a file with a tensor of a type without kernels.
  Status CheckTensorTypes() const;

  uint32_t version() const { return version_; }
  uint64_t n_keys() const { return n_keys_; }
  uint64_t n_tensors() const { return n_tensors_; }
  uint64_t alignment() const { return alignment_; }
  uint64_t header_bytes() const { return header_bytes_; }  // up to the last tensor's entry
  uint64_t data_begin() const { return data_begin_; }      // the header's end, aligned
  uint64_t data_end() const { return data_end_; }          // the last tensor's end

  bool Find(std::string_view key, GgufValue* value) const;
  bool FindTensor(std::string_view name, GgufTensor* tensor) const;

  // The values of keys. A missing key is an error if it is required; otherwise *out stays as it is.
  // A value of another type or out of range is an error that names the key.
  enum class Presence : uint8_t { kRequired, kOptional };
  struct Range {
    uint32_t min = 0;
    uint32_t max = UINT32_MAX;
  };
  Status GetUint32(std::string_view key, Presence presence, Range range, uint32_t* out) const {
    return ReadUint32(key, nullptr, presence, range, out);
  }
  Status GetFloat(std::string_view key, Presence presence, float* out) const {  // finite
    return ReadFloat(key, nullptr, presence, out);
  }
  Status GetBool(std::string_view key, Presence presence, bool* out) const {
    return ReadBool(key, nullptr, presence, out);
  }
  Status GetString(std::string_view key, Presence presence, std::string_view* out) const;

  // The value for one layer: the key holds one value for all, or an array with one for each.
  struct Layer {
    uint32_t index = 0;
    uint32_t count = 0;  // number of layers
  };
  Status GetUint32(std::string_view key, Layer layer, Presence presence, Range range,
                   uint32_t* out) const {
    return ReadUint32(key, &layer, presence, range, out);
  }
  Status GetFloat(std::string_view key, Layer layer, Presence presence, float* out) const {
    return ReadFloat(key, &layer, presence, out);
  }
  Status GetBool(std::string_view key, Layer layer, Presence presence, bool* out) const {
    return ReadBool(key, &layer, presence, out);
  }

  // Reads the values for many layers with a single search for the key. If it is missing,
  // FindLayers() leaves value->data nullptr, and GetLayerUint32() leaves *out as it is.
  Status FindLayers(std::string_view key, uint32_t count, Presence presence,
                    GgufValue* value) const;
  static Status GetLayerUint32(std::string_view key, const GgufValue& value, uint32_t layer,
                               Range range, uint32_t* out);

  // Which elements an array may have: integers, integers or floats, or strings.
  enum class Elements : uint8_t { kIntegers, kNumbers, kStrings };
  Status GetArray(std::string_view key, Elements elements, Presence presence, GgufValue* out) const;

  // Iterate over all keys, or all tensors, in the file's order.
  class Keys {
   public:
    explicit Keys(const Gguf& gguf) : next_(gguf.keys_), left_(gguf.n_keys_) {}
    bool Next(std::string_view* key, GgufValue* value);  // false: there are no more
   private:
    const uint8_t* next_;
    uint64_t left_;
  };
  class Tensors {
   public:
    explicit Tensors(const Gguf& gguf)
        : next_(gguf.tensors_), left_(gguf.n_tensors_), data_begin_(gguf.data_begin_) {}
    bool Next(GgufTensor* tensor);  // false: there are no more
   private:
    const uint8_t* next_;
    uint64_t left_;
    uint64_t data_begin_;
  };

 private:
  friend class GgufParser;

  // A hash table of names. A slot holds the place of an entry in the header; 0 is a free slot.
  using Index = Array<uint32_t>;
  size_t FirstSlot(const Index& index, std::string_view name) const;
  const uint8_t* Lookup(const Index& index, std::string_view name) const;  // nullptr: no such name
  // `layer` is nullptr if an array is not expected.
  Status ReadUint32(std::string_view key, const Layer* layer, Presence presence, Range range,
                    uint32_t* out) const;
  static Status ReadElement(std::string_view key, const GgufValue& value, uint64_t element,
                            Range range, uint32_t* out);
  Status ReadFloat(std::string_view key, const Layer* layer, Presence presence, float* out) const;
  Status ReadBool(std::string_view key, const Layer* layer, Presence presence, bool* out) const;
  // value->data stays nullptr if the key is missing.
  Status FindElement(std::string_view key, const Layer* layer, Presence presence, GgufValue* value,
                     uint64_t* element) const;

  const uint8_t* bytes_ = nullptr;
  const uint8_t* keys_ = nullptr;     // the first entry
  const uint8_t* tensors_ = nullptr;  // the first entry
  uint32_t version_ = 0;
  uint64_t n_keys_ = 0;
  uint64_t n_tensors_ = 0;
  uint64_t alignment_ = 32;
  uint64_t header_bytes_ = 0;
  uint64_t data_begin_ = 0;
  uint64_t data_end_ = 0;
  uint64_t hash_seed_ = 0;
  Index keys_by_name_;
  Index tensors_by_name_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGUF_H_
