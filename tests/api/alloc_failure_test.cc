// SPDX-License-Identifier: MIT
// Each allocation of the library fails in turn, and so does each start of a thread.
#include <dirent.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "family_specs.h"
#include "faulty_heap.h"
#include "gguf_models.h"
#include "platform/threads.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

size_t OpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  size_t n = 0;
  while (readdir(folder) != nullptr) ++n;
  closedir(folder);
  return n;
}

enum class Access { kMapped, kCached, kTightlyCached, kAtAddress };
constexpr Access kEveryAccess[] = {Access::kMapped, Access::kCached, Access::kTightlyCached,
                                   Access::kAtAddress};
const char* Name(Access access) {
  constexpr const char* kNames[] = {"Mapped", "Cached", "TightlyCached", "AtAddress"};
  return kNames[static_cast<size_t>(access)];
}

// A model that is opened in one of several ways: one of the test data, or a GGUF file with its
// vocabulary at an absolute path. Owns the data to which the info points.
class Model {
 public:
  Model(const std::string& name, Access access)
      : bytes_(ReadBytes(ModelPath(name))), dictionary_(ReadBytes(ModelPath(kDictionary))) {
    const bool is_gguf = name[0] == '/';
    info_ = ModelInfo(name);
    if (access == Access::kCached || access == Access::kTightlyCached) {
      info_.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    }
    if (access == Access::kTightlyCached) info_.cache_limit = SmallestCacheLimit(name);
    if (access == Access::kAtAddress) {
      bytes_.BecomeModel(&info_);
      if (!is_gguf) dictionary_.BecomeDictionary(&info_);
    }
    if (is_gguf) info_.tokenizer_path = nullptr;
  }
  const clamma_txf_info_t& info() const { return info_; }

 private:
  HeapCopy bytes_;
  HeapCopy dictionary_;
  clamma_txf_info_t info_;
};

enum class Stage { kConstruct, kSession, kQuery, kGenerate, kNone };

// The results of constructing a transformer and a session, and running a query.
struct Life {
  Stage failed = Stage::kNone;
  std::string reason;
  std::string text;
  size_t reasons = 0;
  bool ended_by_limit = false;
};

Life Live(const clamma_txf_info_t& how, const Ask& ask) {
  Life life;
  LogCollector log;
  char desc[512] = "";
  clamma_txf_info_t info = how;
  info.desc = desc;
  info.desc_max = sizeof(desc);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model(clamma_txf_construct(&info));
  Listener listener;
  txf_session* session = nullptr;
  if (model == nullptr) {
    life.failed = Stage::kConstruct;
    EXPECT_EQ(log.last(), desc);
  } else if ((session = clamma_session_construct(model.get())) == nullptr) {
    life.failed = Stage::kSession;
  } else if (StartQuery(session, listener, ask) != 0) {
    life.failed = Stage::kQuery;
  } else {
    StepAll();
    EXPECT_EQ(listener.ends.size(), 1u);
    life.ended_by_limit = listener.ends == std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT};
    if (listener.ends == std::vector<clamma_done_t>{CLAMMA_DONE_ERROR}) {
      life.failed = Stage::kGenerate;
    }
  }
  life.reason = log.last();
  life.reasons = log.lines.size();
  life.text = listener.text;
  return life;
}

class AllocFailureTest : public ModelTest {
 protected:
  void TearDown() override {
    Heap().FailAllocation(0);
    Heap().FailThread(0);
  }
};

