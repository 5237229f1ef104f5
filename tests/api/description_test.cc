// SPDX-License-Identifier: MIT
// The description of a transformer in `desc`: two lines, with the CPU quota.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "api/handles.h"
#include "api_fixture.h"

namespace clamma_test {
namespace {

class DescriptionTest : public ModelTest {
 protected:
  static std::string Describe(const clamma::Transformer& transformer) {
    char text[512];
    transformer.Describe(text, sizeof(text));
    return text;
  }
};

TEST_F(DescriptionTest, NamesModelSizeTypeAccessShapeAndThreadsInTwoLines) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 1;
  const TxfPtr model = Open(info);
  const std::string kernels = Facts(model).kernels;
  EXPECT_EQ(Describe(*clamma::FromHandle(model.get())),
            "stories260K.bin: llama2.c legacy, float weights (mapped), 1056540 bytes\n"
            "dim 64, hidden 172, layers 5, heads 8 (kv 4), vocabulary 512, context 512, "
            "f32 kv cache, " +
                kernels + " kernels, 1 thread");
}

TEST_F(DescriptionTest, SaysWhichCpuQuotaWasFound) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 1;
  const TxfPtr model = Open(info);
  clamma::Transformer& transformer = *clamma::FromHandle(model.get());
  struct Case {
    uint64_t milli;
    const char* end;
  };
  for (const Case& c :
       {Case{0, "kernels, 1 thread"}, Case{1, "kernels, 1 thread (CPU quota: 0.001 cores)"},
        Case{500, "kernels, 1 thread (CPU quota: 0.5 cores)"},
        Case{333, "kernels, 1 thread (CPU quota: 0.333 cores)"},
        Case{1000, "kernels, 1 thread (CPU quota: 1 core)"},
        Case{1050, "kernels, 1 thread (CPU quota: 1.05 cores)"},
        Case{12000, "kernels, 1 thread (CPU quota: 12 cores)"}}) {
    transformer.cpu_quota_milli = c.milli;
    const std::string text = Describe(transformer);
    EXPECT_TRUE(text.ends_with(c.end)) << text << "\nexpected at its end: " << c.end;
  }
}

TEST_F(DescriptionTest, ThreadsThatAreAskedForHaveNoQuota) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 1;
  const TxfPtr model = Open(info);
  EXPECT_EQ(clamma::FromHandle(model.get())->cpu_quota_milli, 0u);
}

}  // namespace
}  // namespace clamma_test
