// SPDX-License-Identifier: MIT
#include "model/block_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "checkpoint_bytes.h"
#include "temporary_folder.h"

namespace clamma {
namespace {

// A range of bytes of the file.
TensorPlace PlaceOf(uint64_t offset, uint64_t bytes) {
  TensorPlace place;
  place.offset = offset;
  place.bytes = bytes;
  return place;
}

// Opens a cache with these blocks.
Status Open(Memory& memory, size_t limit, const std::vector<TensorPlace>& places,
            BlockCache* cache) {
  TensorTotals totals;
  for (const TensorPlace& place : places) totals.Add(place.bytes, 1);
  CLAMMA_RETURN_IF_ERROR(cache->Init(memory, limit, totals));
  for (const TensorPlace& place : places) cache->AddBlock(place);
  cache->Seal();
  return Status();
}

// A source of random bytes, and a cache of its blocks.
class BlockCacheTest : public testing::Test {
 protected:
  BlockCacheTest() : bytes_(100000) {
    std::mt19937 random(1);
    for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(random());
    source_.base = bytes_.data();
    source_.size = bytes_.size();
  }

  // Opens a cache with blocks of these sizes and gaps of 4 bytes between them.
  void Open(size_t limit, const std::vector<uint64_t>& sizes) {
    uint64_t at = 8;
    for (const uint64_t size : sizes) {
      places_.push_back(PlaceOf(at, size));
      at += size + 4;
    }
    // The order of blocks does not matter.
    const std::vector<TensorPlace> reversed(places_.rbegin(), places_.rend());
    ASSERT_TRUE(clamma::Open(memory_, limit, reversed, &cache_).ok());
    table_bytes_ = memory_.bytes_in_use();
  }

  void Pin(size_t block) {
    const uint8_t* data = nullptr;
    const Status status = cache_.Pin(&source_, places_[block], &data);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(Holds(data, block)) << block;
  }
  bool Holds(const uint8_t* data, size_t block) const {
    const uint64_t size = places_[block].bytes;
    const std::vector<uint8_t> expected =
        clamma_test::InMachineOrder(&bytes_[places_[block].offset], size, 0);
    return std::memcmp(data, expected.data(), size) == 0;
  }
  void Unpin(size_t block) { cache_.Unpin(places_[block]); }
  void Use(size_t block) {
    Pin(block);
    Unpin(block);
  }

  void ExpectStats(size_t hits, size_t misses, size_t evictions, size_t bytes) {
    const BlockCacheStats stats = cache_.stats();
    EXPECT_EQ(stats.hits, hits);
    EXPECT_EQ(stats.misses, misses);
    EXPECT_EQ(stats.evictions, evictions);
    EXPECT_EQ(stats.bytes, bytes);
    EXPECT_EQ(memory_.bytes_in_use(), table_bytes_ + bytes);
  }

