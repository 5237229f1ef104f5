// SPDX-License-Identifier: MIT
// The classes of characters that regular expressions name: \d \w \s . and \p{...}.
#ifndef CLAMMA_ENGINE_GRAMMAR_REGEX_CLASSES_H_
#define CLAMMA_ENGINE_GRAMMAR_REGEX_CLASSES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// Ranges of code points, in any order.
class RangeList {
 public:
  explicit RangeList(Memory& memory) : memory_(&memory) {}
  Status Add(uint32_t first, uint32_t last);
  // Replaces the ranges by their complement.
  Status Complement();
  const CodeRange* data() const { return ranges_.data(); }
  size_t size() const { return size_; }

 private:
  Memory* memory_;
  Array<CodeRange> ranges_;
  size_t size_ = 0;
};

enum class RegexClass : uint8_t { kDigit, kWord, kSpace };  // \d, \w, \s

// Sets the bits (unicode.h) of a general category such as L or Lu. Returns false if it is not
// known.
bool FindCategory(std::string_view name, uint32_t* bits);

// Adds classes to lists. Looking through all characters takes milliseconds, so the ranges that it
// yields are kept.
class RegexClasses {
 public:
  explicit RegexClasses(Memory& memory) : kept_(memory) {}

  // Adds the characters that belong to the class in every dialect (ECMA 262, RE2, Python) or, if
  // `any` is set, those that belong to it in any dialect.
  Status Add(RegexClass which, bool any, RangeList* ranges);
  // Adds the characters whose class is one of `bits`.
  Status AddCategory(uint32_t bits, RangeList* ranges);

 private:
  static constexpr size_t kMaxKept = 16;  // more than there are categories
  struct Kept {
    uint32_t bits;
    size_t begin;  // in kept_
    size_t end;
  };

  RangeList kept_;
  Kept entries_[kMaxKept] = {};
  size_t n_entries_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_REGEX_CLASSES_H_