void FailEveryAllocation(const std::string& name, Access access, unsigned threads, bool for_good,
                         clamma_kv_type_t kv_type = CLAMMA_KV_F32) {
  const Model model(name, access);
  clamma_txf_info_t info = model.info();
  info.threads = threads;
  info.kv_type = kv_type;
  const Ask ask = {.prompt = "Once upon a time", .limit = 3};
  const std::string expected = Live(info, ask).text;
  ASSERT_NE(expected, "");
  const size_t blocks = Heap().live_blocks();
  const size_t bytes = Heap().live_bytes();
  const size_t files = OpenFiles();
  bool seen[5] = {};
  for (size_t n = 1;; ++n) {
    SCOPED_TRACE(testing::Message()
                 << name << ", " << Name(access) << ", " << threads << " threads, allocation " << n
                 << (for_good ? " and all that follow" : "") << " fails");
    Heap().FailAllocation(n, for_good);
    const Life life = Live(info, ask);
    const bool happened = Heap().failed();
    Heap().FailAllocation(0);
    ASSERT_EQ(Heap().live_blocks(), blocks);
    ASSERT_EQ(Heap().live_bytes(), bytes);
    ASSERT_EQ(OpenFiles(), files);
    seen[static_cast<size_t>(life.failed)] = true;
    if (life.failed == Stage::kNone) {
      EXPECT_TRUE(life.ended_by_limit);
      EXPECT_EQ(life.text, expected);
      EXPECT_EQ(life.reasons, 0u) << life.reason;
    } else {
      EXPECT_TRUE(happened) << life.reason;
      EXPECT_EQ(life.reasons, 1u);
      EXPECT_NE(life.reason.find("memory"), std::string::npos) << life.reason;
      EXPECT_EQ(expected.substr(0, life.text.size()), life.text);
    }
    if (!happened) break;
    ASSERT_LT(n, 5000u) << "this never ends";
  }
  EXPECT_TRUE(seen[static_cast<size_t>(Stage::kConstruct)]);
  EXPECT_TRUE(seen[static_cast<size_t>(Stage::kSession)]);
  EXPECT_TRUE(seen[static_cast<size_t>(Stage::kQuery)]);
  EXPECT_TRUE(seen[static_cast<size_t>(Stage::kGenerate)]);
}

void ExpectNoAllocationInAnArena(const std::string& name) {
  const Ask ask = {.prompt = "Once upon a time", .limit = 30};
  std::vector<uint8_t> arena(size_t{4} << 20);
  for (const Access access : kEveryAccess) {
    const Model model(name, access);
    clamma_txf_info_t info = model.info();
    info.threads = 3;
    const Life expected = Live(info, ask);
    info.arena = arena.data();
    info.arena_size = arena.size();
    Heap().FailAllocation(1, true);
    const Life life = Live(info, ask);
    EXPECT_FALSE(Heap().failed()) << Name(access);
    EXPECT_EQ(life.failed, Stage::kNone) << Name(access) << ": " << life.reason;
    EXPECT_EQ(life.text, expected.text) << Name(access);
    Heap().FailAllocation(0);
  }
}

TEST_F(AllocFailureTest, EveryAllocationOfAFloatModelMayFail) {
  for (const Access access : kEveryAccess) FailEveryAllocation(kFloatModel, access, 1, false);
}

TEST_F(AllocFailureTest, EveryAllocationOfAnInt8ModelMayFail) {
  for (const Access access : kEveryAccess) FailEveryAllocation(kQ80Model, access, 1, false);
}

TEST_F(AllocFailureTest, EveryAllocationMayFailWithInt8KeysAndValues) {
  FailEveryAllocation(kFloatModel, Access::kMapped, 2, false, CLAMMA_KV_Q8);
}

class GgufAllocFailureTest : public AllocFailureTest {
 protected:
  // Finds the first made model whose text is longer than the tests need. Its layers differ, so that
  // the library allocates an array for them.
  void SetUp() override {
    AllocFailureTest::SetUp();
    if (IsSkipped()) return;
    spec_ = UnusualSpec();
    spec_.tokens = 50;
    for (spec_.seed = 1; spec_.seed < 50; ++spec_.seed) {
      path_ = folder_.Write("model.gguf", MakeGguf(spec_).Build());
      const Life life =
          Live(Model(path_, Access::kMapped).info(), {.prompt = "Once upon a time", .limit = 30});
      if (life.ended_by_limit && !life.text.empty()) return;
    }
    FAIL() << "every model ends its text at once";
  }
  GgufSpec spec_;
  std::string path_;
  TemporaryFolder folder_;
};

