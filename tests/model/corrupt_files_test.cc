// SPDX-License-Identifier: MIT
// Damaged checkpoints and dictionaries through the public API, with every access mode: a file is
// refused with a reason, or a query generates text or ends with a reason; nothing crashes. The
// sanitizers run this test, too.
#include <gtest/gtest.h>

#include <climits>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "allow_failed_allocations.h"
#include "api_fixture.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

using Bytes = std::vector<uint8_t>;

class CorruptFilesTest : public ModelTest {
 protected:
  // Opens both files in every access mode. Writes files only if `everywhere` is set, as this takes
  // longer.
  void Try(const Bytes& checkpoint, const Bytes& dictionary, bool everywhere = true) {
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.threads = 1;
    HeapCopy model(checkpoint, 1);
    HeapCopy tokens(dictionary, 3);
    model.BecomeModel(&info);
    tokens.BecomeDictionary(&info);
    TryInfo(info, "at an address");
    if (!everywhere) return;
    const std::string model_path = folder_.Write("model.bin", checkpoint);
    const std::string tokens_path = folder_.Write("tokens.bin", dictionary);
    info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.threads = 1;
    info.checkpoint_path = model_path.c_str();
    info.tokenizer_path = tokens_path.c_str();
    TryInfo(info, "mapped");
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    TryInfo(info, "cached");
    info.cache_limit = 200000;
    TryInfo(info, "cached with a limit");
  }
  void TryCheckpoint(const Bytes& checkpoint, bool everywhere = true) {
    Try(checkpoint, dictionary_, everywhere);
  }

  Bytes Whole(const char* name) { return ReadBytes(ModelPath(name)); }

  void SetUp() override {
    ModelTest::SetUp();
    if (!IsSkipped()) dictionary_ = Whole(kDictionary);
  }

  size_t accepted_ = 0;
  size_t refused_ = 0;
  Bytes dictionary_;
  TemporaryFolder folder_;
  std::mt19937 random_{1};

 private:
  void TryInfo(clamma_txf_info_t info, const char* how) {
    SCOPED_TRACE(how);
    LogCollector log;
    char desc[512] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log;
    const TxfPtr model(clamma_txf_construct(&info));
    EXPECT_STRNE(desc, "");
    if (model == nullptr) {
      ++refused_;
      EXPECT_EQ(log.last(), desc);
      return;
    }
    ++accepted_;
    Converse(model, &log);
    const char text[] = "Once upon a time";
    clamma_score_t score = {};
    clamma_score(model.get(), text, sizeof(text) - 1, &score, nullptr, 0);
  }

  // Generates a few tokens greedily and a few by sampling, up to the limit or an end with a reason.
  void Converse(const TxfPtr& model, LogCollector* log) {
    const SessionPtr session = NewSession(model);
    ASSERT_NE(session, nullptr) << log->last();
    for (const float temperature : {0.0f, 1.0f}) {
      for (const char* prompt : {"", "Once upon a time\xff\x01"}) {
        Listener listener;
        const size_t messages = log->lines.size();
        const Ask ask = {.prompt = prompt, .limit = 4, .temperature = temperature, .topp = 0.9f};
        if (StartQuery(session.get(), listener, ask) != 0) {
          EXPECT_EQ(log->lines.size(), messages + 1) << "refused without a reason";
          continue;
        }
        StepAll();
        ASSERT_EQ(listener.ends.size(), 1u);
        EXPECT_EQ(log->lines.size(), messages + (listener.ends[0] == CLAMMA_DONE_ERROR ? 1 : 0));
      }
    }
  }
};

struct Format {
  const char* name;
  size_t first_parameter;  // of seven
  size_t header_bytes;
};
constexpr Format kFormats[] = {
    {kFloatModel, 0, 28}, {kFloatV1Model, 8, 256}, {kQ80Model, 8, 256}, {kStraddlingModel, 8, 256}};

