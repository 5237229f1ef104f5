// SPDX-License-Identifier: MIT
// The parser behind Gguf::Parse(): one walk over a header, in which any bytes are safe.
#ifndef CLAMMA_MODEL_FILES_GGUF_PARSER_H_
#define CLAMMA_MODEL_FILES_GGUF_PARSER_H_

#include <cstdint>
#include <string_view>

#include "model/files/gguf.h"

namespace clamma {

// Functions return false if the walk ends: with an error (status_) or because bytes are missing
// (wanted_).
class GgufParser {
 public:
  GgufParser(Memory& memory, Gguf& gguf, const uint8_t* bytes, uint64_t size, uint64_t file_size,
             const GgufRoom& room)
      : memory_(memory),
        gguf_(gguf),
        bytes_(bytes),
        size_(size),
        file_size_(file_size),
        room_(room) {}

  Status Run(uint64_t* wanted);

 private:
  bool Walk();
  bool ReadPreamble();
  bool CheckVersion(uint32_t version);
  bool CheckCounts();
  bool ReserveIndex(Gguf::Index* index, uint64_t names);
  bool ReadKeys();
  bool ReadValue();
  bool ReadArray();
  bool SkipStrings(uint64_t count);
  bool ReadAlignment();
  bool ReadTensors();
  bool ReadTensor(GgufTensor* tensor);
  bool ReadDimensions(GgufTensor* tensor);
  bool ReadType(GgufTensor* tensor);
  bool PlaceTensors();
  bool CheckOverlaps();

  // Whether n more bytes are available.
  bool Need(uint64_t n);
  bool Uint32(uint32_t* out);
  bool Uint64(uint64_t* out);
  bool String(const char* what, uint64_t max, std::string_view* out);
  bool Name(const char* what, uint64_t max, Gguf::Index* index, std::string_view* out);

  // Ends the walk with a reason that begins with the place.
  CLAMMA_PRINTF_LIKE(3, 4) bool Fail(StatusCode code, const char* format, ...);
  bool Check(const Status& status);

  // The current place, for messages: the index-th key or tensor, or its name once it is known.
  struct Place {
    const char* what = "";
    uint64_t index = 0;
    uint64_t count = 0;
    std::string_view name;
    bool has_name = false;
  };

  Memory& memory_;
  Gguf& gguf_;
  const uint8_t* bytes_;
  uint64_t size_;
  uint64_t file_size_;
  GgufRoom room_;
  uint64_t at_ = 0;
  uint64_t wanted_ = 0;
  Place place_;
  Status status_;

  // About the tensors so far; positions count from the beginning of the data.
  uint64_t end_ = 0;           // the largest end of a tensor
  std::string_view end_name_;  // that tensor's name
  bool in_order_ = true;       // each tensor begins after the one before
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_FILES_GGUF_PARSER_H_
