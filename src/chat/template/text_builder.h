// SPDX-License-Identifier: MIT
// Builds a text with the origin of each byte.
#ifndef CLAMMA_CHAT_TEMPLATE_TEXT_BUILDER_H_
#define CLAMMA_CHAT_TEMPLATE_TEXT_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"

namespace clamma {

// When memory or the limit is exhausted, it enters a failed state, in which nothing is added.
class TextBuilder {
 public:
  TextBuilder(Bump& bump, size_t max_size) : bump_(bump), max_size_(max_size) {}

  void Add(std::string_view text, Origin origin);
  void Add(const Str& text);
  void Add(char c, Origin origin) { Add({&c, 1}, origin); }
  void AddRepeated(char c, size_t n, Origin origin);
  void AddCharacter(uint32_t code_point, Origin origin);  // as UTF-8
  void AddInt(int64_t value, Origin origin);

  bool ok() const { return ok_; }
  bool is_too_long() const { return is_too_long_; }  // it failed because of the limit
  size_t size() const { return size_; }
  std::string_view view() const { return {data_, size_}; }
  Origin OriginOf(size_t i) const { return static_cast<Origin>(origins_[i]); }

  // Returns the text, which shares the bytes; nullptr if !ok(). Nothing may be added afterwards.
  Str* Finish();

 private:
  bool Reserve(size_t more);

  Bump& bump_;
  size_t max_size_;
  char* data_ = nullptr;
  uint8_t* origins_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t n_caller_ = 0;  // bytes
  bool ok_ = true;
  bool is_too_long_ = false;
};

// Returns a + b; nullptr if memory is short. Appends in place if a is at the end of its buffer, so
// that building a text piece by piece takes linear time.
Str* Concatenate(Bump& bump, const Str& a, const Str& b);

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_TEXT_BUILDER_H_
