// SPDX-License-Identifier: MIT
// The public API for tests: handles that clean up, callbacks that collect, and infos ready to use.
#ifndef CLAMMA_TESTS_SUPPORT_API_FIXTURE_H_
#define CLAMMA_TESTS_SUPPORT_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "clamma-extra.h"
#include "clamma.h"
#include "test_data.h"

namespace clamma_test {

inline constexpr char kFloatModel[] = "stories260K.bin";
inline constexpr char kFloatV1Model[] = "stories260K.v1.bin";
inline constexpr char kQ80Model[] = "stories260K.q80.bin";
inline constexpr char kStraddlingModel[] = "stories260K.q80-gs8-straddling.bin";
inline constexpr char kDictionary[] = "tok512.bin";

struct TxfDeleter {
  void operator()(txf* model) const { clamma_txf_destroy(model); }
};
struct SessionDeleter {
  void operator()(txf_session* session) const { clamma_session_destroy(session); }
};
using TxfPtr = std::unique_ptr<txf, TxfDeleter>;
using SessionPtr = std::unique_ptr<txf_session, SessionDeleter>;

inline SessionPtr NewSession(const TxfPtr& model) {
  return SessionPtr(clamma_session_construct(model.get()));
}

// Keeps the text as long as the program runs, so that an info may point to it.
inline const char* Keep(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> kept;
  const std::lock_guard<std::mutex> lock(mutex);
  return kept.insert(text).first->c_str();
}

// Collects a log_cb's messages. Pass its address as opaque_user_pointer at construction.
struct LogCollector {
  std::vector<std::string> lines;

  static void Log(void* opaque, const char* message) {
    static_cast<LogCollector*>(opaque)->lines.emplace_back(message);
  }
  std::string last() const { return lines.empty() ? std::string() : lines.back(); }
};

// Collects what a query passes to its callbacks. on_text and on_done, if set, run inside them.
struct Listener {
  std::string text;
  size_t pieces = 0;
  std::vector<clamma_done_t> ends;
  std::function<int()> on_text;
  std::function<void(clamma_done_t)> on_done;
  std::atomic<bool> has_ended{false};

  // Any thread may call it, even while another thread's step serves the query.
  bool ended() const { return has_ended; }

  static int Issue(void* opaque, const char* token) {
    auto& self = *static_cast<Listener*>(opaque);
    EXPECT_NE(token, nullptr);
    EXPECT_STRNE(token, "") << "an empty piece was issued";
    self.text += token;
    ++self.pieces;
    return self.on_text ? self.on_text() : 0;
  }
  static void Done(void* opaque, clamma_done_t why) {
    auto& self = *static_cast<Listener*>(opaque);
    self.ends.push_back(why);
    if (self.on_done) self.on_done(why);
    self.has_ended = true;
  }
};

// The most used options of a query; greedy by default.
struct Ask {
  const char* prompt = "";
  const char* system = nullptr;
  size_t limit = 0;
  float temperature = 0;
  float topp = 0;
  uint64_t seed = 1;
};

inline clamma_txf_info_t QueryInfo(Listener& listener, const Ask& ask) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.issue_cb = Listener::Issue;
  info.done_cb = Listener::Done;
  info.opaque_user_pointer = &listener;
  info.prompt = ask.prompt;
  info.system = ask.system;
  info.limit = ask.limit;
  info.temperature = ask.temperature;
  info.topp = ask.topp;
  info.rng_seed = ask.seed;
  return info;
}

inline int StartQuery(txf_session* session, Listener& listener, const Ask& ask) {
  const clamma_txf_info_t info = QueryInfo(listener, ask);
  return clamma_session_query(session, &info);
}

// Steps until no session has a query. Returns the number of steps.
inline size_t StepAll() {
  size_t steps = 0;
  while (clamma_sessions_step_next() != 0) ++steps;
  return steps;
}

inline clamma_session_facts_t Facts(const txf_session* session) {
  clamma_session_facts_t facts = {};
  EXPECT_EQ(clamma_session_facts(session, &facts), 0);
  return facts;
}

inline clamma_txf_facts_t Facts(const TxfPtr& model) {
  clamma_txf_facts_t facts = {};
  EXPECT_EQ(clamma_txf_facts(model.get(), &facts), 0);
  return facts;
}

// The bytes of a saved session, and how many of them have been read.
struct Stream {
  std::vector<uint8_t> bytes;
  size_t at = 0;
  static int Write(void* opaque, const void* bytes, size_t size) {
    auto& self = *static_cast<Stream*>(opaque);
    const auto* p = static_cast<const uint8_t*>(bytes);
    self.bytes.insert(self.bytes.end(), p, p + size);
    return 0;
  }
  static int Read(void* opaque, void* bytes, size_t size) {
    auto& self = *static_cast<Stream*>(opaque);
    if (size > self.bytes.size() - self.at) return 1;
    if (size > 0) std::memcpy(bytes, self.bytes.data() + self.at, size);
    self.at += size;
    return 0;
  }
};

inline Stream Save(const txf_session* session) {
  Stream stream;
  EXPECT_EQ(clamma_session_save(session, Stream::Write, &stream), 0);
  return stream;
}

inline int Restore(txf_session* session, Stream stream) {
  return clamma_session_restore(session, Stream::Read, &stream);
}

struct Outcome {
  std::string text;
  clamma_done_t why = CLAMMA_DONE_ERROR;
  clamma_session_facts_t facts = {};
};

