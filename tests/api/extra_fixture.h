// SPDX-License-Identifier: MIT
// The code that the tests of clamma-extra.h share.
#ifndef CLAMMA_TESTS_API_EXTRA_FIXTURE_H_
#define CLAMMA_TESTS_API_EXTRA_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api_fixture.h"

namespace clamma_test {

inline constexpr unsigned kAsPrompt = CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX;

// A model whose messages are collected.
class LoggedModelTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (IsSkipped()) return;
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log_;
    model_ = Open(info);
    ASSERT_NE(model_, nullptr);
  }

  LogCollector log_;
  TxfPtr model_;
};

class ExtraTest : public LoggedModelTest {
 protected:
  std::vector<tok_id_t> Encode(const std::string& text, unsigned flags) const {
    size_t count = 0;
    EXPECT_EQ(clamma_encode(model_.get(), text.data(), text.size(), flags, nullptr, 0, &count), 0);
    std::vector<tok_id_t> tokens(count);
    size_t again = 0;
    EXPECT_EQ(
        clamma_encode(model_.get(), text.data(), text.size(), flags, tokens.data(), count, &again),
        0);
    EXPECT_EQ(again, count);
    return tokens;
  }

  std::string Decode(const std::vector<tok_id_t>& tokens) const {
    size_t size = 0;
    EXPECT_EQ(clamma_decode(model_.get(), tokens.data(), tokens.size(), nullptr, 0, &size), 0);
    std::string text(size, '\0');
    size_t again = 0;
    EXPECT_EQ(clamma_decode(model_.get(), tokens.data(), tokens.size(), text.data(), size, &again),
              0);
    EXPECT_EQ(again, size);
    return text;
  }
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_API_EXTRA_FIXTURE_H_
