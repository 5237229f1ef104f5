// SPDX-License-Identifier: MIT
#include "model/files/file_kind.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "checkpoint_bytes.h"
#include "gguf_bytes.h"
#include "gguf_fixture.h"
#include "test_data.h"

namespace clamma {
namespace {

using clamma_test::ExpectReason;
using clamma_test::GgufBytes;
using clamma_test::ParsedGguf;

FileKind KindOf(const std::string& text) {
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  return FileKindOf(bytes.data(), bytes.size(), bytes.size());
}

void ExpectExplained(const std::string& text, FileKind kind,
                     const std::vector<std::string>& reason) {
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  EXPECT_EQ(FileKindOf(bytes.data(), bytes.size(), bytes.size()), kind) << text;
  ExpectReason(ExplainForeign(bytes.data(), bytes.size(), bytes.size()), reason);
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

std::string Safetensors(const std::string& json) {
  std::string text = Bytes({static_cast<int>(json.size()), 0, 0, 0, 0, 0, 0, 0}) + json;
  return text + std::string(64, '\0');
}

// Returns the first entry of a zip archive, with this name.
std::string Zip(const std::string& name) {
  return Bytes({'P', 'K', 3, 4, 0, 0, 8, 8, 0,
                0,   0,   0, 0, 0, 0, 0, 0, 0,
                0,   0,   0, 0, 0, 0, 0, 0, static_cast<int>(name.size()),
                0,   0,   0}) +
         name + std::string(100, 'x');
}

TEST(FileKind, OfAnEmptyFile) { ExpectExplained("", FileKind::kEmpty, {"empty file"}); }

TEST(FileKind, OfSafetensors) {
  ExpectExplained(Safetensors(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})"),
                  FileKind::kSafetensors, {"safetensors", "GGUF", "export.py"});
  ExpectExplained(Safetensors(R"({ "__metadata__": {} })"), FileKind::kSafetensors, {});
}

TEST(FileKind, OfAGitLfsPointer) {
  ExpectExplained(
      "version https://git-lfs.github.com/spec/v1\n"
      "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
      "size 4368439584\n",
      FileKind::kLfsPointer, {"Git LFS pointer", "4368439584 bytes", "git lfs pull"});
}

TEST(FileKind, OfJson) {
  for (const char* text : {R"({"architectures": ["LlamaForCausalLM"]})", "{\n  \"a\": 1\n}",
                           "\xef\xbb\xbf{}", "[1, 2]", " \r\n[\"a\"]", "[]", "{"}) {
    ExpectExplained(text, FileKind::kJson, {"JSON", ".gguf"});
  }
  EXPECT_EQ(KindOf("{not json}"), FileKind::kText);
}

TEST(FileKind, OfArchives) {
  ExpectExplained(Zip("archive/data.pkl"), FileKind::kPytorch, {"PyTorch", "export.py"});
  ExpectExplained(Zip("consolidated.00/data.pkl"), FileKind::kPytorch, {"PyTorch"});
  ExpectExplained(Zip("model.gguf"), FileKind::kZip, {"zip archive", "unpack"});
  ExpectExplained(Bytes({'P', 'K', 5, 6}) + std::string(18, '\0'), FileKind::kZip, {"zip"});
  ExpectExplained(Bytes({0x1f, 0x8b, 8, 0, 0, 0, 0, 0}), FileKind::kGzip, {"gzip", "gunzip"});
  ExpectExplained(Bytes({0xfd, '7', 'z', 'X', 'Z', 0}), FileKind::kCompressed, {"unpack"});
  ExpectExplained(Bytes({0x28, 0xb5, 0x2f, 0xfd, 4}), FileKind::kCompressed, {"unpack"});
}

TEST(FileKind, OfPickles) {
  // A pickle as PyTorch before 1.6 wrote it, then plain ones.
  ExpectExplained(Bytes({0x80, 2, 0x8a, 10, 'l', 0xfc, 0x9c, 'F', 0xf9}), FileKind::kPickle,
                  {"pickle", "1.6"});
  ExpectExplained(Bytes({0x80, 2, '}', 'q', 0}), FileKind::kPickle, {"pickle"});
  ExpectExplained(Bytes({0x80, 4, 0x95, 1, 0}), FileKind::kPickle, {"pickle"});
}

TEST(FileKind, OfOnnx) {
  ExpectExplained(Bytes({8, 7, 0x12, 7}) + "pytorch" + Bytes({0x1a, 5}) + "1.8.0", FileKind::kOnnx,
                  {"ONNX", "GGUF"});
  ExpectExplained(Bytes({8, 8, 0x3a, 0x80, 1}), FileKind::kOnnx, {"ONNX"});
}

TEST(FileKind, OfWebPages) {
  for (const char* text : {"<!DOCTYPE html>\n<html>", "<html lang=\"en\">", "\n\n <!doctype HTML>",
                           "\xef\xbb\xbf<HEAD>"}) {
    ExpectExplained(text, FileKind::kWebPage, {"web page", "/resolve/"});
  }
  ExpectExplained("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", FileKind::kXml,
                  {"XML", "download"});
}

TEST(FileKind, OfTexts) {
  for (const std::string& text :
       {std::string("a"), std::string("Hello\n"), std::string("#!/bin/sh\r\n"),
        std::string("\xef\xbb\xbf\tna\xc3\xafve \x1b[1m\xf0\x9f\x90\x9a"),
        "x" + std::string("\xc3\xa9\xc3\xa9") + std::string(5000, 'y')}) {
    ExpectExplained(text, FileKind::kText, {"a text file", ".gguf or .bin"});
  }
  // Only the beginning is looked at, and it may end within a character.
  for (size_t n = 0; n < 4; ++n) {
    std::string text(n, 'a');
    while (text.size() < 2000) text += "\xf0\x9f\x90\x9a";
    EXPECT_EQ(KindOf(text), FileKind::kText) << n;
  }
  for (const char* other : {"a\x01", "a\x7f", "a\xff", "\x80", "\xc3 ", "a\xed\xa0\x80"}) {
    EXPECT_EQ(KindOf(other), FileKind::kUnknown) << other;
  }
  EXPECT_EQ(KindOf(std::string("a\0b", 3)), FileKind::kUnknown);
}

TEST(FileKind, OfPrograms) {
  for (const std::string& start :
       {Bytes({0x7f, 'E', 'L', 'F', 2, 1, 1, 0}), Bytes({0, 'a', 's', 'm', 1, 0, 0, 0}),
        Bytes({0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1}), Bytes({0xce, 0xfa, 0xed, 0xfe, 7, 0, 0, 0}),
        Bytes({0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2}),
        "MZ" + std::string(58, '\0') + Bytes({64, 0, 0, 0}) + Bytes({'P', 'E', 0, 0})}) {
    ExpectExplained(start, FileKind::kProgram, {"a program or a library", ".gguf or .bin"});
  }
  // A checkpoint without a magic number may begin with the two bytes of a Windows program.
  EXPECT_EQ(KindOf("MZ" + std::string(200, '\0')), FileKind::kUnknown);
  EXPECT_EQ(KindOf("MZ" + std::string(58, '\0') + Bytes({0xff, 0xff, 0xff, 0xff})),
            FileKind::kUnknown);
}

TEST(FileKind, OfOldGgml) {
  for (const char* text : {"lmgg", "fmgg\1", "tjgg\3", "algg"}) {
    ExpectExplained(text, FileKind::kOldGgml, {"before GGUF"});
  }
}

TEST(FileKind, OfModelsIsNoReasonToRefuse) {
  for (const auto& [name, shape] : clamma_test::SmallShapes()) {
    const std::vector<uint8_t> bytes = clamma_test::MakeModel(shape, 1);
    EXPECT_EQ(FileKindOf(bytes.data(), bytes.size(), bytes.size()),
              shape.version == 0 ? FileKind::kUnknown : FileKind::kCheckpoint)
        << name;
    EXPECT_TRUE(ExplainForeign(bytes.data(), bytes.size(), bytes.size()).ok()) << name;
  }
  const std::vector<uint8_t> gguf = GgufBytes().Build();
  EXPECT_EQ(FileKindOf(gguf.data(), gguf.size(), gguf.size()), FileKind::kGguf);
  EXPECT_TRUE(ExplainForeign(gguf.data(), gguf.size(), gguf.size()).ok());
}

// Every width and depth of a checkpoint without a magic number.
TEST(FileKind, OfSmallNumbersIsUnknown) {
  for (int32_t dim = 1; dim < 65536; ++dim) {
    uint8_t bytes[28] = {};
    bytes[0] = static_cast<uint8_t>(dim);
    bytes[1] = static_cast<uint8_t>(dim >> 8);
    bytes[4] = 0x12;
    bytes[8] = 32;
    ASSERT_EQ(FileKindOf(bytes, sizeof(bytes), 1000000), FileKind::kUnknown) << dim;
  }
}

TEST(FileKind, OfAnyBytesIsSafe) {
  std::mt19937 random(1);
  const std::string starts[] = {"",
                                "{",
                                "[",
                                "<",
                                "PK\x03\x04",
                                "\x08\x07\x12",
                                "\x80\x02",
                                "GGUF",
                                "version https://git-lfs.github.com/spec/",
                                "\xf0\x9f",
                                "\x7f"
                                "ELF",
                                "MZ" + std::string(58, '\0')};
  for (int i = 0; i < 20000; ++i) {
    std::string text = starts[random() % std::size(starts)];
    text.resize(random() % 80, static_cast<char>(random()));
    for (char& c : text) {
      if (random() % 16 == 0) c = static_cast<char>(random());
    }
    std::vector<uint8_t> bytes(text.begin(), text.end());
    bytes.shrink_to_fit();
    const Status status = ExplainForeign(bytes.data(), bytes.size(), random() % 100);
    EXPECT_EQ(status.ok(), status.message()[0] == '\0');
  }
}

Status Check(const GgufBytes& file) {
  const ParsedGguf gguf(file);
  EXPECT_TRUE(gguf.status().ok()) << gguf.status().message();
  return CheckGgufIsModel(*gguf);
}

GgufBytes Model(const char* architecture) {
  GgufBytes file;
  file.Add("general.architecture", architecture);
  file.AddTensor("token_embd.weight", clamma_test::kQ8_0, {32, 4});
  return file;
}

TEST(CheckGgufIsModel, TakesModels) {
  EXPECT_TRUE(Check(Model("llama")).ok());
  EXPECT_TRUE(Check(Model("llama").Add("general.type", "model")).ok());
  for (const uint32_t pooling : {0, 1, 2, 3}) {
    EXPECT_TRUE(Check(Model("qwen3").Add("qwen3.pooling_type", pooling)).ok());
  }
  EXPECT_TRUE(Check(GgufBytes().Add("split.count", uint16_t{2})).ok());
}

TEST(CheckGgufIsModel, RefusesOtherTypes) {
  ExpectReason(Check(Model("llama").Add("general.type", "adapter")), {"adapter (LoRA)"});
  ExpectReason(Check(Model("llama").Add("adapter.type", "lora")), {"adapter (LoRA)"});
  ExpectReason(Check(GgufBytes().Add("general.type", "imatrix")), {"importance matrix"});
  ExpectReason(Check(Model("clip").Add("general.type", "mmproj")), {"images"});
  ExpectReason(Check(Model("llama").Add("general.type", "odd\n")), {"\"odd\\n\""});
  ExpectReason(Check(Model("llama").Add("general.type", 1.0f)), {"general.type", "a string"});
}

TEST(CheckGgufIsModel, RefusesArchitecturesThatWriteNoText) {
  ExpectReason(Check(Model("clip")), {"images"});
  ExpectReason(Check(Model("controlvector")), {"control vector"});
  for (const char* name : {"bert", "nomic-bert", "jina-bert-v2", "modern-bert", "t5encoder"}) {
    ExpectReason(Check(Model(name)), {"embedding model", name});
  }
  for (const uint32_t pooling : {4u, 5u, 0xffffffffu}) {
    ExpectReason(Check(Model("qwen3").Add("qwen3.pooling_type", pooling)),
                 {"rates", std::to_string(pooling)});
  }
}

TEST(CheckGgufIsModel, RefusesVocabularies) {
  ExpectReason(Check(GgufBytes().Add("general.architecture", "llama")), {"vocabulary alone"});
  const std::string path = clamma_test::DataRoot() / "vocab" / "ggml-vocab-llama-spm.gguf";
  CLAMMA_NEED_FILE(path);
  const ParsedGguf gguf(clamma_test::ReadBytes(path));
  ExpectReason(CheckGgufIsModel(*gguf), {"vocabulary alone"});
}

TEST(CheckGgufIsModel, RefusesTypesThatDoNotRun) {
  GgufBytes file = Model("llama");
  file.AddTensor("blk.0.ffn_down.weight", clamma_test::kIQ3_S, {256, 2});
  ExpectReason(Check(file), {"blk.0.ffn_down.weight", "IQ3_S", "F32, F16"});
  ExpectReason(Check(file.Add("general.type", "imatrix")), {"importance matrix"});  // the cause
}

}  // namespace
}  // namespace clamma
