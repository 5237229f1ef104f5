// SPDX-License-Identifier: MIT
// GGUF models at an address that are damaged or truncated: a reason or a model, and no crash. The
// sanitizers run this test, too.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api_fixture.h"
#include "gguf_models.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"
#include "tokenizer/tokenizer.h"

namespace clamma_test {
namespace {

using clamma::Status;

class GgufCorrupt : public testing::Test {
 protected:
  static std::vector<uint8_t> Bytes(GgufSpec* spec) {
    *spec = {.dim = 32,
             .hidden = 32,
             .layers = 2,
             .heads = 2,
             .kv_heads = 1,
             .vocab = 33,
             .type = kQ8_0,
             .biases = true,
             .tokens = 30};
    return MakeGguf(*spec).Build();
  }

  void Try(const std::vector<uint8_t>& bytes) {
    HeapCopy copy(bytes, 1);
    const Status status = Open(copy.data(), copy.size());
    EXPECT_EQ(status.ok(), status.message()[0] == '\0');
    ++(status.ok() ? accepted_ : refused_);
  }

  size_t accepted_ = 0;
  size_t refused_ = 0;

 private:
  static Status Open(const uint8_t* data, size_t size) {
    clamma::Memory memory;
    clamma::ModelFiles files;
    CLAMMA_RETURN_IF_ERROR(files.OpenAt(memory, data, size));
    clamma::ModelFile model;
    CLAMMA_RETURN_IF_ERROR(files.ReadModel(&model));
    clamma::Weights weights;
    CLAMMA_RETURN_IF_ERROR(
        weights.Open(memory, std::move(model), files.sources(), files.count(), {}));
    if (files.gguf() == nullptr) return Status();
    clamma::Tokenizer tokenizer;
    CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, *files.gguf(), weights.config().vocab_size));
    clamma::Array<clamma::TokenId> tokens;
    size_t count = 0;
    CLAMMA_RETURN_IF_ERROR(tokenizer.Encode(memory, "the hand", {.bos = true}, &tokens, &count));
    return RunOne(memory, weights, tokens[count - 1]);
  }

  static Status RunOne(clamma::Memory& memory, clamma::Weights& weights, clamma::TokenId token) {
    clamma::ThreadPool pool;
    CLAMMA_RETURN_IF_ERROR(pool.Start(memory, 1));
    clamma::Forward forward;
    CLAMMA_RETURN_IF_ERROR(forward.Init(memory, weights, clamma::SelectKernels(), pool));
    clamma::KvCache kv;
    kv.Init(memory, weights.config(), clamma::KvType::kF16);
    CLAMMA_RETURN_IF_ERROR(kv.Reserve(1));
    clamma::ForwardRow row = {token, 0, &kv, nullptr, true};
    return forward.Run(&row, 1);
  }
};

TEST_F(GgufCorrupt, EachByteOfTheHeaderSetToAFewValues) {
  GgufSpec spec;
  const std::vector<uint8_t> whole = Bytes(&spec);
  Try(whole);
  ASSERT_EQ(accepted_, 1u);
  const size_t header = MakeGguf(spec).BuildHeader().size();
  std::vector<uint8_t> damaged = whole;
  for (size_t at = 0; at < header; ++at) {
    const uint8_t was = whole[at];
    for (const int value : {was ^ 0x01, was ^ 0x80, 0x00, 0xff, was + 1}) {
      if ((value & 0xff) == was) continue;
      damaged[at] = static_cast<uint8_t>(value);
      SCOPED_TRACE(testing::Message() << "byte " << at << " set to " << (value & 0xff));
      Try(damaged);
    }
    damaged[at] = was;
  }
  EXPECT_GT(accepted_, header / 10);  // texts, scores, the epsilon and so on
  EXPECT_GT(refused_, header);
}

TEST_F(GgufCorrupt, EveryTruncationIsRefused) {
  GgufSpec spec;
  const std::vector<uint8_t> whole = Bytes(&spec);
  const size_t header = MakeGguf(spec).BuildHeader().size() + 64;
  for (size_t size = 0; size < whole.size(); size += size < header ? 1 : 61) {
    SCOPED_TRACE(testing::Message() << "cut to " << size << " bytes");
    Try({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
  }
  Try({whole.begin(), whole.end() - 1});
  EXPECT_EQ(accepted_, 0u);
}

TEST_F(GgufCorrupt, WeightsOfAnyBytes) {
  GgufSpec spec;
  const std::vector<uint8_t> whole = Bytes(&spec);
  const size_t header = MakeGguf(spec).BuildHeader().size() + 32;
  for (const uint8_t byte : {0x00, 0x7c, 0x7f, 0x80, 0xfc, 0xff}) {
    std::vector<uint8_t> damaged = whole;
    std::fill(damaged.begin() + static_cast<ptrdiff_t>(header), damaged.end(), byte);
    Try(damaged);
  }
  EXPECT_EQ(refused_, 0u);
}

}  // namespace
}  // namespace clamma_test
