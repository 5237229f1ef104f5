// SPDX-License-Identifier: MIT
// GGUF models through the public API: their vocabulary, facts, tokens that are never generated,
// split files, arenas, saved sessions, and files of other kinds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "gguf_models.h"
#include "temporary_folder.h"
#include "tokenizer_vocabularies.h"

namespace clamma_test {
namespace {

constexpr Ask kAsk = {.prompt = "the hand on a seat", .limit = 12, .temperature = 1, .seed = 5};

void ExpectTexts(const std::string& reason, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    EXPECT_NE(reason.find(text), std::string::npos) << reason << "\nlacks: " << text;
  }
}

class GgufApi : public testing::Test {
 protected:
  // An info for a file in the folder that contains its vocabulary.
  clamma_txf_info_t Info(const std::string& name) {
    clamma_txf_info_t info = ModelInfo(folder_.path(name));
    info.tokenizer_path = nullptr;
    return info;
  }
  clamma_txf_info_t Write(const GgufBytes& file, const std::string& name = "model.gguf") {
    folder_.Write(name, file.Build());
    return Info(name);
  }
  clamma_txf_info_t Write(const GgufSpec& spec) { return Write(MakeGguf(spec)); }
  std::string ReasonOf(const GgufBytes& file) { return ReasonOfRefusal(Write(file)); }

  static GgufSpec Spec(uint32_t type = kQ4_0) {
    return {.vocab = 300, .context = 96, .type = type, .tokens = 300};
  }

  TemporaryFolder folder_;
};

TEST_F(GgufApi, ReportsWhatTheModelIs) {
  const GgufSpec spec = Spec();
  const TxfPtr model = Open(Write(spec));
  const clamma_txf_facts_t facts = Facts(model);
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    bytes += GgufBytes::BytesOf(tensor.type, tensor.dims);
    parameters += tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1);
  }
  EXPECT_STREQ(facts.format, "GGUF");
  EXPECT_STREQ(facts.architecture, "llama");
  EXPECT_STREQ(facts.file_type, "Q4_0");
  EXPECT_EQ(facts.parameters, parameters);
  EXPECT_DOUBLE_EQ(facts.bits_per_weight,
                   8 * static_cast<double>(bytes) / static_cast<double>(parameters));
  EXPECT_EQ(facts.model_bytes, MakeGguf(spec).Build().size());
  EXPECT_EQ(facts.dim, 64u);
  EXPECT_EQ(facts.hidden_dim, 96u);
  EXPECT_EQ(facts.layers, 2u);
  EXPECT_EQ(facts.heads, 4u);
  EXPECT_EQ(facts.kv_heads, 2u);
  EXPECT_EQ(facts.head_size, 16u);
  EXPECT_EQ(facts.vocab_size, 300u);
  EXPECT_EQ(facts.context, 96u);
  EXPECT_EQ(facts.group_size, 0u);
  EXPECT_EQ(facts.shared_classifier, 0);
}

// An empty text begins with BOS, even if the vocabulary does not ask for it.
TEST_F(GgufApi, AnEmptyPromptIsBosAloneOrRefused) {
  GgufBytes file = ByteLevel({{"<|endoftext|>", kControl}}, {}, "gpt-2");
  const GgufSpec spec = {.vocab = kMore + 1};
  AddKeys(spec, &file);
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
  }
  const auto facts_of = [](const TxfPtr& model, const char* prompt) {
    const SessionPtr session = NewSession(model);
    Listener listener;
    EXPECT_EQ(StartQuery(session.get(), listener, {.prompt = prompt, .limit = 1}), 0);
    StepAll();
    return Facts(session.get());
  };
  GgufBytes with_bos = file;
  with_bos.Add("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(kMore));
  with_bos.Add("tokenizer.ggml.add_bos_token", false);
  const TxfPtr model = Open(Write(with_bos, "bos.gguf"));
  EXPECT_EQ(facts_of(model, "").prompt_tokens, 1u);
  EXPECT_EQ(facts_of(model, "a").prompt_tokens, 1u);
  EXPECT_EQ(facts_of(model, "ab").prompt_tokens, 2u);

  const TxfPtr bare = Open(Write(file, "bare.gguf"));
  const SessionPtr session = NewSession(bare);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.prompt = ""});
  char desc[200] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_STREQ(desc, "the prompt gives no tokens, and a text must begin with one");
  EXPECT_EQ(clamma_sessions_step_next(), 0);

  // A chat cannot begin with an empty text either.
  clamma_txf_info_t chat_info = Write(file, "bare.gguf");
  chat_info.model_type = CLAMMA_MODEL_CHAT;
  chat_info.chat_template = "{% if false %}{% endif %}";
  const TxfPtr silent(clamma_txf_construct(&chat_info));
  ASSERT_NE(silent, nullptr);
  const SessionPtr chat = NewSession(silent);
  info.prompt = "ab";
  desc[0] = '\0';
  EXPECT_NE(clamma_session_query(chat.get(), &info), 0);
  EXPECT_STREQ(desc, "the prompt gives no tokens, and a text must begin with one");
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

