// SPDX-License-Identifier: MIT
#include "platform/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "platform/cores.h"

namespace clamma {
namespace {

using Range = std::pair<size_t, size_t>;

// Returns the ranges with which ParallelFor() called its body, in ascending order.
std::vector<Range> RangesOf(ThreadPool& pool, size_t count, size_t grain) {
  std::mutex mutex;
  std::vector<Range> ranges;
  pool.ParallelFor(count, grain, [&](size_t begin, size_t end, unsigned /*worker*/) {
    const std::lock_guard<std::mutex> lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

void ExpectTiling(const std::vector<Range>& ranges, size_t count) {
  size_t at = 0;
  for (const Range& range : ranges) {
    ASSERT_EQ(range.first, at);
    ASSERT_LT(range.first, range.second);
    at = range.second;
  }
  EXPECT_EQ(at, count);
}

class ThreadPoolOf : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { ASSERT_TRUE(pool_.Start(memory_, GetParam()).ok()); }

  Memory memory_;
  ThreadPool pool_;
};

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, testing::Values(1u, 2u, 3u, 5u, 16u));

TEST_P(ThreadPoolOf, HasTheThreadsAskedForAsFarAsTheBuildHas) {
  EXPECT_EQ(pool_.threads(), kHasThreads ? std::min(GetParam(), kMaxThreads) : 1u);
}

TEST_P(ThreadPoolOf, CoversEachIndexOnce) {
  for (const size_t count : {0u, 1u, 2u, 3u, 7u, 15u, 16u, 17u, 64u, 255u, 256u, 257u, 1000u}) {
    for (const size_t grain : {0u, 1u, 2u, 3u, 16u, 100u, 999u, 5000u}) {
      SCOPED_TRACE(testing::Message() << "count " << count << ", grain " << grain);
      std::vector<std::atomic<int>> visits(count);
      pool_.ParallelFor(count, grain, [&](size_t begin, size_t end, unsigned /*worker*/) {
        for (size_t i = begin; i < end; ++i) visits[i].fetch_add(1);
      });
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(visits[i].load(), 1) << i;
    }
  }
}

TEST_P(ThreadPoolOf, CoversManyIndices) {
  constexpr size_t kCount = 3000017;
  std::vector<uint8_t> visits(kCount);
  pool_.ParallelFor(kCount, 1, [&](size_t begin, size_t end, unsigned /*worker*/) {
    for (size_t i = begin; i < end; ++i) ++visits[i];
  });
  EXPECT_EQ(std::count(visits.begin(), visits.end(), 1), static_cast<ptrdiff_t>(kCount));
}

TEST_P(ThreadPoolOf, RangesTileTheCountAndKeepTheGrain) {
  for (const size_t count :
       {size_t{1}, size_t{5}, size_t{100}, size_t{12345}, size_t{1} << 40, SIZE_MAX}) {
    for (const size_t grain :
         {size_t{0}, size_t{1}, size_t{7}, size_t{1000}, size_t{1} << 39, SIZE_MAX}) {
      SCOPED_TRACE(testing::Message() << "count " << count << ", grain " << grain);
      const std::vector<Range> ranges = RangesOf(pool_, count, grain);
      ExpectTiling(ranges, count);
      EXPECT_LE(ranges.size(), kMaxPieces);
      for (size_t i = 0; i + 1 < ranges.size(); ++i) {
        EXPECT_GE(ranges[i].second - ranges[i].first, grain);
      }
    }
  }
}

TEST_P(ThreadPoolOf, NothingToDoCallsNothing) {
  EXPECT_TRUE(RangesOf(pool_, 0, 0).empty());
  EXPECT_TRUE(RangesOf(pool_, 0, 10).empty());
}

TEST_P(ThreadPoolOf, AGrainAboveTheCountMakesOneRange) {
  EXPECT_EQ(RangesOf(pool_, 10, 11), (std::vector<Range>{{0, 10}}));
  EXPECT_EQ(RangesOf(pool_, 10, 10), (std::vector<Range>{{0, 10}}));
}

TEST_P(ThreadPoolOf, ThousandsOfTinyJobsFinish) {
  std::atomic<size_t> total{0};
  size_t expected = 0;
  for (size_t job = 0; job < 10000; ++job) {
    const size_t count = 1 + job % 40;
    expected += count;
    pool_.ParallelFor(count, 1,
                      [&](size_t begin, size_t end, unsigned /*worker*/) { total += end - begin; });
    ASSERT_EQ(total.load(), expected) << "after job " << job;
  }
}

// So a worker's number can select scratch memory.
TEST_P(ThreadPoolOf, NoWorkerNumberIsUsedTwiceAtATime) {
  std::vector<std::atomic<bool>> busy(pool_.threads());
  std::atomic<int> clashes{0};
  for (int job = 0; job < 300; ++job) {
    pool_.ParallelFor(200, 1, [&](size_t begin, size_t end, unsigned worker) {
      if (worker >= busy.size() || busy[worker].exchange(true)) {
        ++clashes;
        return;
      }
      for (volatile size_t i = begin; i < end;) i = i + 1;
      busy[worker].store(false);
    });
  }
  EXPECT_EQ(clashes.load(), 0);
}

// The next job reads what a job wrote, on any thread.
TEST_P(ThreadPoolOf, JobsSeeWhatEarlierJobsWrote) {
  constexpr size_t kCount = 500;
  std::vector<uint32_t> values(kCount);
  std::vector<uint32_t> next(kCount);
  for (uint32_t round = 0; round < 500; ++round) {
    pool_.ParallelFor(kCount, 1, [&](size_t begin, size_t end, unsigned /*worker*/) {
      for (size_t i = begin; i < end; ++i) next[i] = values[(i + 1) % kCount] + 1;
    });
    values.swap(next);
  }
  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(values[i], 500u) << i;
}

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void Sleep(long milliseconds) {
  const timespec span = {0, milliseconds * 1000000};
  nanosleep(&span, nullptr);
}

TEST_P(ThreadPoolOf, UsesNoProcessorWhileIdle) {
  RangesOf(pool_, 1000, 1);
  Sleep(50);  // workers may wait a moment for more before they sleep
  const double before = CpuSeconds();
  Sleep(300);
  EXPECT_LT(CpuSeconds() - before, 0.1);
  // They still wake up.
  ExpectTiling(RangesOf(pool_, 1000, 1), 1000);
}

TEST_P(ThreadPoolOf, StopReturnsWhatItHeldAndWorkGoesOnInTheCaller) {
  RangesOf(pool_, 1000, 1);
  pool_.Stop();
  EXPECT_EQ(pool_.threads(), 1u);
  EXPECT_EQ(memory_.bytes_in_use(), 0u);
  EXPECT_EQ(RangesOf(pool_, 1000, 1), (std::vector<Range>{{0, 1000}}));
  pool_.Stop();
}

TEST(ThreadPool, CutsTheThreadsToTheMostThereMayBe) {
  for (const unsigned threads : {kMaxThreads + 1, kMaxThreads * 1000, 0xffffffffu}) {
    Memory memory;
    ThreadPool pool;
    ASSERT_TRUE(pool.Start(memory, threads).ok()) << threads;
    EXPECT_EQ(pool.threads(), kHasThreads ? kMaxThreads : 1u) << threads;
    ExpectTiling(RangesOf(pool, 10000, 1), 10000);
  }
}

TEST(ThreadPool, WorksInTheCallerUnlessStarted) {
  ThreadPool pool;
  EXPECT_EQ(pool.threads(), 1u);
  const void* here = ThisThread();
  size_t calls = 0;
  pool.ParallelFor(100, 1, [&](size_t begin, size_t end, unsigned /*worker*/) {
    EXPECT_EQ(ThisThread(), here);
    EXPECT_EQ(begin, 0u);
    EXPECT_EQ(end, 100u);
    ++calls;
  });
  EXPECT_EQ(calls, 1u);
}

TEST(ThreadPool, PoolsComeAndGo) {
  for (unsigned i = 0; i < 200; ++i) {
    Memory memory;
    {
      ThreadPool pool;
      ASSERT_TRUE(pool.Start(memory, 1 + i % 5).ok());
      if (i % 2 == 0) ExpectTiling(RangesOf(pool, 100, 1), 100);
    }
    ASSERT_EQ(memory.bytes_in_use(), 0u);
  }
}

// All threads of a pool work on the same job, if there is enough work.
TEST(ThreadPool, WorkersTakePart) {
  if (!kHasThreads) GTEST_SKIP() << "a build without threads";
  Memory memory;
  ThreadPool pool;
  ASSERT_TRUE(pool.Start(memory, 3).ok());
  std::mutex mutex;
  std::set<const void*> seen;
  // Bounded, so that the test fails, and does not hang, if a pool never wakes its workers.
  for (int attempt = 0; attempt < 200 && seen.size() < 3; ++attempt) {
    pool.ParallelFor(12, 1, [&](size_t /*begin*/, size_t /*end*/, unsigned /*worker*/) {
      {
        const std::lock_guard<std::mutex> lock(mutex);
        seen.insert(ThisThread());
      }
      Sleep(1);
    });
  }
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Threads, CountsAtLeastOneCore) { EXPECT_GE(UsableCores(), 1u); }

}  // namespace
}  // namespace clamma