TEST_F(CorruptFilesTest, UndamagedFilesAreAccepted) {
  for (const Format& format : kFormats) TryCheckpoint(Whole(format.name));
  EXPECT_EQ(refused_, 0u);
  EXPECT_EQ(accepted_, 4 * std::size(kFormats));
}

TEST_F(CorruptFilesTest, EachHeaderFieldSetToAnything) {
  size_t round = 0;
  for (const Format& format : kFormats) {
    const Bytes whole = Whole(format.name);
    std::vector<size_t> fields;
    for (size_t i = 0; i < 7; ++i) fields.push_back(format.first_parameter + 4 * i);
    if (format.first_parameter == 8) {
      for (const size_t at : {0, 4, 36, 37}) fields.push_back(at);  // magic, version, flag, group
    }
    std::vector<int32_t> values = {
        0,    1,   2,     3,       4,       8,         63,        128,        -1,        -2,
        -512, 513, 65536, 1 << 24, 1 << 28, INT32_MIN, INT32_MAX, 0x7ffffffe, 0x10000001};
    for (int i = 0; i < 5; ++i) values.push_back(static_cast<int32_t>(random_()));
    for (const size_t field : fields) {
      for (const int32_t value : values) {
        SCOPED_TRACE(testing::Message() << format.name << ", byte " << field << " = " << value);
        Bytes damaged = whole;
        PutInt32(&damaged, field, value);
        TryCheckpoint(damaged, ++round % 3 == 0);
      }
    }
  }
  EXPECT_GT(refused_, 300u);
  EXPECT_GT(accepted_, 10u) << "a context of another length is as good";
}

TEST_F(CorruptFilesTest, SeveralHeaderFieldsAtATime) {
  constexpr int32_t kValues[] = {0,  1,   2,     4,       8,         16,       64,
                                 -1, 512, 65536, 1 << 28, INT32_MAX, INT32_MIN};
  for (const Format& format : kFormats) {
    const Bytes whole = Whole(format.name);
    for (int round = 0; round < 300; ++round) {
      Bytes damaged = whole;
      testing::Message what;
      what << format.name;
      for (size_t i = 0; i < 7; ++i) {
        if (random_() % 3 != 0) continue;
        const int32_t value = kValues[random_() % std::size(kValues)];
        PutInt32(&damaged, format.first_parameter + 4 * i, value);
        what << ", parameter " << i << " = " << value;
      }
      SCOPED_TRACE(what);
      TryCheckpoint(damaged, false);
    }
  }
  EXPECT_GT(refused_, 0u);
}

TEST_F(CorruptFilesTest, EveryTruncationOfTheHeader) {
  for (const Format& format : kFormats) {
    const Bytes whole = Whole(format.name);
    for (size_t size = 0; size <= format.header_bytes + 4; ++size) {
      SCOPED_TRACE(testing::Message() << format.name << " cut to " << size << " bytes");
      TryCheckpoint(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)),
                    size < 50 || size % 16 == 0);
    }
  }
  EXPECT_EQ(accepted_, 0u);
}