TEST_F(GgufApi, FileTypesAreNamed) {
  for (const GgufTypeName& type : kGgufTypes) {
    GgufSpec spec = SpecOfType(type.type);
    spec.tokens = spec.vocab;
    const std::string name = Facts(Open(Write(spec))).file_type;
    const bool small = type.type == kQ3_K || type.type == kQ4_K || type.type == kQ5_K;
    const std::string expected = std::string(type.name) + (small ? "_S" : "");
    EXPECT_EQ(name, expected);
    // Without the key, it is the type of most weights.
    spec.without.insert("general.file_type");
    EXPECT_STREQ(Facts(Open(Write(spec))).file_type, type.name);
  }
}

TEST_F(GgufApi, DescriptionSaysWhatTheModelIs) {
  char desc[512] = "";
  clamma_txf_info_t info = Write(Spec(kQ8_0));
  info.desc = desc;
  info.desc_max = sizeof(desc);
  info.kv_type = CLAMMA_KV_AUTO;
  const TxfPtr model = Open(info);
  const clamma_txf_facts_t facts = Facts(model);
  char expected[256];
  std::snprintf(
      expected, sizeof(expected), "model.gguf: GGUF, Q8_0, %.2f M parameters, %.2f MB (mapped)\n",
      static_cast<double>(facts.parameters) / 1e6, static_cast<double>(facts.model_bytes) / 1e6);
  ExpectTexts(desc, {expected,
                     "dim 64, hidden 96, layers 2, heads 4 (kv 2), vocabulary 300, context 96, "
                     "f16 kv cache, "});
  info.kv_type = CLAMMA_KV_Q8;
  Open(info);
  ExpectTexts(desc, {"q8 kv cache, "});
  EXPECT_EQ(std::count(desc, desc + std::strlen(desc), '\n'), 1) << desc;
}

TEST_F(GgufApi, KeysAndValuesAreOfTheTypeThatIsAskedFor) {
  clamma_txf_info_t info = Write(Spec());
  const auto bytes = [&](clamma_kv_type_t type) {
    info.kv_type = type;
    const TxfPtr model = Open(info);
    return Facts(NewSession(model).get()).memory_bytes_at_full_context;
  };
  const uint64_t floats = bytes(CLAMMA_KV_F32);
  EXPECT_LT(bytes(CLAMMA_KV_F16), floats * 6 / 10);
  EXPECT_EQ(bytes(CLAMMA_KV_AUTO), bytes(CLAMMA_KV_F16));
  // 2 layers, keys and values, 2 heads of 16, 96 positions: a byte and not four, and the scales.
  EXPECT_EQ(floats - bytes(CLAMMA_KV_Q8), 2 * 2 * 2 * 96 * (16 * 3 - 4));
  info.kv_type = static_cast<clamma_kv_type_t>(4);
  ExpectTexts(ReasonOfRefusal(info), {"kv_type"});
}

// Bytes, pieces that stand for spaces, and tokens that no text gives.
TEST_F(GgufApi, VocabularyInsideEncodesAndDecodes) {
  const TxfPtr model = Open(Write(Spec()));
  for (const std::string text : {"the hand", "a", " ", "", "x\xc3\xa9\xff", "<unused>", "<s>"}) {
    tok_id_t tokens[64];
    size_t count = 0;
    ASSERT_EQ(clamma_encode(model.get(), text.data(), text.size(),
                            CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX, tokens, 64, &count),
              0);
    ASSERT_LE(count, 64u);
    for (size_t i = 1; i < count; ++i) {
      EXPECT_GE(tokens[i], 3);
      EXPECT_LT(tokens[i], 299);  // not the unused one
    }
    char bytes[64];
    size_t size = 0;
    ASSERT_EQ(clamma_decode(model.get(), tokens, count, bytes, sizeof(bytes), &size), 0);
    EXPECT_EQ(std::string(bytes, size), text);
  }
}