TEST_F(GgufAllocFailureTest, EveryAllocationMayFail) {
  for (const Access access : kEveryAccess) FailEveryAllocation(path_, access, 1, false);
  FailEveryAllocation(path_, Access::kMapped, 3, true);
  FailEveryAllocation(path_, Access::kMapped, 1, false, CLAMMA_KV_Q8);
}

TEST_F(GgufAllocFailureTest, EveryAllocationOfAModelOfEachFamilyMayFail) {
  for (const NamedGguf& model : FamilyModels()) {
    SCOPED_TRACE(model.name);
    GgufSpec spec = model.spec;
    spec.tokens = spec.vocab;
    std::string path;
    for (spec.seed = 1; spec.seed < 50; ++spec.seed) {
      path = folder_.Write(model.name + ".gguf", MakeGguf(spec).Build());
      const Life life =
          Live(Model(path, Access::kMapped).info(), {.prompt = "Once upon a time", .limit = 30});
      if (life.ended_by_limit && !life.text.empty()) break;
    }
    FailEveryAllocation(path, Access::kMapped, 1, false);
    ExpectNoAllocationInAnArena(path);
  }
}

TEST_F(GgufAllocFailureTest, EveryAllocationOfASplitModelMayFail) {
  const std::vector<GgufBytes> parts = MakeSplitGguf(spec_, 3);
  folder_.Write("m-00001-of-00003.gguf", parts[0].Build());
  folder_.Write("m-00003-of-00003.gguf", parts[2].Build());
  const std::string path = folder_.Write("m-00002-of-00003.gguf", parts[1].Build());
  for (const Access access : {Access::kMapped, Access::kCached}) {
    FailEveryAllocation(path, access, 1, false);
  }
}

TEST_F(GgufAllocFailureTest, NothingIsAllocatedWhereThereIsAnArena) {
  ExpectNoAllocationInAnArena(path_);
}

TEST_F(AllocFailureTest, MemoryMayRunOutForGoodAtAnyPoint) {
  for (const Access access : kEveryAccess) {
    FailEveryAllocation(kFloatModel, access, 1, true);
    FailEveryAllocation(kQ80Model, access, 1, true);
  }
}

TEST_F(AllocFailureTest, EveryAllocationMayFailWithThreads) {
  FailEveryAllocation(kFloatModel, Access::kMapped, 3, false);
}

TEST_F(AllocFailureTest, NothingIsAllocatedWhereThereIsAnArena) {
  ExpectNoAllocationInAnArena(kQ80Model);
}

TEST_F(AllocFailureTest, EveryThreadMayFailToStart) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 5;
  const size_t blocks = Heap().live_blocks();
  const size_t files = OpenFiles();
  for (size_t n = 1; n <= 4; ++n) {
    Heap().FailThread(n);
    EXPECT_NE(ReasonOfRefusal(info).find("threads"), std::string::npos) << "thread " << n;
    EXPECT_TRUE(Heap().failed());
    EXPECT_EQ(Heap().live_blocks(), blocks) << "thread " << n;
    EXPECT_EQ(OpenFiles(), files) << "thread " << n;
  }
  Heap().FailThread(5);
  EXPECT_NE(Open(info), nullptr) << "the caller is the fifth";
  EXPECT_FALSE(Heap().failed());
}

TEST_F(AllocFailureTest, RefusedQueryLeavesTheSessionAsItWas) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const Outcome whole = RunFresh(model, {.limit = 40});
  const Ask with_system = {.prompt = "Lily", .system = "A story.", .limit = 5};
  for (size_t n = 1;; ++n) {
    const SessionPtr session = NewSession(model);
    const Outcome first = RunQuery(session.get(), {.limit = 20});
    Listener listener;
    Heap().FailAllocation(n);
    const int refused = StartQuery(session.get(), listener, with_system);
    const bool happened = Heap().failed();
    Heap().FailAllocation(0);
    ASSERT_EQ(refused != 0, happened) << "allocation " << n;
    if (!happened) break;
    ASSERT_EQ(clamma_sessions_step_next(), 0);
    EXPECT_FALSE(listener.ended());
    EXPECT_EQ(Facts(session.get()).position, first.facts.position);
    const Outcome rest = RunQuery(session.get(), {.prompt = nullptr, .limit = 20});
    EXPECT_EQ(first.text + rest.text, whole.text) << "allocation " << n;
    ASSERT_LT(n, 100u) << "this never ends";
  }
  StepAll();
}

