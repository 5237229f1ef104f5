// SPDX-License-Identifier: MIT
#include "platform/status.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace clamma {
namespace {

constexpr size_t kLongest = Status::kMaxMessage - 1;

TEST(Status, OkByDefaultWithAnEmptyMessage) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_STREQ(status.message(), "");
}

TEST(Status, FormatsItsMessage) {
  const Status status = Status::Error(StatusCode::kCorrupt, "%s has %u of %llu, %d%%", "token", 3u,
                                      18446744073709551615ull, -5);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STREQ(status.message(), "token has 3 of 18446744073709551615, -5%");
}

TEST(Status, KeepsEachCode) {
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kNotFound, StatusCode::kIo, StatusCode::kCorrupt,
        StatusCode::kOutOfMemory, StatusCode::kLimit, StatusCode::kBusy}) {
    const Status status = Status::Error(code, "x");
    EXPECT_EQ(status.code(), code);
    EXPECT_FALSE(status.ok());
  }
}

TEST(Status, KeepsAMessageThatJustFits) {
  const std::string text(kLongest, 'a');
  EXPECT_EQ(Status::Error(StatusCode::kIo, "%s", text.c_str()).message(), text);
}

TEST(Status, CutsALongerMessageWithDots) {
  for (const size_t size : {kLongest + 1, kLongest + 2, size_t{100000}}) {
    const std::string text(size, 'a');
    const Status status = Status::Error(StatusCode::kIo, "%s", text.c_str());
    EXPECT_EQ(status.message(), std::string(kLongest - 3, 'a') + "...") << size;
  }
}

TEST(Status, CopiesCodeAndMessage) {
  const Status original = Status::Error(StatusCode::kLimit, "full: %d", 7);
  const Status copy = original;
  EXPECT_EQ(copy.code(), StatusCode::kLimit);
  EXPECT_STREQ(copy.message(), "full: 7");
  EXPECT_STREQ(original.message(), "full: 7");
  EXPECT_NE(copy.message(), original.message());
}

TEST(Status, AssignmentReplacesCodeAndMessage) {
  Status status = Status::Error(StatusCode::kLimit, "a long message of before");
  status = Status::Error(StatusCode::kBusy, "short");
  EXPECT_EQ(status.code(), StatusCode::kBusy);
  EXPECT_STREQ(status.message(), "short");
  status = Status();
  EXPECT_TRUE(status.ok());
  EXPECT_STREQ(status.message(), "");
}

TEST(Status, AssignmentToItselfChangesNothing) {
  Status status = Status::Error(StatusCode::kBusy, "at work");
  const Status& same = status;
  status = same;
  EXPECT_EQ(status.code(), StatusCode::kBusy);
  EXPECT_STREQ(status.message(), "at work");
}

TEST(Status, LocateNamesThePlaceOfAnErrorAlone) {
  const Status status = Locate("model.bin", Status::Error(StatusCode::kCorrupt, "cut short"));
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STREQ(status.message(), "model.bin: cut short");
  EXPECT_STREQ(Locate("model.bin", Status()).message(), "");
}

TEST(Status, OutOfMemorySaysHowMuch) {
  const Status status = Status::OutOfMemory(UINT64_MAX);
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_NE(std::strstr(status.message(), "18446744073709551615 bytes"), nullptr)
      << status.message();
}

Status FailIf(bool fail) { return fail ? Status::Error(StatusCode::kIo, "failed") : Status(); }
Status Forwards(bool fail, bool* reached) {
  CLAMMA_RETURN_IF_ERROR(FailIf(fail));
  *reached = true;
  return Status();
}

TEST(Status, ReturnIfErrorHandsOnErrorsOnly) {
  bool reached = false;
  EXPECT_STREQ(Forwards(true, &reached).message(), "failed");
  EXPECT_FALSE(reached);
  EXPECT_TRUE(Forwards(false, &reached).ok());
  EXPECT_TRUE(reached);
}

}  // namespace
}  // namespace clamma