TEST_F(GgufApi, VocabulariesThatDoNotFitAreRefused) {
  const auto replaced = [](const std::string& key) {
    GgufSpec spec = Spec();
    spec.without.insert(key);
    return MakeGguf(spec);
  };
  ExpectTexts(ReasonOf(replaced("tokenizer.ggml.model").Add("tokenizer.ggml.model", "rwkv")),
              {"model.gguf", "\"rwkv\"", "\"gpt2\"", "\"llama\"", "tokenizer_path"});
  ExpectTexts(ReasonOf(replaced("tokenizer.ggml.model").Add("tokenizer.ggml.model", "gpt2")),
              {"model.gguf", "tokenizer.ggml.merges"});
  for (const char* key :
       {"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.scores"}) {
    ExpectTexts(ReasonOf(replaced(key)), {key});
  }
  GgufSpec spec = Spec();
  spec.tokens = 301;
  ExpectTexts(ReasonOf(MakeGguf(spec)), {"301 tokens", "300"});
  const std::string scores = "tokenizer.ggml.scores";
  ExpectTexts(ReasonOf(replaced(scores).AddArray(scores, std::vector<float>(299))),
              {"300 tokens", "299 scores"});
  const std::string bos = "tokenizer.ggml.bos_token_id";
  ExpectTexts(ReasonOf(replaced(bos).Add(bos, uint32_t{300})), {bos});
  const std::string types = "tokenizer.ggml.token_type";
  ExpectTexts(ReasonOf(replaced(types).AddArray(types, std::vector<int32_t>{1, 1})), {"token 2"});
  EXPECT_NE(Open(Write(replaced(types))), nullptr) << "types may be missing";
  // There is no vocabulary, and none is given.
  spec.tokens = 0;
  ExpectTexts(ReasonOf(MakeGguf(spec)), {"tokenizer.ggml.model"});
}

// A model whose logits are given by the rows of its classifier, equal at every position.
GgufBytes ModelOfLogits(const std::vector<float>& logits, uint32_t tokens) {
  GgufSpec spec = {.vocab = static_cast<uint32_t>(logits.size()), .tokens = tokens};
  const std::vector<uint64_t> shape = {64, logits.size()};
  std::vector<float> rows;
  for (const float logit : logits) rows.insert(rows.end(), 64, logit / 64);
  spec.without = {"token_embd.weight", "output_norm.weight", "output.weight"};
  for (const char* layer : {"blk.0.", "blk.1."}) {
    spec.without.insert(layer + std::string("attn_output.weight"));
    spec.without.insert(layer + std::string("ffn_down.weight"));
  }
  GgufBytes file = MakeGguf(spec);
  file.AddTensor("token_embd.weight", kF32, shape,
                 FloatBytes(std::vector<float>(64 * logits.size(), 1.0f)));
  file.AddTensor("output_norm.weight", kF32, {64}, FloatBytes(std::vector<float>(64, 1.0f)));
  file.AddTensor("output.weight", kF32, shape, FloatBytes(rows));
  for (const char* layer : {"blk.0.", "blk.1."}) {
    file.AddTensor(layer + std::string("attn_output.weight"), kF32, {64, 64});
    file.AddTensor(layer + std::string("ffn_down.weight"), kF32, {96, 64});
  }
  return file;
}

std::set<tok_id_t> Generated(const TxfPtr& model, const Ask& ask, unsigned top_k = 0,
                             float penalty = 0) {
  const SessionPtr session = NewSession(model);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, ask);
  info.top_k = top_k;
  info.repetition_penalty = penalty;
  EXPECT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  tok_id_t tokens[64];
  size_t count = 0;
  EXPECT_EQ(clamma_session_get_tokens(session.get(), tokens, 64, &count), 0);
  return {tokens + 1, tokens + count};
}

