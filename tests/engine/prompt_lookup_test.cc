// SPDX-License-Identifier: MIT
// Prompt lookup: which earlier place of a context is found, and what followed it.
#include "engine/prompt_lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace clamma {
namespace {

struct Found {
  size_t length;
  std::vector<TokenId> drafts;
  bool operator==(const Found&) const = default;
};
void PrintTo(const Found& found, std::ostream* out) {
  *out << "match of " << found.length << ":";
  for (const TokenId token : found.drafts) *out << " " << token;
}

Found LookUpIn(const std::vector<TokenId>& tokens, size_t most) {
  std::vector<TokenId> drafts(most, -1);
  const size_t length = LookUp(tokens.data(), tokens.size(), most, drafts.data());
  return {length, drafts};
}

TEST(PromptLookup, FindsWhatFollowedTheSameTokens) {
  EXPECT_EQ(LookUpIn({1, 2, 3, 4, 5, 6, 9, 2, 3}, 3), (Found{2, {4, 5, 6}}));
}

TEST(PromptLookup, PrefersTheLongestMatch) {
  EXPECT_EQ(LookUpIn({1, 2, 3, 7, 8, 2, 3, 9, 9, 1, 2, 3}, 2), (Found{3, {7, 8}}));
}

TEST(PromptLookup, PrefersTheLatestOfEqualMatches) {
  EXPECT_EQ(LookUpIn({5, 2, 3, 7, 6, 2, 3, 8, 4, 2, 3}, 2), (Found{2, {8, 4}}));
}

TEST(PromptLookup, StopsAtTheLongestThatMatters) {
  std::vector<TokenId> tokens;
  for (TokenId i = 0; i < 40; ++i) tokens.push_back(i);
  tokens.push_back(100);
  for (TokenId i = 10; i < 40; ++i) tokens.push_back(i);
  EXPECT_EQ(LookUpIn(tokens, 1), (Found{kLongestMatch, {100}}));
}

TEST(PromptLookup, GoesOnWithWhatRepeatsItself) {
  EXPECT_EQ(LookUpIn({1, 2, 3, 1, 2, 3}, 8), (Found{3, {1, 2, 3, 1, 2, 3, 1, 2}}));
  EXPECT_EQ(LookUpIn({4, 4, 4}, 5), (Found{2, {4, 4, 4, 4, 4}}));
}

TEST(PromptLookup, FindsNothingInShortOrFreshContexts) {
  EXPECT_EQ(LookUpIn({}, 2), (Found{0, {-1, -1}}));
  EXPECT_EQ(LookUpIn({1}, 1), (Found{0, {-1}}));
  EXPECT_EQ(LookUpIn({1, 1}, 1), (Found{0, {-1}}));
  EXPECT_EQ(LookUpIn({1, 2, 3, 4}, 1), (Found{0, {-1}}));
  EXPECT_EQ(LookUpIn({9, 3, 8, 3}, 1), (Found{0, {-1}})) << "one equal token is no match";
}

}  // namespace
}  // namespace clamma
