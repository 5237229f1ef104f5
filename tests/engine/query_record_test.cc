// SPDX-License-Identifier: MIT
#include "engine/query_record.h"

#include <gtest/gtest.h>

namespace {

uint64_t clock_now = 0;

}  // namespace

namespace clamma {

// Replaces the library's clock.
uint64_t SteadyNow() { return clock_now; }

namespace {

TEST(QueryRecordTest, PhasesFollowEachOther) {
  FullQueryRecord record;
  clock_now = 1'000'000'000;
  record.Begin(70, 0);
  clock_now = 3'000'000'000;
  EXPECT_EQ(record.waiting_seconds(), 2);
  record.Serve(32);
  record.Advance(6);
  clock_now = 6'000'000'000;
  record.Serve(64);
  record.Advance(0);
  EXPECT_EQ(record.waiting_seconds(), 2);
  EXPECT_EQ(record.prompt_seconds(), 3);
  EXPECT_EQ(record.generation_seconds(), 0);
  clock_now = 10'000'000'000;
  EXPECT_EQ(record.generation_seconds(), 4);
  record.End();
  clock_now = 20'000'000'000;
  EXPECT_EQ(record.generation_seconds(), 4);
  EXPECT_EQ(record.prompt_tokens(), 70u);
  EXPECT_EQ(record.cached_tokens(), 32u) << "those before the first part";
}

// As on machines without a clock.
TEST(QueryRecordTest, TokensBehindThePromptAreNoPartsWithoutAClock) {
  clock_now = 0;
  FullQueryRecord record;
  record.Begin(3, 1);
  record.Serve(1);
  record.Advance(0);
  EXPECT_TRUE(record.TakePart());
  EXPECT_FALSE(record.TakePart());
  record.Serve(3);
  record.Advance(0);
  EXPECT_FALSE(record.TakePart());
  EXPECT_EQ(record.cached_tokens(), 1u);
  record.End();
  EXPECT_EQ(record.generation_seconds(), 0);
}

}  // namespace
}  // namespace clamma