TEST_F(GgufApi, WhatTheVocabularyLacksIsNeverGenerated) {
  // Ids from 40 on have no token, 39 is unused, and 0 is unknown; the text must not end.
  std::vector<float> logits(48, 1.0f);
  std::fill(logits.begin() + 40, logits.end(), 30.0f);
  logits[39] = 29;
  logits[0] = 28;
  logits[1] = logits[2] = -100;
  logits[5] = 2;
  const TxfPtr model = Open(Write(ModelOfLogits(logits, 40)));
  EXPECT_EQ(Generated(model, {.limit = 20}), std::set<tok_id_t>{5});
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const float topp : {0.0f, 0.9f}) {
      for (const unsigned top_k : {0u, 45u}) {
        const Ask ask = {.limit = 20, .temperature = 20, .topp = topp, .seed = seed};
        const std::set<tok_id_t> tokens = Generated(model, ask, top_k, 1.5f);
        EXPECT_GT(tokens.size(), 3u);
        EXPECT_GE(*tokens.begin(), 3);
        EXPECT_LT(*tokens.rbegin(), 39);
      }
    }
  }
}

TEST_F(GgufApi, EndOfTextAndEndOfTurnEndTheText) {
  std::vector<float> logits(48, 0.0f);
  logits[7] = 5;
  const GgufBytes plain = ModelOfLogits(logits, 48);
  EXPECT_EQ(RunFresh(Open(Write(plain)), {.limit = 4}).why, CLAMMA_DONE_LIMIT);
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    GgufBytes file = plain;
    const Outcome outcome = RunFresh(Open(Write(file.Add(key, uint32_t{7}))), {.limit = 4});
    EXPECT_EQ(outcome.why, CLAMMA_DONE_END_OF_TEXT);
    EXPECT_EQ(outcome.text, "");
  }
  logits[2] = 9;
  EXPECT_EQ(RunFresh(Open(Write(ModelOfLogits(logits, 48))), {.limit = 4}).why,
            CLAMMA_DONE_END_OF_TEXT);
}

