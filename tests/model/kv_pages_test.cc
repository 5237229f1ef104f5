// SPDX-License-Identifier: MIT
#include "model/kv_pages.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "platform/arena.h"

namespace clamma {
namespace {

constexpr size_t kData = 640;
constexpr size_t kWindow = 320;
using PageTokens = std::array<TokenId, kKvBlock>;

PageTokens TokensFrom(TokenId first) {
  PageTokens tokens;
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

class KvPagesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!kHasPrefixCache) GTEST_SKIP() << "a build without a prefix cache";
  }
  static KvPage* New(KvPages& pages, bool with_window = false) {
    KvPage* page = nullptr;
    EXPECT_TRUE(pages.New(with_window, &page).ok());
    return page;
  }
  // Returns a page in the tree with 32 tokens.
  static KvPage* Listed(KvPages& pages, KvPage* parent, TokenId first, bool with_window = false) {
    KvPage* const page = New(pages, with_window);
    const KvPages::Held held;
    pages.Enter(held, page, parent, {}, TokensFrom(first).data(), kKvBlock);
    return page;
  }
  static void Drop(KvPages& pages, KvPage* page, bool with_window = false) {
    const KvPages::Held held;
    pages.Drop(held, page, with_window);
  }
  static KvPage* Find(const KvPages& pages, const KvPage* parent, TokenId first,
                      const PrefixKey& key = {}) {
    const KvPages::Held held;
    return pages.Find(held, parent, key, TokensFrom(first).data());
  }
};

TEST_F(KvPagesTest, PageThatNobodyHoldsOrListsIsFreed) {
  KvPages pages(nullptr);
  pages.Init(kData, kWindow, 0);
  KvPage* const page = New(pages, true);
  EXPECT_EQ(pages.facts().pages, 1u);
  EXPECT_EQ(pages.facts().bytes, sizeof(KvPage) + kData + kWindow);
  EXPECT_EQ(pages.facts().shared_bytes, 0u);
  {
    const KvPages::Held held;
    pages.Hold(held, page, false);
    pages.DropWindow(held, page);  // which no other session uses
  }
  EXPECT_EQ(pages.facts().bytes, sizeof(KvPage) + kData);
  EXPECT_EQ(pages.facts().shared_bytes, sizeof(KvPage) + kData);
  Drop(pages, page);
  Drop(pages, page);
  EXPECT_EQ(pages.facts().pages, 0u);
  EXPECT_EQ(pages.facts().bytes, 0u);
}

TEST_F(KvPagesTest, FindsPagesByParentTokensAndKey) {
  KvPages pages(nullptr);
  pages.Init(kData, 0, 0);
  KvPage* const first = Listed(pages, nullptr, 1);
  KvPage* const second = Listed(pages, first, 7);
  EXPECT_EQ(Find(pages, nullptr, 1), first);
  EXPECT_EQ(Find(pages, first, 7), second);
  EXPECT_EQ(Find(pages, nullptr, 7), nullptr);
  EXPECT_EQ(Find(pages, nullptr, 2), nullptr);
  EXPECT_EQ(Find(pages, nullptr, 1, {.salt = 1}), nullptr);
  EXPECT_EQ(Find(pages, nullptr, 1, {.is_long = true}), nullptr);
  Drop(pages, second);
  EXPECT_EQ(Find(pages, first, 7), nullptr);
  Drop(pages, first);
}

TEST_F(KvPagesTest, FindsTheLongestOfPartFilledPages) {
  KvPages pages(nullptr);
  pages.Init(kData, 0, 0);
  const PageTokens tokens = TokensFrom(1);
  KvPage* const some = New(pages);
  KvPage* const more = New(pages);
  const KvPages::Held held;
  pages.Enter(held, some, nullptr, {}, tokens.data(), 5);
  pages.Enter(held, more, nullptr, {}, tokens.data(), 9);
  size_t common = 0;
  EXPECT_EQ(pages.FindLongest(held, nullptr, {}, tokens.data(), 32, &common), more);
  EXPECT_EQ(common, 9u);
  EXPECT_NE(pages.FindLongest(held, nullptr, {}, tokens.data(), 4, &common), nullptr);
  EXPECT_EQ(common, 4u);
  pages.Enter(held, some, nullptr, {}, tokens.data(), 12);
  EXPECT_EQ(pages.FindLongest(held, nullptr, {}, tokens.data(), 32, &common), some);
  EXPECT_EQ(common, 12u);
  EXPECT_EQ(pages.FindLongest(held, nullptr, {.salt = 3}, tokens.data(), 32, &common), nullptr);
  EXPECT_EQ(pages.Find(held, nullptr, {}, tokens.data()), nullptr) << "it is not full";
  pages.Drop(held, some, false);
  pages.Drop(held, more, false);
}

