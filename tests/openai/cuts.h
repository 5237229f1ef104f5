// SPDX-License-Identifier: MIT
// Texts that arrive in pieces.
#ifndef CLAMMA_TESTS_OPENAI_CUTS_H_
#define CLAMMA_TESTS_OPENAI_CUTS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace clamma_test {

// Calls run(cut) for a text in one piece, character by character, and cut at each place.
inline void ForAllCuts(const std::string& text,
                       const std::function<void(const std::vector<std::string>&)>& run) {
  run({text});
  std::vector<std::string> characters;
  for (const char c : text) characters.emplace_back(1, c);
  run(characters);
  for (size_t i = 1; i < text.size(); ++i) run({text.substr(0, i), text.substr(i)});
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_OPENAI_CUTS_H_