TEST_F(CorruptFilesTest, TruncationsOfTheBody) {
  for (const Format& format : kFormats) {
    const Bytes whole = Whole(format.name);
    std::vector<size_t> sizes = {whole.size() - 1,
                                 whole.size() - 2,
                                 whole.size() - 3,
                                 whole.size() - 4,
                                 whole.size() / 2,
                                 4096,
                                 65536};
    for (int i = 0; i < 10; ++i) sizes.push_back(format.header_bytes + random_() % 390000);
    for (const size_t size : sizes) {
      SCOPED_TRACE(testing::Message() << format.name << " cut to " << size << " bytes");
      TryCheckpoint(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    }
  }
  EXPECT_EQ(accepted_, 0u);
}

TEST_F(CorruptFilesTest, BytesBehindTheBodyAreRefusedButInFlash) {
  for (const Format& format : kFormats) {
    for (const size_t more : {1u, 4u, 1000u}) {
      Bytes longer = Whole(format.name);
      longer.resize(longer.size() + more, 0xa5);
      TryCheckpoint(longer);
    }
  }
  EXPECT_EQ(accepted_, 3 * std::size(kFormats));
  EXPECT_EQ(refused_, 9 * std::size(kFormats));
}

TEST_F(CorruptFilesTest, FlippedBitsOfTheHeader) {
  for (const Format& format : kFormats) {
    const Bytes whole = Whole(format.name);
    const size_t bytes = format.first_parameter == 0 ? 28 : 41;
    for (size_t bit = 0; bit < 8 * bytes; ++bit) {
      SCOPED_TRACE(testing::Message() << format.name << ", bit " << bit);
      Bytes damaged = whole;
      damaged[bit / 8] = static_cast<uint8_t>(damaged[bit / 8] ^ (1u << (bit % 8)));
      TryCheckpoint(damaged, bit % 7 == 0);
    }
    for (int round = 0; round < 100; ++round) {
      Bytes damaged = whole;
      for (int i = 0; i < 3; ++i) damaged[random_() % bytes] = static_cast<uint8_t>(random_());
      SCOPED_TRACE(testing::Message() << format.name << ", round " << round);
      TryCheckpoint(damaged, false);
    }
  }
}

TEST_F(CorruptFilesTest, RandomFiles) {
  for (const size_t size :
       {0u, 1u, 3u, 4u, 7u, 8u, 27u, 28u, 29u, 255u, 256u, 257u, 5000u, 300000u}) {
    for (int round = 0; round < 5; ++round) {
      Bytes random(size);
      for (uint8_t& byte : random) byte = static_cast<uint8_t>(random_());
      SCOPED_TRACE(testing::Message() << size << " random bytes, round " << round);
      TryCheckpoint(random);
      if (size >= 8) {
        PutInt32(&random, 0, 0x616b3432);
        PutInt32(&random, 4, 1 + round % 2);
        TryCheckpoint(random);
      }
    }
    TryCheckpoint(Bytes(size, 0));
    TryCheckpoint(Bytes(size, 0xff));
  }
  EXPECT_EQ(accepted_, 0u);
}

// Models of very few numbers, as small files can be.
TEST_F(CorruptFilesTest, TinyModelsRun) {
  std::normal_distribution<float> normal(0, 1);
  for (const bool int8 : {false, true}) {
    for (const int32_t vocab_size : {1, 2, 3, 4}) {
      for (const int32_t seq_len : {1, 2, 5}) {
        const int32_t parameters[7] = {2, 1, 1, 1, 1, vocab_size, seq_len};
        Bytes model(256);
        PutInt32(&model, 0, 0x616b3432);
        PutInt32(&model, 4, int8 ? 2 : 1);
        for (size_t i = 0; i < 7; ++i) PutInt32(&model, 8 + 4 * i, parameters[i]);
        model[36] = 1;
        if (int8) PutInt32(&model, 37, 1);
        const auto add_floats = [&](size_t n) {
          for (size_t i = 0; i < n; ++i) {
            const float value = normal(random_);
            uint8_t raw[4];
            std::memcpy(raw, &value, 4);
            model.insert(model.end(), raw, raw + 4);
          }
        };
        const auto add_matrix = [&](size_t n) {
          if (int8) {
            for (size_t i = 0; i < n; ++i) model.push_back(static_cast<uint8_t>(random_()));
          }
          add_floats(n);
        };
        add_floats(2 + 2 + 2);  // norms
        add_matrix(static_cast<size_t>(vocab_size) * 2);
        for (int i = 0; i < 4; ++i) add_matrix(4);  // wq, wk, wv, wo
        for (int i = 0; i < 3; ++i) add_matrix(2);  // w1, w2, w3
        Bytes dictionary = {1, 0, 0, 0};
        for (int32_t id = 0; id < vocab_size; ++id) {
          const uint8_t token[] = {0, 0, 0, 0, 1, 0, 0, 0, static_cast<uint8_t>('a' + id)};
          dictionary.insert(dictionary.end(), token, token + sizeof(token));
        }
        SCOPED_TRACE(testing::Message() << (int8 ? "int8" : "float") << ", vocabulary "
                                        << vocab_size << ", context " << seq_len);
        const size_t before = refused_;
        Try(model, dictionary);
        // A vocabulary without BOS and EOS may be refused, one with both may not.
        if (vocab_size >= 3) {
          EXPECT_EQ(refused_, before);
        }
      }
    }
  }
}

// ---- Weights ----

// Overwrites floats at random places after the header.
TEST_F(CorruptFilesTest, FloatWeightsThatAreNoNumbers) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::max(),
                       -std::numeric_limits<float>::max(),
                       std::numeric_limits<float>::denorm_min(),
                       1e20f};
  for (const char* name : {kFloatModel, kFloatV1Model}) {
    const Bytes whole = Whole(name);
    const size_t header = name == kFloatModel ? 28 : 256;
    for (const float value : bad) {
      for (const size_t places : {size_t{1}, size_t{100}, whole.size() / 4}) {
        Bytes damaged = whole;
        for (size_t i = 0; i < places; ++i) {
          const size_t at = header + random_() % ((whole.size() - header) / 4) * 4;
          std::memcpy(damaged.data() + at, &value, 4);
        }
        SCOPED_TRACE(testing::Message() << name << ", " << places << " times " << value);
        TryCheckpoint(damaged, places == 100);
      }
    }
  }
  EXPECT_EQ(refused_, 0u);
}

