// SPDX-License-Identifier: MIT
#include "platform/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <new>
#include <random>
#include <vector>

namespace clamma {
namespace {

// Memory `offset` bytes after an aligned address, and exactly as large as the arena, so that a
// sanitizer sees writes beyond it.
class Room {
 public:
  explicit Room(size_t size, size_t offset = 0)
      : bytes_(static_cast<uint8_t*>(::operator new(size + offset, kAligned))),
        base_(bytes_ + offset),
        size_(size) {
    std::memset(bytes_, 0xaa, size + offset);
  }
  ~Room() { ::operator delete(bytes_, kAligned); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  Arena* Make() { return Arena::Make(base_, size_); }
  bool Holds(const void* pointer, size_t bytes) const {
    const auto* p = static_cast<const uint8_t*>(pointer);
    return p >= base_ && p + bytes <= base_ + size_;
  }

 private:
  static constexpr std::align_val_t kAligned{kAlignment};
  uint8_t* bytes_;
  uint8_t* base_;
  size_t size_;
};

bool IsAligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % kAlignment == 0;
}

TEST(Arena, BeginsInAnyMemoryThatIsLargeEnough) {
  for (size_t offset = 0; offset < 70; ++offset) {
    bool began = false;
    for (size_t size = 0; size < 500; ++size) {
      Room room(size, offset);
      Arena* arena = room.Make();
      EXPECT_TRUE(arena != nullptr || !began) << size << " is too small, and less was not";
      began = began || arena != nullptr;
      if (size >= Arena::Overhead()) {
        EXPECT_NE(arena, nullptr) << size;
      }
      if (arena == nullptr) continue;
      EXPECT_EQ(arena->usage().size, size);
      void* p = arena->Allocate(1);
      if (size >= Arena::Overhead() + Arena::CostOf(1)) {
        EXPECT_NE(p, nullptr) << size;
      }
      if (p != nullptr) {
        EXPECT_TRUE(room.Holds(p, kAlignment)) << size << " at " << offset;
      }
    }
    EXPECT_TRUE(began);
  }
}

TEST(Arena, GivesNothingForNoneOrTooMany) {
  Room room(4096);
  Arena* arena = room.Make();
  EXPECT_EQ(arena->Allocate(0), nullptr);
  EXPECT_EQ(arena->Allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(arena->Allocate(SIZE_MAX - 62), nullptr);
  EXPECT_EQ(arena->Allocate(4096), nullptr);
  arena->Free(nullptr, 5);
  EXPECT_NE(arena->Allocate(3000), nullptr);
}

TEST(Arena, CostIsTheSizeRoundedUp) {
  EXPECT_EQ(Arena::CostOf(1), 64u);
  EXPECT_EQ(Arena::CostOf(64), 64u);
  EXPECT_EQ(Arena::CostOf(65), 128u);
  EXPECT_EQ(Arena::CostOf(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(Arena::CostOf(UINT64_MAX - 63), UINT64_MAX);
}

// Frees neighbours in every order: they must become one free block again.
TEST(Arena, FreeStretchesComeTogetherInWhateverOrder) {
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  do {
    Room room(Arena::Overhead() + 5 * 128);
    Arena* arena = room.Make();
    const size_t before = arena->usage().in_use;
    void* blocks[5];
    for (void*& block : blocks) {
      block = arena->Allocate(100);
      ASSERT_NE(block, nullptr);
    }
    for (const size_t i : order) arena->Free(blocks[i], 100);
    EXPECT_EQ(arena->usage().in_use, before);
    EXPECT_EQ(arena->usage().end, before);
    EXPECT_NE(arena->Allocate(5 * 128), nullptr);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Arena, TakesTheFirstStretchThatIsLargeEnough) {
  Room room(8192);
  Arena* arena = room.Make();
  void* a = arena->Allocate(256);
  void* keep = arena->Allocate(64);
  void* b = arena->Allocate(512);
  void* keep2 = arena->Allocate(64);
  arena->Free(a, 256);
  arena->Free(b, 512);
  EXPECT_EQ(arena->Allocate(300), b);
  EXPECT_EQ(arena->Allocate(64), a);
  EXPECT_EQ(arena->Allocate(128), static_cast<uint8_t*>(a) + 64);
  EXPECT_NE(keep, keep2);
}

// Makes the same calls in arenas of every size: they succeed if the arena is as large as the peak.
TEST(Arena, PeakIsASizeThatDoes) {
  const auto run = [](Arena* arena) {
    void* a = arena->Allocate(1000);
    void* b = arena->Allocate(2000);
    if (a != nullptr) arena->Free(a, 1000);
    void* c = arena->Allocate(500);
    void* d = arena->Allocate(1500);
    return a != nullptr && b != nullptr && c != nullptr && d != nullptr;
  };
  alignas(kAlignment) static uint8_t bytes[8192];
  Arena* roomy = Arena::Make(bytes, sizeof(bytes));
  ASSERT_TRUE(run(roomy));
  const size_t peak = roomy->usage().peak;
  EXPECT_GT(peak, 5000u - 1000u);
  for (size_t size = 1; size < sizeof(bytes); ++size) {
    Arena* arena = Arena::Make(bytes, size);
    if (arena == nullptr) {
      EXPECT_LT(size, peak);
    } else {
      EXPECT_EQ(run(arena), size >= peak) << size;
    }
  }
}

// Random calls: blocks are aligned, inside the arena, separate from each other, and keep their
// bytes.
TEST(Arena, KeepsWhatItGaveApartOverManyRandomCalls) {
  std::mt19937 random(7);
  for (const size_t size : {size_t{1000}, size_t{20000}, size_t{200000}}) {
    Room room(size, 13);
    Arena* arena = room.Make();
    ASSERT_NE(arena, nullptr);
    const size_t before = arena->usage().in_use;
    struct Block {
      size_t bytes;
      uint8_t mark;
    };
    std::map<uint8_t*, Block> live;
    size_t in_use = before;
    for (int i = 0; i < 20000; ++i) {
      if (live.empty() || random() % 2 == 0) {
        const size_t bytes = 1 + random() % (random() % 4 == 0 ? 5000 : 200);
        auto* p = static_cast<uint8_t*>(arena->Allocate(bytes));
        if (p == nullptr) continue;
        ASSERT_TRUE(IsAligned(p));
        ASSERT_TRUE(room.Holds(p, bytes));
        const auto behind = live.lower_bound(p);
        if (behind != live.end()) {
          ASSERT_LE(p + bytes, behind->first);
        }
        if (behind != live.begin()) {
          const auto ahead = std::prev(behind);
          ASSERT_LE(ahead->first + ahead->second.bytes, p);
        }
        const auto mark = static_cast<uint8_t>(random());
        std::memset(p, mark, bytes);
        live[p] = {bytes, mark};
        in_use += static_cast<size_t>(Arena::CostOf(bytes));
      } else {
        auto it = live.begin();
        std::advance(it, random() % live.size());
        const auto [p, block] = *it;
        for (size_t k = 0; k < block.bytes; ++k) ASSERT_EQ(p[k], block.mark);
        arena->Free(p, block.bytes);
        in_use -= static_cast<size_t>(Arena::CostOf(block.bytes));
        live.erase(it);
      }
      ASSERT_EQ(arena->usage().in_use, in_use);
      ASSERT_LE(arena->usage().in_use, arena->usage().end);
      ASSERT_LE(arena->usage().end, arena->usage().peak);
      ASSERT_LE(arena->usage().peak, size);
    }
    for (const auto& [p, block] : live) arena->Free(p, block.bytes);
    EXPECT_EQ(arena->usage().in_use, before);
    EXPECT_EQ(arena->usage().end, before);
  }
}

}  // namespace
}  // namespace clamma