  Memory memory_;
  std::vector<uint8_t> bytes_;
  ByteSource source_;
  BlockCache cache_;
  std::vector<TensorPlace> places_;
  size_t table_bytes_ = 0;
};

TEST_F(BlockCacheTest, CountsHitsAndMisses) {
  Open(0, {100, 200, 300});
  ExpectStats(0, 0, 0, 0);
  Use(0);
  ExpectStats(0, 1, 0, 100);
  Use(0);
  ExpectStats(1, 1, 0, 100);
  Use(2);
  Use(1);
  ExpectStats(1, 3, 0, 600);
  Use(2);
  Use(0);
  ExpectStats(3, 3, 0, 600);
  EXPECT_EQ(cache_.stats().limit, 0u);
}

TEST_F(BlockCacheTest, EvictsTheLeastRecentlyUsed) {
  Open(300, {100, 100, 100, 100});
  Use(0);
  Use(1);
  Use(2);
  Use(0);  // now 1 is the oldest
  ExpectStats(1, 3, 0, 300);
  Use(3);
  ExpectStats(1, 4, 1, 300);
  Use(0);
  Use(2);
  ExpectStats(3, 4, 1, 300);  // both are still there
  Use(1);                     // drops 3
  ExpectStats(3, 5, 2, 300);
  Use(0);
  Use(2);
  ExpectStats(5, 5, 2, 300);
  EXPECT_EQ(cache_.stats().limit, 300u);
}

TEST_F(BlockCacheTest, EvictsAsManyAsALargeBlockNeeds) {
  Open(300, {100, 100, 100, 250});
  for (const size_t block : {0u, 1u, 2u}) Use(block);
  Use(3);
  ExpectStats(0, 4, 3, 250);
}

TEST_F(BlockCacheTest, NeverEvictsWhatIsPinned) {
  Open(300, {100, 100, 100, 100, 100});
  const uint8_t* first = nullptr;
  ASSERT_TRUE(cache_.Pin(&source_, places_[0], &first).ok());
  for (int round = 0; round < 10; ++round) {
    for (const size_t block : {1u, 2u, 3u, 4u}) Use(block);
  }
  EXPECT_TRUE(Holds(first, 0));
  const size_t misses = cache_.stats().misses;
  const uint8_t* again = nullptr;
  ASSERT_TRUE(cache_.Pin(&source_, places_[0], &again).ok());
  EXPECT_EQ(again, first);
  EXPECT_EQ(cache_.stats().misses, misses);
  // Pinned twice, unpinned once: it stays.
  Unpin(0);
  for (const size_t block : {1u, 2u, 3u, 4u}) Use(block);
  EXPECT_TRUE(Holds(first, 0));
  Unpin(0);
  for (const size_t block : {1u, 2u, 3u, 4u}) Use(block);
  const size_t before = cache_.stats().misses;
  Use(0);
  EXPECT_EQ(cache_.stats().misses, before + 1);
}

TEST_F(BlockCacheTest, AllPinnedIsAClearError) {
  Open(250, {100, 100, 100});
  Pin(0);
  Pin(1);
  const uint8_t* data = nullptr;
  const Status status = cache_.Pin(&source_, places_[2], &data);
  EXPECT_EQ(status.code(), StatusCode::kLimit);
  EXPECT_NE(std::strstr(status.message(), "250"), nullptr) << status.message();
  EXPECT_NE(std::strstr(status.message(), "in use"), nullptr) << status.message();
  EXPECT_EQ(cache_.stats().bytes, 200u);
  // Blocks that are released make room again.
  Unpin(0);
  Use(2);
  ExpectStats(0, cache_.stats().misses, 1, 200);
}

TEST_F(BlockCacheTest, ABlockAsLargeAsTheLimitFits) {
  Open(300, {300, 10});
  Use(0);
  ExpectStats(0, 1, 0, 300);
  Use(1);
  ExpectStats(0, 2, 1, 10);
}

TEST_F(BlockCacheTest, ABlockAboveTheLimitIsRefusedWithTheSizeItNeeds) {
  const Status status = clamma::Open(memory_, 299, {PlaceOf(0, 299), PlaceOf(299, 300)}, &cache_);
  EXPECT_EQ(status.code(), StatusCode::kLimit);
  EXPECT_NE(std::strstr(status.message(), "300"), nullptr) << status.message();
  EXPECT_NE(std::strstr(status.message(), "299"), nullptr) << status.message();
}

// Compared with a simple list, with a changing number of random pins.
TEST_F(BlockCacheTest, BehavesAsALeastRecentlyUsedListDoes) {
  std::mt19937 random(2);
  std::vector<uint64_t> sizes;
  for (int i = 0; i < 40; ++i) sizes.push_back(1 + random() % 1000);
  constexpr size_t kLimit = 5000;
  Open(kLimit, sizes);
  std::list<size_t> held;  // the least recently used first
  std::map<size_t, int> pins;
  size_t hits = 0;
  size_t misses = 0;
  size_t evictions = 0;
  size_t bytes = 0;
  for (int step = 0; step < 20000; ++step) {
    if (pins.size() > 3 || (!pins.empty() && random() % 2 == 0)) {
      const auto pinned = std::next(pins.begin(), static_cast<ptrdiff_t>(random() % pins.size()));
      Unpin(pinned->first);
      if (--pinned->second == 0) pins.erase(pinned);
      continue;
    }
    const size_t block = random() % 40;
    Pin(block);
    const auto found = std::find(held.begin(), held.end(), block);
    if (found != held.end()) {
      ++hits;
      held.erase(found);
    } else {
      ++misses;
      while (bytes + sizes[block] > kLimit) {
        const auto oldest = std::find_if(held.begin(), held.end(),
                                         [&](size_t other) { return !pins.contains(other); });
        ASSERT_NE(oldest, held.end());
        bytes -= sizes[*oldest];
        held.erase(oldest);
        ++evictions;
      }
      bytes += sizes[block];
    }
    held.push_back(block);
    ++pins[block];
    ASSERT_LE(cache_.stats().bytes, kLimit) << "step " << step;
    ASSERT_NO_FATAL_FAILURE(ExpectStats(hits, misses, evictions, bytes)) << "step " << step;
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
  EXPECT_GT(evictions, 1000u);
}

// Offsets may be the same in several files.
TEST_F(BlockCacheTest, BlocksAreOfSeveralFiles) {
  ByteSource sources[2] = {source_, source_};
  sources[1].base += 1000;
  TensorPlace places[] = {PlaceOf(8, 100), PlaceOf(8, 100), PlaceOf(200, 50)};
  places[1].file = 1;
  places[2].file = 1;
  ASSERT_TRUE(clamma::Open(memory_, 0, {places[2], places[0], places[1]}, &cache_).ok());
  for (const TensorPlace& place : places) {
    const uint8_t* data = nullptr;
    ASSERT_TRUE(cache_.Pin(sources, place, &data).ok());
    const std::vector<uint8_t> expected =
        clamma_test::InMachineOrder(sources[place.file].base + place.offset, place.bytes, 0);
    EXPECT_EQ(std::memcmp(data, expected.data(), place.bytes), 0);
    cache_.Unpin(place);
  }
  EXPECT_EQ(cache_.stats().misses, 3u);
}

TEST_F(BlockCacheTest, HoldsNothingAfterItsEnd) {
  Memory memory;
  {
    BlockCache cache;
    const TensorPlace places[] = {PlaceOf(0, 50), PlaceOf(50, 60)};
    ASSERT_TRUE(clamma::Open(memory, 0, {places[0], places[1]}, &cache).ok());
    const uint8_t* data = nullptr;
    ASSERT_TRUE(cache.Pin(&source_, places[0], &data).ok());
    ASSERT_TRUE(cache.Pin(&source_, places[1], &data).ok());
    cache.Unpin(places[1]);
  }
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  { const BlockCache unused; }
}

// If the file is truncated meanwhile, there is an error, and the cache stays consistent.
TEST_F(BlockCacheTest, AReadErrorIsReportedAndMended) {
  const clamma_test::TemporaryFolder folder;
  const std::string path = folder.Write("blocks", bytes_);
  File file;
  ASSERT_TRUE(file.Open(path.c_str(), "").ok());
  source_.base = nullptr;
  source_.file = &file;
  Open(2500, {1000, 1000, 1000, 1000});
  Use(0);
  Use(1);
  std::filesystem::resize_file(path, places_[2].offset + 999);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const uint8_t* data = nullptr;
    const Status status = cache_.Pin(&source_, places_[2], &data);
    EXPECT_EQ(status.code(), StatusCode::kIo);
    EXPECT_STRNE(status.message(), "");
    EXPECT_LE(cache_.stats().bytes, 2500u);
    EXPECT_EQ(memory_.bytes_in_use(), table_bytes_ + cache_.stats().bytes);
  }
  Use(1);  // other blocks can still be read
  folder.Write("blocks", bytes_);
  for (const size_t block : {2u, 3u, 0u, 1u}) Use(block);
}

TEST_F(BlockCacheTest, ReadsFromFilesToo) {
  const clamma_test::TemporaryFolder folder;
  File file;
  ASSERT_TRUE(file.Open(folder.Write("blocks", bytes_).c_str(), "").ok());
  source_.base = nullptr;
  source_.file = &file;
  Open(1500, {1000, 1, 999, 500, 64});
  for (int round = 0; round < 3; ++round) {
    for (size_t block = 0; block < 5; ++block) Use(block);
  }
}

}  // namespace
}  // namespace clamma