TEST_F(CorruptFilesTest, EveryTensorDamagedAlone) {
  // Version 1: norms, embedding, wq, wk, wv, wo, w1, w2, w3, in floats.
  constexpr size_t kTensors[] = {5 * 64,       5 * 64,       64,          512 * 64,
                                 5 * 64 * 64,  5 * 32 * 64,  5 * 32 * 64, 5 * 64 * 64,
                                 5 * 172 * 64, 5 * 64 * 172, 5 * 172 * 64};
  const Bytes whole = Whole(kFloatV1Model);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(), -1e38f, 0.0f}) {
    size_t at = 256;
    for (const size_t floats : kTensors) {
      Bytes damaged = whole;
      for (size_t i = 0; i < floats; ++i) std::memcpy(damaged.data() + at + 4 * i, &value, 4);
      SCOPED_TRACE(testing::Message() << "all floats from byte " << at << " are " << value);
      TryCheckpoint(damaged, false);
      at += 4 * floats;
    }
    ASSERT_EQ(at, whole.size());
  }
  EXPECT_EQ(refused_, 0u);
}

TEST_F(CorruptFilesTest, RandomInt8WeightsAndScales) {
  for (const char* name : {kQ80Model, kStraddlingModel}) {
    const Bytes whole = Whole(name);
    for (int round = 0; round < 12; ++round) {
      Bytes damaged = whole;
      for (size_t i = 256; i < damaged.size(); ++i) {
        if (round % 3 == 0 || random_() % 50 == 0) damaged[i] = static_cast<uint8_t>(random_());
      }
      SCOPED_TRACE(testing::Message() << name << ", round " << round);
      TryCheckpoint(damaged, round < 2);
    }
    for (const int fill : {0x00, 0x7f, 0x80, 0xff}) {
      Bytes damaged = whole;
      std::memset(damaged.data() + 256, fill, damaged.size() - 256);
      SCOPED_TRACE(testing::Message() << name << ", all bytes " << fill);
      TryCheckpoint(damaged, false);
    }
  }
  EXPECT_EQ(refused_, 0u);
}

TEST_F(CorruptFilesTest, RandomFloatWeights) {
  for (const char* name : {kFloatModel, kFloatV1Model}) {
    const Bytes whole = Whole(name);
    for (int round = 0; round < 8; ++round) {
      Bytes damaged = whole;
      for (size_t i = 256; i < damaged.size(); ++i) {
        if (round % 2 == 0 || random_() % 100 == 0) damaged[i] = static_cast<uint8_t>(random_());
      }
      SCOPED_TRACE(testing::Message() << name << ", round " << round);
      TryCheckpoint(damaged, round < 2);
    }
  }
  EXPECT_EQ(refused_, 0u);
}

