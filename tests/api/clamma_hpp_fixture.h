// SPDX-License-Identifier: MIT
// The code that the tests of clamma.hpp share.
#ifndef CLAMMA_TESTS_API_CLAMMA_HPP_FIXTURE_H_
#define CLAMMA_TESTS_API_CLAMMA_HPP_FIXTURE_H_

#include <string>
#include <string_view>

#include "api_fixture.h"
#include "clamma.hpp"

namespace clamma_test {

class ClammaHppTest : public ModelTest {
 protected:
  static clamma::Model Open(const std::string& checkpoint = kFloatModel) {
    return clamma::Model(
        {.checkpoint = ModelPath(checkpoint), .tokenizer = ModelPath(kDictionary), .threads = 1});
  }
};

// Returns the reason in the Error that body() throws; "" if it throws none.
template <typename Body>
std::string ReasonOf(const Body& body) {
  try {
    body();
  } catch (const clamma::Error& e) {
    return e.what();
  }
  return "";
}

inline bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A prompt that does not fit in a context of 512.
inline std::string LongText() {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "hello ";
  return text;
}

// Returns an on_text that appends to a string.
inline clamma::OnText Into(std::string& text) {
  return [&text](std::string_view piece) {
    text += piece;
    return true;
  };
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_API_CLAMMA_HPP_FIXTURE_H_
