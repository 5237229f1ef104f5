// SPDX-License-Identifier: MIT
#include "vocabulary.h"

#include <cstdio>
#include <unordered_set>
#include <utility>

#include "random.h"

namespace bench {
namespace {

// Letters first, so that they merge; then words, half of them after a space.
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

std::string ByteToken(uint32_t byte) {
  char text[8];
  std::snprintf(text, sizeof(text), "<0x%02X>", byte & 0xff);
  return text;
}

std::vector<std::string> RandomStrings(uint32_t vocab_size) {
  Random random;
  std::vector<std::string> strings;
  std::unordered_set<std::string> known;
  for (uint32_t id = kFirstString; id < vocab_size; ++id) {
    std::string text;
    do {
      text = RandomString(id - kFirstString, random);
    } while (!known.insert(text).second);
    strings.push_back(std::move(text));
  }
  return strings;
}

}  // namespace bench