TEST_F(CorruptFilesTest, HalfPrecisionKeysTakeWeightsOfAnySize) {
  const Bytes whole = Whole(kFloatV1Model);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e30f, 65504.0f, 1e-30f}) {
    Bytes damaged = whole;
    for (size_t i = 0; i < 1000; ++i) {
      const size_t at = 256 + random_() % ((whole.size() - 256) / 4) * 4;
      std::memcpy(damaged.data() + at, &value, 4);
    }
    HeapCopy copy(damaged);
    clamma_txf_info_t info = ModelInfo(kFloatV1Model);
    copy.BecomeModel(&info);
    info.kv_type = CLAMMA_KV_F16;
    const TxfPtr model = Open(info);
    const SessionPtr session = NewSession(model);
    Listener listener;
    ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 5}), 0);
    StepAll();
    EXPECT_EQ(listener.ends.size(), 1u) << value;
  }
}

// ---- Dictionaries ----

TEST_F(CorruptFilesTest, EveryTruncationOfTheDictionary) {
  const Bytes model = Whole(kFloatModel);
  const Bytes whole = dictionary_;
  for (size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 61) {
    SCOPED_TRACE(testing::Message() << "cut to " << size << " bytes");
    Try(model, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), size < 16);
  }
  EXPECT_EQ(accepted_, 0u);
}

TEST_F(CorruptFilesTest, DamagedDictionaries) {
  const Bytes model = Whole(kQ80Model);
  for (int round = 0; round < 300; ++round) {
    Bytes damaged = dictionary_;
    for (int i = 0; i <= round % 10; ++i) {
      damaged[random_() % damaged.size()] = static_cast<uint8_t>(random_());
    }
    SCOPED_TRACE(testing::Message() << "round " << round);
    Try(model, damaged, round % 20 == 0);
  }
  EXPECT_GT(accepted_, 0u);
  EXPECT_GT(refused_, 0u);
}

TEST_F(CorruptFilesTest, DictionaryLengthsSetToAnything) {
  const Bytes model = Whole(kQ80Model);
  for (const size_t at : {size_t{0}, size_t{4}, size_t{8}}) {  // longest, first score and length
    for (const int32_t value : {0, 1, -1, 5, 65536, 65537, INT32_MIN, INT32_MAX, 0x7fc00000}) {
      Bytes damaged = dictionary_;
      PutInt32(&damaged, at, value);
      SCOPED_TRACE(testing::Message() << "byte " << at << " = " << value);
      Try(model, damaged);
    }
  }
}

TEST_F(CorruptFilesTest, ScoresThatAreNoNumbers) {
  const Bytes model = Whole(kQ80Model);
  for (const uint32_t score : {0x7fc00000u, 0x7f800000u, 0xff800000u, 0x7f7fffffu, 0u}) {
    Bytes damaged = dictionary_;
    for (size_t at = 4; at < damaged.size();) {
      uint32_t length = 0;
      std::memcpy(&length, damaged.data() + at + 4, 4);
      PutInt32(&damaged, at, static_cast<int32_t>(score));
      at += 8 + length;
    }
    SCOPED_TRACE(testing::Message() << "all scores " << score);
    Try(model, damaged);
  }
  EXPECT_EQ(refused_, 0u);
}

TEST_F(CorruptFilesTest, FoldersAndDevicesAreRefused) {
  for (const char* path : {"/", "/dev/null", "/dev/zero"}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.checkpoint_path = path;
    EXPECT_NE(ReasonOfRefusal(info), "") << path;
    info = ModelInfo(kFloatModel);
    info.tokenizer_path = path;
    EXPECT_NE(ReasonOfRefusal(info), "") << path;
  }
}

}  // namespace
}  // namespace clamma_test