// Fails the n-th allocation of a query of 100 tokens, during which the KV cache grows by pages of
// 32 positions, and so does the list of tokens. Returns false if there are fewer allocations.
bool FailDuringGeneration(const TxfPtr& model, size_t n, const std::string& expected,
                          const std::function<void(const SessionPtr&, Listener*)>& afterwards) {
  SCOPED_TRACE(testing::Message() << "allocation " << n << " of the generation fails");
  const SessionPtr session = NewSession(model);
  Listener listener;
  EXPECT_EQ(StartQuery(session.get(), listener, {.limit = 100}), 0);
  Heap().FailAllocation(n);
  StepAll();
  const bool happened = Heap().failed();
  Heap().FailAllocation(0);
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(expected.substr(0, listener.text.size()), listener.text);
  if (!happened) {
    EXPECT_EQ(listener.text, expected);
    return false;
  }
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_ERROR});
  afterwards(session, &listener);
  return true;
}

void FailEveryAllocationOfTheGeneration(
    const std::function<void(const SessionPtr&, Listener*)>& afterwards) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::string expected = RunFresh(model, {.limit = 100}).text;
  const size_t blocks = Heap().live_blocks();
  size_t n = 1;
  while (FailDuringGeneration(model, n, expected, afterwards)) {
    ++n;
    ASSERT_EQ(Heap().live_blocks(), blocks);
  }
  EXPECT_GE(n, 5u) << "four blocks and a list of tokens";
}

TEST_F(AllocFailureTest, SessionWhoseGenerationFailedMayBeDestroyed) {
  FailEveryAllocationOfTheGeneration([](const SessionPtr&, Listener*) {});
}

TEST_F(AllocFailureTest, SessionWhoseGenerationFailedAnswersAPrompt) {
  FailEveryAllocationOfTheGeneration([](const SessionPtr& session, Listener*) {
    EXPECT_EQ(RunQuery(session.get(), {.prompt = " and then", .limit = 10}).why, CLAMMA_DONE_LIMIT);
  });
}

TEST_F(AllocFailureTest, SessionWhoseGenerationFailedGoesOnWhereItStopped) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::string expected = RunFresh(model, {.limit = 100}).text;
  FailEveryAllocationOfTheGeneration([&](const SessionPtr& session, Listener* listener) {
    const size_t left = 100 - Facts(session.get()).generated_tokens;
    const Outcome rest = RunQuery(session.get(), {.prompt = "", .limit = left});
    EXPECT_EQ(rest.why, CLAMMA_DONE_LIMIT);
    EXPECT_EQ(listener->text + rest.text, expected);
  });
}

TEST_F(AllocFailureTest, ScoringAndEncodingMayFail) {
  LogCollector log;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const std::string text =
      "Once upon a time, there was a little girl named Lily. She loved to play.";
  clamma_score_t expected = {};
  ASSERT_EQ(clamma_score(model.get(), text.data(), text.size(), &expected, nullptr, 0), 0);
  const size_t blocks = Heap().live_blocks();
  for (size_t n = 1;; ++n) {
    clamma_score_t score = {};
    Heap().FailAllocation(n);
    const int failed = clamma_score(model.get(), text.data(), text.size(), &score, nullptr, 0);
    const bool happened = Heap().failed();
    Heap().FailAllocation(0);
    EXPECT_EQ(failed != 0, happened) << "allocation " << n;
    EXPECT_EQ(log.lines.size(), n - (happened ? 0 : 1));
    EXPECT_EQ(Heap().live_blocks(), blocks) << "allocation " << n;
    if (!happened) {
      EXPECT_EQ(score.log_likelihood, expected.log_likelihood);
      break;
    }
    ASSERT_LT(n, 100u) << "this never ends";
  }
  for (size_t n = 1;; ++n) {
    size_t count = 0;
    Heap().FailAllocation(n);
    const int failed = clamma_encode(model.get(), text.data(), text.size(), 0, nullptr, 0, &count);
    const bool happened = Heap().failed();
    Heap().FailAllocation(0);
    EXPECT_EQ(failed != 0, happened) << "allocation " << n;
    EXPECT_EQ(Heap().live_blocks(), blocks) << "allocation " << n;
    if (!happened) break;
    ASSERT_LT(n, 100u) << "this never ends";
  }
}

