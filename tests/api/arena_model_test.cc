// SPDX-License-Identifier: MIT
// Transformers in an arena: equal texts, correct figures of memory, and no leaks.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "api_fixture.h"

namespace clamma_test {
namespace {

constexpr size_t kPlenty = size_t{2} << 20;
constexpr uint8_t kGuard = 0x5a;
// On big-endian machines, construction allocates memory for all weights. A session and its query
// then always fit, so only the error of construction has a figure.
constexpr bool kWeightsAreCopied = std::endian::native == std::endian::big;

// An arena at an odd address, between bytes that must not change.
class GuardedArena {
 public:
  explicit GuardedArena(size_t size) : bytes_(size + 2 * kMargin, kGuard), size_(size) {}
  ~GuardedArena() {
    for (size_t i = 0; i < kMargin; ++i) {
      EXPECT_EQ(bytes_[i], kGuard) << "in front of the arena";
      EXPECT_EQ(bytes_[kMargin + size_ + i], kGuard) << "behind the arena";
    }
  }
  clamma_txf_info_t In(clamma_txf_info_t info) {
    info.arena = bytes_.data() + kMargin;
    info.arena_size = size_;
    return info;
  }

 private:
  static constexpr size_t kMargin = 77;
  std::vector<uint8_t> bytes_;
  size_t size_;
};

// The figures in an error; `needed` is 0 if it is another error.
struct Figures {
  unsigned long long has = 0;
  unsigned long long needed = 0;
};
Figures FiguresOf(const std::string& reason) {
  Figures figures;
  std::sscanf(reason.c_str(), "out of memory: the arena has %llu bytes, and %llu are needed",
              &figures.has, &figures.needed);
  return figures;
}

// The results of a transformer, a session and a query in an arena: the part that failed ("": none),
// with its reason, and the text.
struct Told {
  const char* failed = "";
  std::string reason;
  std::string text;
  size_t peak = 0;
};

Told Tell(const clamma_txf_info_t& how, const Ask& ask, size_t size) {
  Told told;
  LogCollector log;
  GuardedArena arena(size);
  clamma_txf_info_t info = arena.In(how);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model(clamma_txf_construct(&info));
  Listener listener;
  txf_session* session = nullptr;
  if (model == nullptr) {
    told.failed = "construct";
  } else if ((session = clamma_session_construct(model.get())) == nullptr) {
    told.failed = "session";
  } else if (StartQuery(session, listener, ask) != 0) {
    told.failed = "query";
    EXPECT_EQ(clamma_sessions_step_next(), 0);
  } else {
    StepAll();
    EXPECT_EQ(listener.ends.size(), 1u);
    EXPECT_NE(listener.ends[0], CLAMMA_DONE_ERROR) << "a query that began ran out of memory";
  }
  EXPECT_EQ(log.lines.size(), told.failed[0] == '\0' ? 0u : 1u) << log.last();
  told.reason = log.last();
  told.text = listener.text;
  if (model != nullptr) told.peak = Facts(model).arena_peak;
  return told;
}

struct Case {
  const char* name;
  const char* model;
  Ask ask;
  const char* golden;  // nullptr: there is none
  clamma_kv_type_t kv_type = CLAMMA_KV_F32;

