// SPDX-License-Identifier: MIT
#include "platform/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace clamma {
namespace {

struct Item {
  uint32_t key;
  uint16_t same;  // shows whether items stay whole
};
bool Before(const Item& a, const Item& b) { return a.key < b.key; }

TEST(Sort, PutsItemsOfAnyNumberInOrder) {
  std::mt19937 random(1);
  for (size_t n = 0; n < 300; ++n) {
    for (const uint32_t keys : {1u, 5u, 1000000u}) {
      std::vector<Item> items(n);
      std::vector<uint32_t> expected;
      for (Item& item : items) {
        item.key = static_cast<uint32_t>(random() % keys);
        item.same = static_cast<uint16_t>(item.key * 7);
        expected.push_back(item.key);
      }
      std::sort(expected.begin(), expected.end());
      Sort<Item, Before>(items.data(), n);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(items[i].key, expected[i]) << n << ", " << keys;
        ASSERT_EQ(items[i].same, static_cast<uint16_t>(items[i].key * 7));
      }
    }
  }
}

TEST(Sort, TakesNLogNStepsWhateverTheOrder) {
  constexpr uint32_t kItems = 300000;
  for (const bool rising : {true, false}) {
    std::vector<Item> items(kItems);
    for (uint32_t i = 0; i < kItems; ++i) items[i].key = rising ? i : kItems - i;
    Sort<Item, Before>(items.data(), kItems);  // a quadratic sort would take minutes
    EXPECT_TRUE(std::is_sorted(items.begin(), items.end(), Before));
  }
}

}  // namespace
}  // namespace clamma