TEST_F(AllocFailureTest, HashingLogitsMayFail) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::vector<tok_id_t> tokens(100, 300);
  clamma_txf_info_t info = {};
  const auto hash = [&](std::vector<clamma_logit_hash_t>* hashes) {
    return clamma_hash_logits(model.get(), &info, tokens.data(), tokens.size(), 1, hashes->data(),
                              nullptr);
  };
  std::vector<clamma_logit_hash_t> expected(99);
  std::vector<clamma_logit_hash_t> hashes(99);
  ASSERT_EQ(hash(&expected), 0);
  const size_t blocks = Heap().live_blocks();
  size_t n = 1;
  for (;; ++n) {
    Heap().FailAllocation(n);
    const int failed = hash(&hashes);
    const bool happened = Heap().failed();
    Heap().FailAllocation(0);
    EXPECT_EQ(failed != 0, happened) << "allocation " << n;
    EXPECT_EQ(Heap().live_blocks(), blocks) << "allocation " << n;
    if (!happened) break;
    ASSERT_LT(n, 100u) << "this never ends";
  }
  EXPECT_GT(n, 4u) << "four pages";
  EXPECT_EQ(hashes.back().hash, expected.back().hash);
}

TEST_F(AllocFailureTest, EmbeddingAndScoringContinuationsMayFail) {
  LogCollector log;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  const std::vector<clamma_text_t> texts(12, {text.data(), text.size(), nullptr, 0});
  std::vector<float> embeddings(12 * 64);
  clamma_continuation_score_t scores[12] = {};
  const std::function<int()> calls[] = {
      [&] {
        return clamma_embed(model.get(), texts.data(), 12, 0, nullptr, nullptr, embeddings.data(),
                            embeddings.size(), nullptr);
      },
      [&] {
        return clamma_score_continuations(model.get(), texts.data(), texts.data(), 12, nullptr,
                                          nullptr, scores);
      }};
  for (const std::function<int()>& call : calls) {
    ASSERT_EQ(call(), 0);
    const std::vector<float> expected = embeddings;
    const double expected_score = scores[11].log_likelihood;
    const size_t blocks = Heap().live_blocks();
    log.lines.clear();
    for (size_t n = 1;; ++n) {
      Heap().FailAllocation(n);
      const int failed = call();
      const bool happened = Heap().failed();
      Heap().FailAllocation(0);
      EXPECT_EQ(failed != 0, happened) << "allocation " << n;
      EXPECT_EQ(log.lines.size(), n - (happened ? 0 : 1));
      EXPECT_EQ(Heap().live_blocks(), blocks) << "allocation " << n;
      if (!happened) break;
      ASSERT_LT(n, 1000u) << "this never ends";
    }
    EXPECT_EQ(embeddings, expected);
    EXPECT_EQ(scores[11].log_likelihood, expected_score);
  }
}

// ---- How much memory a damaged file makes the library allocate ----

class MemoryBoundTest : public AllocFailureTest {
 protected:
  static constexpr size_t kBound = size_t{64} << 20;
  static constexpr int32_t kExtremes[] = {
      0,       1,       -1,      2,       3,       INT32_MIN, INT32_MAX, 0x7ffffffe, 1 << 8,
      1 << 16, 1 << 20, 1 << 21, 1 << 24, 1 << 28, -32000,    32000,     0x00010000};