  clamma_txf_info_t Info() const {
    clamma_txf_info_t info = ModelInfo(model);
    info.kv_type = kv_type;
    return info;
  }
};

const Case kCases[] = {
    {"Float", kFloatModel, {"", nullptr, 256, 1, 0.9f, 1024}, "float-s1024-bos"},
    {"Q80", kQ80Model, {"", nullptr, 256, 1, 0.9f, 1024}, "q80-s1024-bos"},
    {"Q80Prompt",
     kQ80Model,
     {"Once upon a time, Tom", nullptr, 256, 0, 0.9f, 1},
     "q80-prompt-greedy"},
    {"Int8KeysAndValues",
     kFloatModel,
     {"Once upon a time, Tom", nullptr, 256, 0, 0.9f, 1},
     nullptr,
     CLAMMA_KV_Q8},
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class ArenaModelTest : public ModelTest {};
class ArenaCaseTest : public ModelTest, public testing::WithParamInterface<Case> {};

TEST_P(ArenaCaseTest, TellsTheGoldenTextFromAnArena) {
  if (GetParam().golden == nullptr) GTEST_SKIP() << "none was kept";
  CLAMMA_NEED_FILE(GoldenPath(std::string(GetParam().golden) + ".txt"));
  const std::string expected = ReadGolden(GetParam().golden);
  for (const unsigned threads : {1u, 3u}) {
    clamma_txf_info_t info = GetParam().Info();
    info.threads = threads;
    const Told told = Tell(info, GetParam().ask, kPlenty);
    EXPECT_STREQ(told.failed, "") << told.reason;
    const std::string text = GetParam().ask.prompt + told.text;
    EXPECT_EQ(text.substr(0, expected.size()), expected) << threads << " threads";
  }
}

// Begins with an arena of one byte. With the size that an error asks for, the next part succeeds,
// until all do.
TEST_P(ArenaCaseTest, FiguresOfReasonsAreTrue) {
  const clamma_txf_info_t info = GetParam().Info();
  size_t size = 1;
  std::vector<std::string> failed;
  Told told;
  for (;;) {
    told = Tell(info, GetParam().ask, size);
    if (told.failed[0] == '\0') break;
    const Figures figures = FiguresOf(told.reason);
    EXPECT_EQ(figures.has, size) << told.reason;
    ASSERT_GT(figures.needed, size) << told.reason;
    failed.emplace_back(told.failed);
    ASSERT_LE(failed.size(), 3u) << "a figure was too small";
    size = static_cast<size_t>(figures.needed);
  }
  if (kWeightsAreCopied) {
    EXPECT_EQ(failed, std::vector<std::string>{"construct"});
    return;
  }
  EXPECT_EQ(failed, (std::vector<std::string>{"construct", "session", "query"}));
  // The figures are not too large either: they exceed the peak by no more than gaps for alignment,
  // and the temporary memory of encoding a prompt.
  EXPECT_GE(told.peak + 192 + 128 * (std::strlen(GetParam().ask.prompt) + 8), size);
  EXPECT_STRNE(Tell(info, GetParam().ask, told.peak - 128).failed, "");
  EXPECT_LT(size, 524288u) << "more than half a megabyte";
}

// Every size leads to an error or a text, and all texts are equal.
TEST_P(ArenaCaseTest, EverySizeGivesAReasonOrTheText) {
  const clamma_txf_info_t info = GetParam().Info();
  Ask ask = GetParam().ask;
  ask.limit = 40;
  const std::string expected = RunFresh(Open(info), ask).text;
  bool seen_text = false;
  for (size_t size = 1; size < 300000; size += size < 1500 ? 7 : 3001) {
    SCOPED_TRACE(size);
    const Told told = Tell(info, ask, size);
    if (told.failed[0] == '\0') {
      EXPECT_EQ(told.text, expected);
      seen_text = true;
    } else {
      EXPECT_FALSE(seen_text) << "a smaller arena did";
      EXPECT_EQ(FiguresOf(told.reason).has, size) << told.reason;
    }
  }
  EXPECT_TRUE(seen_text);
}

INSTANTIATE_TEST_SUITE_P(All, ArenaCaseTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

// The figure is correct even if memory is too short to encode the prompt. A cache allocates its
// blocks when they are read, but construction asks for the memory of all.
TEST_F(ArenaModelTest, PeakBehindConstructionWouldHaveDone) {
  for (const auto access : {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
    clamma_txf_info_t how = ModelInfo(kFloatModel);
    how.model_access = access;
    GuardedArena plenty(kPlenty);
    const size_t peak = Facts(Open(plenty.In(how))).arena_peak;
    EXPECT_LT(peak, kPlenty);
    GuardedArena as_large(peak);
    const TxfPtr model = Open(as_large.In(how));
    ASSERT_NE(model, nullptr) << access;
    EXPECT_EQ(Facts(model).arena_peak, peak);
  }
}

TEST_F(ArenaModelTest, FigureOfAQueryWhosePromptCannotBeEncodedIsTrue) {
  if (kWeightsAreCopied) GTEST_SKIP() << "there is always room for the query";
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "Once upon a time ";
  const char* const stops[] = {"the very end of it all", "nowhere"};
  const clamma_txf_info_t how = ModelInfo(kFloatModel);
  GuardedArena arena(kPlenty);
  size_t with_session = 0;
  {
    const TxfPtr model = Open(arena.In(how));
    const SessionPtr session = NewSession(model);
    with_session = Facts(model).arena_peak + 63;  // other arenas may have other alignments
  }
  const auto query = [&](size_t size, std::string* reason, clamma_done_t* why) {
    GuardedArena small(size);
    const TxfPtr model = Open(small.In(how));
    const SessionPtr session = NewSession(model);
    Listener listener;
    char desc[512] = "";
    clamma_txf_info_t info = QueryInfo(listener, {.prompt = prompt.c_str(), .limit = 20});
    info.stop_strings = stops;
    info.stop_string_count = 2;
    info.logprobs_cb = [](void*, tok_id_t, float, size_t, const tok_id_t*, const float*) {};
    info.top_logprobs = 100;
    info.desc = desc;
    info.desc_max = sizeof(desc);
    const size_t before = Facts(model).arena_in_use;
    const int refused = clamma_session_query(session.get(), &info);
    *reason = refused != 0 ? desc : "";
    if (refused != 0) {
      EXPECT_EQ(Facts(model).arena_in_use, before) << "a refused query keeps memory";
    }
    StepAll();
    if (listener.ended()) *why = listener.ends[0];
  };
  for (size_t size = with_session; size < with_session + 120000; size += 10007) {
    std::string reason;
    clamma_done_t why = CLAMMA_DONE_ERROR;
    query(size, &reason, &why);
    ASSERT_EQ(FiguresOf(reason).has, size) << reason;
    query(static_cast<size_t>(FiguresOf(reason).needed), &reason, &why);
    EXPECT_EQ(reason, "");
    EXPECT_EQ(why, CLAMMA_DONE_LIMIT);
  }
}

TEST_F(ArenaModelTest, TransformersOfTwoArenasAndOfNoneLiveSideBySide) {
  GuardedArena arena_a(kPlenty);
  GuardedArena arena_b(kPlenty);
  const TxfPtr a = Open(arena_a.In(ModelInfo(kFloatModel)));
  const TxfPtr b = Open(arena_b.In(ModelInfo(kQ80Model)));
  const TxfPtr c = Open(ModelInfo(kFloatModel));
  const TxfPtr d = Open(ModelInfo(kQ80Model));
  EXPECT_EQ(Facts(c).arena_bytes, 0u);
  const Ask ask = {.prompt = "Lily", .limit = 60, .temperature = 1, .topp = 0.9f, .seed = 4};
  std::vector<SessionPtr> sessions;
  Listener listeners[4];
  for (const TxfPtr* model : {&a, &b, &c, &d}) {
    sessions.push_back(NewSession(*model));
    EXPECT_EQ(StartQuery(sessions.back().get(), listeners[sessions.size() - 1], ask), 0);
  }
  StepAll();
  EXPECT_NE(listeners[0].text, "");
  EXPECT_EQ(listeners[0].text, listeners[2].text);
  EXPECT_EQ(listeners[1].text, listeners[3].text);
}

TEST_F(ArenaModelTest, SessionsThatComeAndGoLeaveTheArenaAsItWas) {
  GuardedArena arena(kPlenty);
  const TxfPtr model = Open(arena.In(ModelInfo(kQ80Model)));
  // The transformer keeps the memory that it allocates for a longer context.
  RunFresh(model, {.prompt = "Once", .limit = 100});
  const clamma_txf_facts_t first = Facts(model);
  size_t peak = 0;
  for (int round = 0; round < 30; ++round) {
    std::vector<SessionPtr> sessions;
    for (int i = 0; i < 3; ++i) {
      sessions.push_back(NewSession(model));
      ASSERT_NE(sessions.back(), nullptr);
      const Ask ask = {.prompt = "The dog",
                       .limit = size_t(5 + 40 * i),
                       .temperature = 1,
                       .seed = uint64_t(round + 1)};
      ASSERT_NE(RunQuery(sessions.back().get(), ask).why, CLAMMA_DONE_ERROR);
      if (round % 2 == 1) RunQuery(sessions.front().get(), {.prompt = " and", .limit = 40});
    }
    if (round % 3 == 0) sessions.erase(sessions.begin());
    sessions.clear();
    const clamma_txf_facts_t facts = Facts(model);
    EXPECT_EQ(facts.arena_in_use, first.arena_in_use) << "round " << round;
    if (round == 6) peak = facts.arena_peak;
    if (round > 6) {
      EXPECT_EQ(facts.arena_peak, peak) << "round " << round;
    }
  }
}

TEST_F(ArenaModelTest, ArenaServesTransformerAfterTransformer) {
  GuardedArena arena(kPlenty);
  const Ask ask = {.prompt = "Once upon a time", .limit = 30};
  for (const char* name : {kFloatModel, kQ80Model, kStraddlingModel, kFloatModel}) {
    const Outcome expected = RunFresh(Open(ModelInfo(name)), ask);
    const TxfPtr model = Open(arena.In(ModelInfo(name)));
    EXPECT_EQ(RunFresh(model, ask).text, expected.text);
  }
}

TEST_F(ArenaModelTest, ScoresEncodesSavesAndRestoresThere) {
  GuardedArena arena(kPlenty);
  const TxfPtr model = Open(arena.In(ModelInfo(kFloatModel)));
  const TxfPtr other = Open(ModelInfo(kFloatModel));
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  clamma_score_t score = {};
  clamma_score_t expected = {};
  ASSERT_EQ(clamma_score(model.get(), text.data(), text.size(), &score, nullptr, 0), 0);
  ASSERT_EQ(clamma_score(other.get(), text.data(), text.size(), &expected, nullptr, 0), 0);
  EXPECT_EQ(score.log_likelihood, expected.log_likelihood);
  const size_t in_use = Facts(model).arena_in_use;
  const std::vector<clamma_text_t> texts(20, {text.data(), text.size(), nullptr, 0});
  clamma_continuation_score_t scores[2][20] = {};
  std::vector<float> embeddings[2];
  for (int i = 0; i < 2; ++i) {
    const txf* const in = i == 0 ? model.get() : other.get();
    ASSERT_EQ(
        clamma_score_continuations(in, texts.data(), texts.data(), 20, nullptr, nullptr, scores[i]),
        0);
    embeddings[i].resize(20 * 64);
    ASSERT_EQ(clamma_embed(in, texts.data(), 20, 0, nullptr, nullptr, embeddings[i].data(), 20 * 64,
                           nullptr),
              0);
  }
  EXPECT_EQ(scores[0][0].log_likelihood, scores[1][0].log_likelihood);
  EXPECT_EQ(embeddings[0], embeddings[1]);
  EXPECT_EQ(Facts(model).arena_in_use, in_use);

  const SessionPtr session = NewSession(model);
  RunQuery(session.get(), {.prompt = "Lily", .limit = 20});
  const SessionPtr restored = NewSession(model);
  ASSERT_EQ(Restore(restored.get(), Save(session.get())), 0);
  const Ask more = {.prompt = nullptr, .limit = 20};
  EXPECT_EQ(RunQuery(restored.get(), more).text, RunQuery(session.get(), more).text);
}

TEST_F(ArenaModelTest, CacheLivesInTheArenaToo) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  info.cache_limit = SmallestCacheLimit(kFloatModel);
  const Ask ask = {.prompt = "Lily", .limit = 20};
  const std::string expected = RunFresh(Open(info), ask).text;
  GuardedArena arena(kPlenty);
  EXPECT_EQ(RunFresh(Open(arena.In(info)), ask).text, expected);
  // Construction counts the cache: its limit, or all weights if they are smaller.
  GuardedArena small(1000);
  const auto needed = [&](size_t limit) {
    info.cache_limit = limit;
    return FiguresOf(ReasonOfRefusal(small.In(info))).needed;
  };
  const size_t smallest = info.cache_limit;
  EXPECT_EQ(needed(smallest + 6400), needed(smallest) + 6400);
  EXPECT_GT(needed(0), needed(smallest));
  EXPECT_EQ(needed(SIZE_MAX), needed(0));
  EXPECT_EQ(RunFresh(Open(arena.In(info)), ask).text, expected);
  const clamma_txf_facts_t facts = Facts(Open(ModelInfo(kFloatModel)));
  EXPECT_GT(needed(0), facts.model_bytes - facts.model_bytes / 16) << "less than the weights";
  EXPECT_LT(needed(0), needed(smallest) + facts.model_bytes) << "more than the weights";
}

TEST_F(ArenaModelTest, LimitOfNoneTakesTheWholeContext) {
  if (kWeightsAreCopied) GTEST_SKIP() << "there is always room for the query";
  const clamma_txf_info_t info = ModelInfo(kQ80Model);
  const Told told = Tell(info, {.prompt = "Lily", .limit = 0}, 524288);
  EXPECT_STREQ(told.failed, "query");
  EXPECT_STREQ(
      Tell(info, {.prompt = "Lily", .limit = 0}, static_cast<size_t>(FiguresOf(told.reason).needed))
          .failed,
      "");
}

TEST_F(ArenaModelTest, QueryFromInsideACallback) {
  GuardedArena arena(kPlenty);
  const TxfPtr model = Open(arena.In(ModelInfo(kFloatModel)));
  const SessionPtr first = NewSession(model);
  const SessionPtr second = NewSession(model);
  Listener listener;
  Listener other;
  bool started = false;
  listener.on_text = [&] {
    if (!started) {
      EXPECT_EQ(StartQuery(second.get(), other, {.prompt = "Lily", .limit = 300}), 0);
    }
    started = true;
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), listener, {.prompt = "Tom", .limit = 20}), 0);
  StepAll();
  EXPECT_TRUE(listener.ended());
  EXPECT_TRUE(other.ended());
  EXPECT_EQ(other.text,
            RunFresh(Open(ModelInfo(kFloatModel)), {.prompt = "Lily", .limit = 300}).text);
}

TEST_F(ArenaModelTest, HalfAnArenaIsRefused) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.arena_size = kPlenty;
  EXPECT_NE(ReasonOfRefusal(info).find("arena"), std::string::npos);
  static uint8_t byte;
  info.arena = &byte;
  info.arena_size = 0;
  EXPECT_EQ(FiguresOf(ReasonOfRefusal(info)).has, 0u);
  EXPECT_GT(FiguresOf(ReasonOfRefusal(info)).needed, 1000u);
  // An invalid file is reported as such.
  GuardedArena arena(kPlenty);
  EXPECT_EQ(ReasonOfRefusal(arena.In(ModelInfo(kDictionary))).find("arena"), std::string::npos);
}

}  // namespace
}  // namespace clamma_test