TEST_F(GgufApi, FilesOfOtherKindsSayWhatTheyAre) {
  const struct {
    std::string bytes, text;
  } cases[] = {
      {std::string("\x12\0\0\0\0\0\0\0{\"__metadata__\":{}}", 26), "safetensors"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4711\n", "4711 bytes"},
      {"<!DOCTYPE html><html>", "web page"},
      {"{\"architectures\": [\"LlamaForCausalLM\"]}", "JSON"},
      {std::string("PK\x03\x04") + std::string(30, '\0') + "archive/data.pkl", "PyTorch"},
      {"\x1f\x8b\x08\x01", "gzip"},
      {"tjgg", "before GGUF"},
  };
  for (const auto& c : cases) {
    folder_.Write("model.gguf", c.bytes);
    for (const auto access : {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
      clamma_txf_info_t info = Info("model.gguf");
      info.model_access = access;
      ExpectTexts(ReasonOfRefusal(info), {"model.gguf", c.text});
    }
    HeapCopy copy({c.bytes.begin(), c.bytes.end()});
    clamma_txf_info_t info = Info("model.gguf");
    copy.BecomeModel(&info);
    const std::string reason = ReasonOfRefusal(info);
    ExpectTexts(reason, {c.text});
    EXPECT_EQ(reason.rfind("the model: ", 0), 0u) << reason;
  }
}

TEST_F(GgufApi, FileThatIsCutShortSaysHowMuchIsMissing) {
  std::vector<uint8_t> bytes = MakeGguf(Spec()).Build();
  bytes.resize(bytes.size() - 777);
  folder_.Write("model.gguf", bytes);
  clamma_txf_info_t info = Info("model.gguf");
  ExpectTexts(ReasonOfRefusal(info), {"model.gguf", "777"});
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  ExpectTexts(ReasonOfRefusal(info), {"model.gguf", "777"});
}

class GgufSplit : public GgufApi {
 protected:
  static std::string NameOfPart(int i) {
    return "m-0000" + std::to_string(i + 1) + "-of-00003.gguf";
  }
  void WriteParts(const GgufSpec& spec) {
    const std::vector<GgufBytes> parts = MakeSplitGguf(spec, 3);
    for (int i = 0; i < 3; ++i) Write(parts[static_cast<size_t>(i)], NameOfPart(i));
  }
};

TEST_F(GgufSplit, AnyFileOfTheSetMayBeNamed) {
  const std::string expected = RunFresh(Open(Write(Spec())), kAsk).text;
  ASSERT_NE(expected, "");
  WriteParts(Spec());
  for (int i = 0; i < 3; ++i) {
    for (const auto access : {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
      clamma_txf_info_t info = Info(NameOfPart(i));
      info.model_access = access;
      const TxfPtr model = Open(info);
      ASSERT_NE(model, nullptr);
      EXPECT_EQ(RunFresh(model, kAsk).text, expected);
      EXPECT_STREQ(Facts(model).file_type, "Q4_0");
    }
  }
}

TEST_F(GgufSplit, AMissingFileIsNamed) {
  WriteParts(Spec());
  std::filesystem::remove(folder_.path(NameOfPart(1)));
  ExpectTexts(ReasonOfRefusal(Info(NameOfPart(0))), {NameOfPart(1)});
  ExpectTexts(ReasonOfRefusal(Info(NameOfPart(2))), {NameOfPart(1)});
  folder_.Write(NameOfPart(1), "something else");
  ExpectTexts(ReasonOfRefusal(Info(NameOfPart(0))), {NameOfPart(1), "not a GGUF file"});
  std::filesystem::copy_file(folder_.path(NameOfPart(0)), folder_.path("x.gguf"));
  ExpectTexts(ReasonOfRefusal(Info("x.gguf")), {"x.gguf", "-00001-of-00003.gguf"});
}

TEST_F(GgufSplit, IsRefusedAtAnAddressAndInAnArena) {
  WriteParts(Spec());
  HeapCopy copy(ReadBytes(folder_.path(NameOfPart(0))));
  clamma_txf_info_t info = Info(NameOfPart(0));
  copy.BecomeModel(&info);
  ExpectTexts(ReasonOfRefusal(info), {"split into 3 files", "address"});
  std::vector<uint8_t> arena(size_t{4} << 20);
  info = Info(NameOfPart(0));
  info.arena = arena.data();
  info.arena_size = arena.size();
  ExpectTexts(ReasonOfRefusal(info), {"split into files", "arena"});
  info.arena_size = 1000;
  ExpectTexts(ReasonOfRefusal(info), {"split into files", "arena"});
}

// A part of a file in a folder: `length` bytes at `offset`.
class FilePart {
 public:
  FilePart(const std::string& path, uint64_t offset, uint64_t length)
      : part_{open(path.c_str(), O_RDONLY), offset, length} {
    EXPECT_GE(part_.descriptor, 0);
  }
  ~FilePart() { close(part_.descriptor); }
  FilePart(const FilePart&) = delete;
  FilePart& operator=(const FilePart&) = delete;

  void BecomeModel(clamma_txf_info_t* info) const {
    info->checkpoint_path = nullptr;
    info->checkpoint_part = &part_;
  }

 private:
  clamma_file_part_t part_;
};

// At any offset, as kernels assume no alignment. The rest of the file does not matter.
TEST_F(GgufApi, IsServedFromAPartOfAnOpenFile) {
  const std::vector<uint8_t> model = MakeGguf(Spec()).Build();
  const std::string expected = RunFresh(Open(Write(Spec())), kAsk).text;
  ASSERT_NE(expected, "");
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4099}}) {
    std::vector<uint8_t> archive(offset, 'x');
    archive.insert(archive.end(), model.begin(), model.end());
    archive.resize(archive.size() + 777, 'x');
    const FilePart part(folder_.Write("archive", archive), offset, model.size());
    for (const auto access : {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
      clamma_txf_info_t info = Info("archive");
      info.model_access = access;
      part.BecomeModel(&info);
      EXPECT_EQ(RunFresh(Open(info), kAsk).text, expected) << offset;
    }
    const FilePart cut(folder_.path("archive"), offset, model.size() - 777);
    clamma_txf_info_t info = Info("archive");
    cut.BecomeModel(&info);
    ExpectTexts(ReasonOfRefusal(info), {"the descriptor: ", "777 are missing"});
  }
}

TEST_F(GgufSplit, IsRefusedByADescriptor) {
  WriteParts(Spec());
  const std::string path = folder_.path(NameOfPart(0));
  const FilePart part(path, 0, std::filesystem::file_size(path));
  for (const auto access : {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
    clamma_txf_info_t info = Info(NameOfPart(0));
    info.model_access = access;
    part.BecomeModel(&info);
    ExpectTexts(ReasonOfRefusal(info), {"split into 3 files", "by a descriptor"});
  }
}

TEST_F(GgufApi, SessionsAreSavedAndRestoredByEveryAccess) {
  clamma_txf_info_t info = Write(Spec());
  info.kv_type = CLAMMA_KV_AUTO;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  RunQuery(session.get(), kAsk);
  const Stream saved = Save(session.get());
  const Ask more = {.prompt = nullptr, .limit = 12};
  const std::string expected = RunQuery(session.get(), more).text;
  EXPECT_NE(expected, "");
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  const TxfPtr cached = Open(info);
  HeapCopy copy(MakeGguf(Spec()).Build(), 5);
  copy.BecomeModel(&info);
  const TxfPtr at_address = Open(info);
  for (const TxfPtr* other : {&model, &cached, &at_address}) {
    const SessionPtr restored = NewSession(*other);
    ASSERT_EQ(Restore(restored.get(), saved), 0);
    EXPECT_EQ(RunQuery(restored.get(), more).text, expected);
  }
  GgufSpec spec = Spec();
  spec.seed = 2;
  info = Write(MakeGguf(spec), "other.gguf");
  info.kv_type = CLAMMA_KV_AUTO;
  const TxfPtr other_weights = Open(info);
  EXPECT_NE(Restore(NewSession(other_weights).get(), saved), 0);
}

// Returns the size that a reason states for an arena that is too small.
size_t NeededBytes(const std::string& reason) {
  unsigned long long has = 0;
  unsigned long long needed = 0;
  std::sscanf(reason.c_str(), "out of memory: the arena has %llu bytes, and %llu are needed", &has,
              &needed);
  return static_cast<size_t>(needed);
}

// Begins with `size` bytes. With the size that a reason states, the next call succeeds, until all
// do. Returns the last size.
size_t ExpectTrueFigures(clamma_txf_info_t info, size_t size, const std::string& expected) {
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  for (size_t failures = 0; failures <= 3; ++failures) {
    std::vector<uint8_t> arena(size);
    info.arena = arena.data();
    info.arena_size = size;
    const TxfPtr model(clamma_txf_construct(&info));
    const SessionPtr session(model == nullptr ? nullptr : clamma_session_construct(model.get()));
    Listener listener;
    if (session != nullptr && StartQuery(session.get(), listener, kAsk) == 0) {
      StepAll();
      EXPECT_EQ(listener.text, expected) << log.last();
      EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
      return size;
    }
    const size_t needed = NeededBytes(log.last());
    EXPECT_GT(needed, size) << log.last();
    size = needed;
  }
  ADD_FAILURE() << "a figure was too small: " << log.last();
  return 0;
}

TEST_F(GgufApi, FiguresOfArenasAreTrue) {
  // On big-endian machines the arena also contains copies of the weights, which the first size
  // includes.
  const bool copies = std::endian::native == std::endian::big;
  for (const GgufSpec& spec : {Spec(), UnusualSpec(), MixedSpec()}) {
    GgufSpec with_tokens = spec;
    with_tokens.tokens = spec.vocab;
    clamma_txf_info_t info = Write(with_tokens);
    const std::string expected = RunFresh(Open(info), kAsk).text;
    HeapCopy copy(MakeGguf(with_tokens).Build(), 1);
    for (const unsigned threads : {1u, 3u}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, width " << spec.dim);
      info = Info("model.gguf");
      info.threads = threads;
      const size_t room = copies ? size_t{2} << 20 : 0;
      const size_t mapped = ExpectTrueFigures(info, 1 + room, expected);
      // A cache allocates its blocks when they are read. The size for construction includes them,
      // and must leave enough for a session.
      info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
      uint8_t byte = 0;
      info.arena = &byte;
      info.arena_size = 1;
      const size_t cached = NeededBytes(ReasonOfRefusal(info));
      EXPECT_GT(cached, 4096u);
      ExpectTrueFigures(info, cached + mapped, expected);
      copy.BecomeModel(&info);
      ExpectTrueFigures(info, 1 + room, expected);
    }
  }
}

}  // namespace
}  // namespace clamma_test