  // Constructs a transformer and, if the file is accepted, generates; checks the peak of memory.
  static void Try(clamma_txf_info_t info, size_t file_bytes) {
    Heap().ResetPeak();
    const size_t before = Heap().live_bytes();
    {
      const TxfPtr model(clamma_txf_construct(&info));
      if (model != nullptr) {
        const SessionPtr session = NewSession(model);
        Listener listener;
        if (session != nullptr && StartQuery(session.get(), listener, {.limit = 3}) == 0) StepAll();
      }
    }
    EXPECT_LE(Heap().peak_bytes() - before, file_bytes + kBound);
    EXPECT_EQ(Heap().live_bytes(), before);
  }
};

constexpr int32_t MemoryBoundTest::kExtremes[];

TEST_F(MemoryBoundTest, DamagedHeadersTakeNoMoreThanTheFileAndAConstant) {
  for (const char* name : {kFloatModel, kFloatV1Model, kQ80Model}) {
    const std::vector<uint8_t> whole = ReadBytes(ModelPath(name));
    const bool legacy = name == kFloatModel;
    std::vector<size_t> fields;
    for (size_t i = 0; i < 7; ++i) fields.push_back((legacy ? 0 : 8) + 4 * i);
    if (name == kQ80Model) fields.push_back(37);
    const TemporaryFolder folder;
    for (const size_t field : fields) {
      for (const int32_t value : kExtremes) {
        SCOPED_TRACE(testing::Message() << name << ", byte " << field << " = " << value);
        std::vector<uint8_t> bytes = whole;
        PutInt32(&bytes, field, value);
        HeapCopy copy(bytes);
        clamma_txf_info_t info = ModelInfo(name);
        copy.BecomeModel(&info);
        Try(info, bytes.size());
        info = ModelInfo(folder.Write("model.bin", bytes));
        Try(info, bytes.size());
        info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
        Try(info, bytes.size());
      }
    }
  }
}

// Damages two fields at a time: overflowing products must not pass the check.
TEST_F(MemoryBoundTest, PairsOfDamagedFieldsTakeNoMoreThanTheFileAndAConstant) {
  const std::vector<uint8_t> whole = ReadBytes(ModelPath(kQ80Model));
  HeapCopy copy(whole);
  clamma_txf_info_t info = ModelInfo(kQ80Model);
  copy.BecomeModel(&info);
  std::mt19937 random(1);
  constexpr size_t kFields[] = {8, 12, 16, 20, 24, 28, 32, 37};
  for (const size_t a : kFields) {
    for (const size_t b : kFields) {
      if (a >= b) continue;
      for (int i = 0; i < 20; ++i) {
        const int32_t x = kExtremes[random() % std::size(kExtremes)];
        const int32_t y = kExtremes[random() % std::size(kExtremes)];
        SCOPED_TRACE(testing::Message()
                     << "byte " << a << " = " << x << ", byte " << b << " = " << y);
        std::vector<uint8_t> bytes = whole;
        PutInt32(&bytes, a, x);
        PutInt32(&bytes, b, y);
        std::memcpy(copy.data(), bytes.data(), bytes.size());
        Try(info, bytes.size());
      }
    }
  }
}

// Damages the vocabulary's longest length, and the length of its first token.
TEST_F(MemoryBoundTest, DictionaryTakesNoMoreThanItsSizeAllows) {
  const std::vector<uint8_t> whole = ReadBytes(ModelPath(kDictionary));
  for (const int32_t value : kExtremes) {
    for (const size_t at : {size_t{0}, size_t{8}}) {
      SCOPED_TRACE(testing::Message() << "byte " << at << " = " << value);
      std::vector<uint8_t> bytes = whole;
      PutInt32(&bytes, at, value);
      HeapCopy copy(bytes);
      clamma_txf_info_t info = ModelInfo(kFloatModel);
      copy.BecomeDictionary(&info);
      Try(info, bytes.size());
    }
  }
}

}  // namespace
}  // namespace clamma_test