TEST_F(KvPagesTest, IdlePagesStayUpToTheLimitAndTheOldestGoFirst) {
  const size_t page_bytes = sizeof(KvPage) + kData;
  KvPages pages(nullptr);
  pages.Init(kData, 0, 2 * page_bytes + 1);
  KvPage* const a = Listed(pages, nullptr, 1);
  Drop(pages, a);
  Drop(pages, Listed(pages, nullptr, 2));
  {
    const KvPages::Held held;
    pages.Hold(held, a, false);
  }
  Drop(pages, a);  // now the most recently used
  EXPECT_EQ(pages.facts().idle_bytes, 2 * page_bytes);
  Drop(pages, Listed(pages, nullptr, 3));
  EXPECT_EQ(pages.facts().idle_bytes, 2 * page_bytes);
  EXPECT_EQ(Find(pages, nullptr, 2), nullptr);
  EXPECT_NE(Find(pages, nullptr, 1), nullptr);
  EXPECT_NE(Find(pages, nullptr, 3), nullptr);
}

TEST_F(KvPagesTest, EvictionTakesWhatGoesOnFromAPageWithIt) {
  KvPages pages(nullptr);
  pages.Init(kData, 0, UINT64_MAX);
  KvPage* const first = Listed(pages, nullptr, 1);
  KvPage* const second = Listed(pages, first, 2);
  KvPage* const held_page = Listed(pages, second, 3);
  Drop(pages, first);
  Drop(pages, second);
  ASSERT_TRUE(reclaim_function.load()(nullptr));
  EXPECT_EQ(pages.facts().pages, 1u) << "a page that is held stays, but is found no more";
  EXPECT_EQ(pages.facts().idle_bytes, 0u);
  EXPECT_FALSE(held_page->is_listed);
  EXPECT_FALSE(reclaim_function.load()(nullptr));
  Drop(pages, held_page);
  EXPECT_EQ(pages.facts().pages, 0u);
}

// A page must be written, and there is no memory for a copy, although a page before it in the tree
// was evicted.
TEST_F(KvPagesTest, PageWithoutRoomForACopyLeavesTheTreeAndNoOtherDoes) {
  std::vector<uint8_t> bytes(size_t{64} << 10);
  Arena* const arena = Arena::Make(bytes.data(), bytes.size());
  ASSERT_NE(arena, nullptr);
  KvPages pages(arena);
  pages.Init(kData, kWindow, UINT64_MAX);
  KvPage* const other = Listed(pages, nullptr, 1);
  KvPage* const first = Listed(pages, nullptr, 2);
  KvPage* const second = Listed(pages, first, 3);
  Drop(pages, first);
  while (arena->Allocate(1) != nullptr) continue;
  KvPage* own = second;
  ASSERT_TRUE(pages.MakeOwn({0, false, false, true}, &own).ok());
  EXPECT_EQ(own, second);
  EXPECT_FALSE(own->is_listed);
  EXPECT_NE(own->data[1], nullptr);
  EXPECT_EQ(pages.facts().pages, 2u) << "the idle page was evicted";
  EXPECT_EQ(Find(pages, nullptr, 1), other);
  Drop(pages, own, true);
  Drop(pages, other);
  EXPECT_EQ(pages.facts().pages, 1u) << "the other one is idle";
}

TEST_F(KvPagesTest, PageThatOthersHaveIsCopiedBeforeItIsWritten) {
  KvPages pages(nullptr);
  pages.Init(kData, kWindow, 0);
  KvPage* const shared = Listed(pages, nullptr, 1, true);
  shared->data[0][3] = 33;
  shared->data[1][5] = 55;
  {
    const KvPages::Held held;
    pages.Hold(held, shared, true);
  }
  KvPage* own = shared;
  ASSERT_TRUE(pages.MakeOwn({4, true, true, true}, &own).ok());
  ASSERT_NE(own, shared);
  EXPECT_EQ(own->data[0][3], 33);
  EXPECT_EQ(own->data[1][5], 55);
  EXPECT_FALSE(own->is_listed);
  EXPECT_EQ(shared->holders, 1u);
  // No other session needs the page: it is removed from the tree, and stays in place.
  KvPage* left = shared;
  ASSERT_TRUE(pages.MakeOwn({4, true, true, true}, &left).ok());
  EXPECT_EQ(left, shared);
  EXPECT_FALSE(left->is_listed);
  Drop(pages, own, true);
  Drop(pages, left, true);
  EXPECT_EQ(pages.facts().bytes, 0u);
}

TEST_F(KvPagesTest, PartFilledPageIsWrittenBehindItsTokensInPlace) {
  KvPages pages(nullptr);
  pages.Init(kData, 0, UINT64_MAX);
  const PageTokens tokens = TokensFrom(1);
  KvPage* page = New(pages);
  KvPage* const before = page;
  {
    const KvPages::Held held;
    pages.Enter(held, page, nullptr, {}, tokens.data(), 5);
  }
  ASSERT_TRUE(pages.MakeOwn({5, true, false, false}, &page).ok());
  EXPECT_EQ(page, before);
  EXPECT_TRUE(page->is_listed);
  // Pages in the tree do not change for other sessions: here, idle pages are kept.
  ASSERT_TRUE(pages.MakeOwn({4, true, false, false}, &page).ok());
  EXPECT_NE(page, before);
  EXPECT_EQ(pages.facts().idle_bytes, sizeof(KvPage) + kData);
  Drop(pages, page);
}

}  // namespace
}  // namespace clamma