// Runs one query to its end.
inline Outcome RunQuery(txf_session* session, const Ask& ask) {
  Listener listener;
  Outcome outcome;
  EXPECT_NE(session, nullptr);
  if (session == nullptr) return outcome;
  const int refused = StartQuery(session, listener, ask);
  EXPECT_EQ(refused, 0) << "the query was refused";
  if (refused != 0) return outcome;
  while (!listener.ended() && clamma_sessions_step_next() != 0) continue;
  EXPECT_EQ(listener.ends.size(), 1u) << "done_cb is called once";
  outcome.text = listener.text;
  if (listener.ended()) outcome.why = listener.ends[0];
  outcome.facts = Facts(session);
  return outcome;
}

inline Outcome RunFresh(const TxfPtr& model, const Ask& ask) {
  return RunQuery(NewSession(model).get(), ask);
}

// An info with one thread, mapped and silent. `checkpoint` and `dictionary` name files of the test
// data, or other files by absolute paths.
inline clamma_txf_info_t ModelInfo(const std::string& checkpoint,
                                   const std::string& dictionary = kDictionary) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = Keep(checkpoint[0] == '/' ? checkpoint : ModelPath(checkpoint));
  info.tokenizer_path = Keep(dictionary[0] == '/' ? dictionary : ModelPath(dictionary));
  info.threads = 1;
  info.log_cb = clamma_log_silent;
  return info;
}

// Constructs a transformer. Prints the reason if this fails.
inline TxfPtr Open(clamma_txf_info_t info) {
  char desc[512] = "";
  if (info.desc == nullptr) {
    info.desc = desc;
    info.desc_max = sizeof(desc);
  }
  TxfPtr model(clamma_txf_construct(&info));
  EXPECT_NE(model, nullptr) << info.desc;
  return model;
}

// Returns the reason why construction is refused. If it succeeds, reports a failure and returns "".
inline std::string ReasonOfRefusal(clamma_txf_info_t info) {
  char desc[512] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  const TxfPtr model(clamma_txf_construct(&info));
  EXPECT_EQ(model, nullptr) << "was accepted: " << desc;
  return model == nullptr ? desc : "";
}

// Returns the last number in a text; 0 if there is none.
inline uint64_t LastNumber(const std::string& text) {
  const size_t end = text.find_last_of("0123456789");
  if (end == std::string::npos) return 0;
  const size_t before = text.find_last_not_of("0123456789", end);
  return std::stoull(text.substr(before == std::string::npos ? 0 : before + 1));
}

// Returns the smallest cache_limit, which the reason for refusing one of a byte names.
inline size_t SmallestCacheLimit(const std::string& checkpoint) {
  clamma_txf_info_t info = ModelInfo(checkpoint);
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  info.cache_limit = 1;
  return static_cast<size_t>(LastNumber(ReasonOfRefusal(info)));
}

// A copy of exactly `bytes` on the heap, `offset` bytes after an aligned address, so that a
// sanitizer sees reads beyond it.
class HeapCopy {
 public:
  explicit HeapCopy(const std::vector<uint8_t>& bytes, size_t offset = 0)
      : storage_(new uint8_t[bytes.size() + offset]), offset_(offset), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(data(), bytes.data(), bytes.size());
  }
  uint8_t* data() { return storage_.get() + offset_; }
  size_t size() const { return size_; }

  // Makes it the checkpoint, or the dictionary, of an info.
  void BecomeModel(clamma_txf_info_t* info) {
    info->model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
    info->checkpoint_path = nullptr;
    info->model_base = data();
    info->model_size = size();
  }
  void BecomeDictionary(clamma_txf_info_t* info) {
    info->tokenizer_path = nullptr;
    info->tokenizer_base = data();
    info->tokenizer_size = size();
  }

 private:
  std::unique_ptr<uint8_t[]> storage_;
  size_t offset_;
  size_t size_;
};

// The offset of the context length in a version 1 or 2 checkpoint.
inline constexpr size_t kSeqLenOffset = 8 + 6 * 4;

inline void PutInt32(std::vector<uint8_t>* bytes, size_t offset, int32_t value) {
  const auto bits = static_cast<uint32_t>(value);
  for (size_t i = 0; i < 4; ++i) {
    if (offset + i < bytes->size()) (*bytes)[offset + i] = static_cast<uint8_t>(bits >> (8 * i));
  }
}

// Returns the float model with a context of `positions`: in version 1, no tensor depends on it.
class ShortContextModel {
 public:
  explicit ShortContextModel(int32_t positions) : copy_(Patched(positions)) {}
  clamma_txf_info_t info() {
    clamma_txf_info_t info = ModelInfo(kFloatV1Model);
    copy_.BecomeModel(&info);
    return info;
  }

 private:
  static std::vector<uint8_t> Patched(int32_t positions) {
    std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
    PutInt32(&bytes, kSeqLenOffset, positions);
    return bytes;
  }
  HeapCopy copy_;
};

// Tests that need the models. They are skipped if these are missing.
class ModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {kFloatModel, kFloatV1Model, kQ80Model, kStraddlingModel, kDictionary}) {
      CLAMMA_NEED_FILE(ModelPath(name));
    }
  }
};

// The same, with the float model open.
class FloatModelTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (IsSkipped()) return;
    model_ = Open(ModelInfo(kFloatModel));
    ASSERT_NE(model_, nullptr);
  }
  TxfPtr model_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_API_FIXTURE_H_
