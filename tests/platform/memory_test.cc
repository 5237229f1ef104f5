// SPDX-License-Identifier: MIT
#include "platform/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "allow_failed_allocations.h"

namespace clamma {
namespace {

bool IsAligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % kAlignment == 0;
}

TEST(AllocateZeroed, GivesZeroedAlignedMemory) {
  for (size_t bytes = 1; bytes < 300; ++bytes) {
    auto* p = static_cast<uint8_t*>(AllocateZeroed(nullptr, bytes));
    ASSERT_NE(p, nullptr) << bytes;
    EXPECT_TRUE(IsAligned(p)) << bytes;
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(p[i], 0) << i << " of " << bytes;
    std::memset(p, 0xff, bytes);
    Deallocate(nullptr, p, bytes);
  }
}

TEST(AllocateZeroed, GivesNothingForNoneOrTooMany) {
  EXPECT_EQ(AllocateZeroed(nullptr, 0), nullptr);
  EXPECT_EQ(AllocateZeroed(nullptr, SIZE_MAX), nullptr);
  EXPECT_EQ(AllocateZeroed(nullptr, SIZE_MAX - kAlignment + 1), nullptr);
  EXPECT_EQ(AllocateZeroed(nullptr, SIZE_MAX - kAlignment), nullptr);
  EXPECT_EQ(AllocateZeroed(nullptr, SIZE_MAX / 2), nullptr);
  Deallocate(nullptr, nullptr, 0);
}

TEST(Memory, CountsWhatItHolds) {
  Memory memory;
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  void* a = nullptr;
  void* b = nullptr;
  ASSERT_TRUE(memory.Allocate(100, &a).ok());
  EXPECT_EQ(memory.bytes_in_use(), 100u);
  ASSERT_TRUE(memory.Allocate(1, &b).ok());
  EXPECT_EQ(memory.bytes_in_use(), 101u);
  memory.Free(a, 100);
  EXPECT_EQ(memory.bytes_in_use(), 1u);
  memory.Free(b, 1);
  memory.Free(nullptr, 55);
  EXPECT_EQ(memory.bytes_in_use(), 0u);
}

TEST(Memory, ReportsAFailureWithItsSizeAndCountsNothing) {
  Memory memory;
  int here = 0;
  void* p = &here;
  const Status status = memory.Allocate(UINT64_MAX, &p);
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_NE(std::strstr(status.message(), "18446744073709551615"), nullptr) << status.message();
  EXPECT_EQ(p, nullptr);
  EXPECT_EQ(memory.bytes_in_use(), 0u);
}

TEST(Array, StartsEmpty) {
  const Array<int> array;
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(array.data(), nullptr);
}

TEST(Array, GrowingKeepsOldElementsAndZeroesNewOnes) {
  Memory memory;
  Array<uint32_t> array;
  size_t filled = 0;
  for (const size_t size : {1u, 3u, 16u, 17u, 1000u}) {
    ASSERT_TRUE(array.Resize(memory, size).ok());
    ASSERT_EQ(array.size(), size);
    EXPECT_TRUE(IsAligned(array.data()));
    EXPECT_EQ(memory.bytes_in_use(), size * 4);
    for (size_t i = 0; i < filled; ++i) ASSERT_EQ(array[i], i + 1) << size;
    for (size_t i = filled; i < size; ++i) ASSERT_EQ(array[i], 0u) << size;
    for (; filled < size; ++filled) array[filled] = static_cast<uint32_t>(filled + 1);
  }
}

TEST(Array, ShrinkingKeepsTheFrontAndGivesTheRestBack) {
  Memory memory;
  Array<uint32_t> array;
  ASSERT_TRUE(array.Resize(memory, 100).ok());
  for (uint32_t i = 0; i < 100; ++i) array[i] = i;
  ASSERT_TRUE(array.Resize(memory, 10).ok());
  EXPECT_EQ(array.size(), 10u);
  EXPECT_EQ(memory.bytes_in_use(), 40u);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(array[i], i);
  // Elements that were cut off are gone.
  ASSERT_TRUE(array.Resize(memory, 20).ok());
  for (uint32_t i = 10; i < 20; ++i) EXPECT_EQ(array[i], 0u);
}

TEST(Array, ResizeToNothingHoldsNothing) {
  Memory memory;
  Array<double> array;
  ASSERT_TRUE(array.Resize(memory, 0).ok());
  ASSERT_TRUE(array.Resize(memory, 5).ok());
  ASSERT_TRUE(array.Resize(memory, 0).ok());
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(array.data(), nullptr);
  EXPECT_EQ(memory.bytes_in_use(), 0u);
}

// Sizes whose number of bytes wraps around 2^64 to a small number or 0.
TEST(Array, RefusesSizesThatOverflow) {
  Memory memory;
  Array<uint64_t> array;
  ASSERT_TRUE(array.Resize(memory, 2).ok());
  array[0] = 11;
  array[1] = 22;
  const uint64_t* data = array.data();
  for (const uint64_t size :
       {UINT64_MAX, UINT64_MAX / 8 + 1, UINT64_MAX / 8 + 2, UINT64_MAX / 8, UINT64_MAX / 2,
        (uint64_t{1} << 61) + 1, uint64_t{1} << 61, uint64_t{1} << 63, uint64_t{1} << 58}) {
    const Status status = array.Resize(memory, size);
    EXPECT_EQ(status.code(), StatusCode::kOutOfMemory) << size;
    EXPECT_STRNE(status.message(), "") << size;
    ASSERT_EQ(array.size(), 2u) << size;
    EXPECT_EQ(array.data(), data) << size;
    EXPECT_EQ(memory.bytes_in_use(), 16u) << size;
  }
  EXPECT_EQ(array[0], 11u);
  EXPECT_EQ(array[1], 22u);
}

TEST(Array, CountReturnsToZeroWithItsScope) {
  Memory memory;
  {
    Array<char> a;
    Array<int> b;
    ASSERT_TRUE(a.Resize(memory, 10).ok());
    ASSERT_TRUE(b.Resize(memory, 10).ok());
    ASSERT_TRUE(a.Resize(memory, 20).ok());
    EXPECT_EQ(memory.bytes_in_use(), 60u);
    b.Reset();
    b.Reset();
    EXPECT_EQ(memory.bytes_in_use(), 20u);
  }
  EXPECT_EQ(memory.bytes_in_use(), 0u);
}

TEST(Array, MovesWithoutCopying) {
  Memory memory;
  {
    Array<int> a;
    ASSERT_TRUE(a.Resize(memory, 3).ok());
    a[2] = 42;
    const int* data = a.data();
    Array<int> b(std::move(a));
    EXPECT_EQ(b.data(), data);
    EXPECT_EQ(b.size(), 3u);
    EXPECT_EQ(b[2], 42);
    Array<int> c;
    c = std::move(b);
    EXPECT_EQ(c.data(), data);
    EXPECT_EQ(c[2], 42);
    EXPECT_EQ(memory.bytes_in_use(), 12u);
  }
  EXPECT_EQ(memory.bytes_in_use(), 0u);
}

TEST(Array, SwapsOwnersToo) {
  Memory of_a;
  Memory of_b;
  {
    Array<char> a;
    Array<char> b;
    ASSERT_TRUE(a.Resize(of_a, 5).ok());
    ASSERT_TRUE(b.Resize(of_b, 7).ok());
    a.Swap(b);
    EXPECT_EQ(a.size(), 7u);
    EXPECT_EQ(b.size(), 5u);
    a.Reset();
    EXPECT_EQ(of_a.bytes_in_use(), 5u);
    EXPECT_EQ(of_b.bytes_in_use(), 0u);
  }
  EXPECT_EQ(of_a.bytes_in_use(), 0u);
}

// ---- Of an arena ----

TEST(Memory, OfAnArenaCountsAndGivesBackThere) {
  alignas(kAlignment) static uint8_t room[4096];
  std::memset(room, 0xaa, sizeof(room));
  Arena* arena = Arena::Make(room, sizeof(room));
  ASSERT_NE(arena, nullptr);
  const size_t before = arena->usage().in_use;
  Memory memory(arena);
  Array<uint32_t> array;
  ASSERT_TRUE(array.Resize(memory, 100).ok());
  EXPECT_GE(reinterpret_cast<uint8_t*>(array.data()), room);
  EXPECT_LT(reinterpret_cast<uint8_t*>(array.data()), room + sizeof(room));
  for (size_t i = 0; i < 100; ++i) ASSERT_EQ(array[i], 0u) << "not zeroed";
  EXPECT_EQ(memory.bytes_in_use(), 400u);
  EXPECT_EQ(arena->usage().in_use, before + 448);
  array.Reset();
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  EXPECT_EQ(arena->usage().in_use, before);
}

TEST(Memory, OfAnArenaSaysHowLargeItMustBe) {
  static uint8_t room[1024];
  static uint8_t larger[8192];
  Memory memory(Arena::Make(room, sizeof(room)));
  void* p = nullptr;
  const Status status = memory.Allocate(3000, &p);
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  unsigned long long has = 0;
  unsigned long long needed = 0;
  ASSERT_EQ(
      std::sscanf(status.message(), "out of memory: the arena has %llu bytes, and %llu are needed",
                  &has, &needed),
      2)
      << status.message();
  EXPECT_EQ(has, sizeof(room));
  ASSERT_LE(needed, sizeof(larger) - 64);
  for (size_t skipped = 0; skipped < 64; ++skipped) {
    Memory enough(Arena::Make(larger + skipped, static_cast<size_t>(needed)));
    EXPECT_TRUE(enough.Allocate(3000, &p).ok()) << skipped;
  }
  Memory less(Arena::Make(larger, static_cast<size_t>(needed) - 2 * kAlignment));
  EXPECT_FALSE(less.Allocate(3000, &p).ok());
  EXPECT_FALSE(memory.Allocate(UINT64_MAX, &p).ok());
}

TEST(Memory, OfAPlanAddsUpAndTouchesNothing) {
  Memory plan((Memory::Plan()));
  EXPECT_TRUE(plan.is_plan());
  Array<uint64_t> array;
  ASSERT_TRUE(array.Resize(plan, 10).ok());
  EXPECT_EQ(array.size(), 10u);
  EXPECT_EQ(array.data(), nullptr);
  EXPECT_EQ(plan.planned_bytes(), 128u);
  ASSERT_TRUE(array.Resize(plan, 17).ok());
  EXPECT_EQ(plan.planned_bytes(), 128u + 192u);
  plan.PlanFor(UINT64_MAX);
  EXPECT_EQ(plan.planned_bytes(), UINT64_MAX);
  EXPECT_EQ(plan.bytes_in_use(), 0u);
}

struct Counted {
  explicit Counted(int* alive) : alive_(alive) { ++*alive_; }
  ~Counted() { --*alive_; }
  int* alive_;
};

TEST(NewObject, ConstructsAndDestroys) {
  int alive = 0;
  auto* object = NewObject<Counted>(nullptr, &alive);
  ASSERT_NE(object, nullptr);
  EXPECT_TRUE(IsAligned(object));
  EXPECT_EQ(alive, 1);
  DeleteObject(nullptr, object);
  EXPECT_EQ(alive, 0);
  DeleteObject<Counted>(nullptr, nullptr);
}

TEST(CheckedArithmetic, RefusesWhatDoesNotFit) {
  constexpr uint64_t kHalf = uint64_t{1} << 32;
  uint64_t result = 0;
  EXPECT_TRUE(CheckedMultiply(kHalf, kHalf - 1, &result));
  EXPECT_EQ(result, 0xffffffff00000000u);
  EXPECT_FALSE(CheckedMultiply(kHalf, kHalf, &result));
  EXPECT_TRUE(CheckedMultiply(UINT64_MAX, 1, &result));
  EXPECT_EQ(result, UINT64_MAX);
  EXPECT_TRUE(CheckedMultiply(UINT64_MAX, 0, &result));
  EXPECT_EQ(result, 0u);
  EXPECT_FALSE(CheckedMultiply(UINT64_MAX, 2, &result));
  EXPECT_TRUE(CheckedAdd(UINT64_MAX - 1, 1, &result));
  EXPECT_EQ(result, UINT64_MAX);
  EXPECT_FALSE(CheckedAdd(UINT64_MAX, 1, &result));
}

}  // namespace
}  // namespace clamma
