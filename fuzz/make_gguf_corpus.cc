// SPDX-License-Identifier: MIT
// Writes a corpus for the GGUF fuzzers to a folder, its only argument.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_models.h"

namespace {

using clamma_test::GgufBytes;
using clamma_test::GgufSpec;
using clamma_test::MakeGguf;

GgufBytes EveryValue() {
  GgufBytes file;
  file.Add("u8", uint8_t{1}).Add("i8", int8_t{-1}).Add("u16", uint16_t{1}).Add("i16", int16_t{-1});
  file.Add("u32", uint32_t{1}).Add("i32", int32_t{-1}).Add("f32", 1.5f).Add("flag", true);
  file.Add("text", "text").Add("u64", uint64_t{1}).Add("i64", int64_t{-1}).Add("f64", 1.5);
  file.AddArray("u32s", std::vector<uint32_t>{1, 2, 3}).AddArray("f32s", std::vector<float>{1, 2});
  file.AddArray("i8s", std::vector<int8_t>{1}).AddArray("f64s", std::vector<double>{1, 2, 3});
  file.AddArray("texts", std::vector<std::string>{"", "a", "bc"});
  file.AddRawArray("flags", 7, 3, {0, 1, 0});
  return file;
}

GgufBytes Model() {
  GgufBytes file;
  file.Add("general.architecture", "llama").Add("general.type", "model");
  file.Add("general.alignment", uint32_t{32}).Add("llama.block_count", uint32_t{1});
  file.Add("llama.pooling_type", uint32_t{0});
  file.AddArray("llama.attention.head_count", std::vector<int32_t>{2});
  file.AddArray("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>"});
  file.AddArray("tokenizer.ggml.scores", std::vector<float>{0, 0, -1});
  file.AddTensor("token_embd.weight", clamma_test::kQ8_0, {64, 3});
  file.AddTensor("blk.0.attn_q.weight", clamma_test::kQ4_K, {256, 1});
  file.AddTensor("output_norm.weight", clamma_test::kF32, {8});
  return file;
}

GgufBytes EveryType() {
  GgufBytes file;
  for (uint32_t type = 0; type < 43; ++type) {
    file.AddTensorAt("t" + std::to_string(type), type, {256}, 4096 * uint64_t{type});
  }
  return file;
}

GgufBytes Disordered() {
  GgufBytes file;
  file.alignment = 8;
  file.Add("general.alignment", uint8_t{8});
  file.AddTensorAt("b", clamma_test::kF32, {2, 3, 4, 5}, 8);
  file.AddTensorAt("a", clamma_test::kF16, {1, 1, 1}, 0);
  return file.AddData(488);
}

GgufBytes Split() {
  GgufBytes file;
  file.Add("split.no", uint16_t{0}).Add("split.count", uint16_t{3});
  file.Add("split.tensors.count", int32_t{3});
  return file.AddTensor("a", clamma_test::kF32, {1});
}

// A whole model of a few kilobytes.
GgufBytes SmallModel(uint32_t type) {
  return MakeGguf({.dim = 32,
                   .hidden = 32,
                   .layers = 1,
                   .heads = 2,
                   .kv_heads = 1,
                   .vocab = 34,
                   .type = type,
                   .tied = true,
                   .biases = true,
                   .rope_factors = true,
                   .tokens = 32});
}
GgufBytes ModelOfLayersThatDiffer() {
  return MakeGguf({.dim = 8,
                   .layers = 3,
                   .heads = 4,
                   .head_size = 4,
                   .vocab = 20,
                   .linear_scaling = 2,
                   .tokens = 20,
                   .layer_kv_heads = {2, 4, 1},
                   .layer_hidden = {5, 3, 8}});
}
GgufBytes ModelOfSuperBlocks() {
  GgufSpec spec = {.dim = 256,
                   .hidden = 2,
                   .layers = 1,
                   .heads = 1,
                   .kv_heads = 1,
                   .head_size = 2,
                   .vocab = 5,
                   .type = clamma_test::kQ4_K,
                   .tokens = 5};
  spec.types["blk.0.attn_output.weight"] = clamma_test::kF16;
  spec.types["blk.0.ffn_down.weight"] = clamma_test::kBF16;
  spec.types["blk.0.attn_v.weight"] = clamma_test::kQ6_K;
  return MakeGguf(spec);
}

bool Write(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return static_cast<bool>(file.flush());
}

bool Write(const std::string& path, const GgufBytes& file) {
  const std::vector<uint8_t> bytes = file.Build();
  return Write(path, std::string(bytes.begin(), bytes.end()));
}

bool WriteModels(const std::string& folder) {
  return Write(folder + "small_q5_1.gguf", SmallModel(clamma_test::kQ5_1)) &&
         Write(folder + "small_q8_0.gguf", SmallModel(clamma_test::kQ8_0)) &&
         Write(folder + "small_mxfp4.gguf", SmallModel(clamma_test::kMXFP4)) &&
         Write(folder + "layers.gguf", ModelOfLayersThatDiffer()) &&
         Write(folder + "super_blocks.gguf", ModelOfSuperBlocks());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_gguf_corpus FOLDER\n");
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  GgufBytes old = Model();
  old.version = 2;
  GgufBytes big_endian;
  big_endian.version = 0x03000000;
  bool ok = Write(folder + "values.gguf", EveryValue()) && Write(folder + "model.gguf", Model()) &&
            Write(folder + "types.gguf", EveryType()) && Write(folder + "old.gguf", old) &&
            Write(folder + "disordered.gguf", Disordered()) &&
            Write(folder + "split.gguf", Split()) && Write(folder + "empty.gguf", GgufBytes()) &&
            Write(folder + "big_endian.gguf", big_endian) && WriteModels(folder);
  const std::string kForeign[] = {
      "{\"a\": 1}",
      "<!DOCTYPE html>",
      "<?xml?>",
      "PK\x03\x04 data.pkl",
      "\x1f\x8b\x08",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
      std::string("\x12\0\0\0\0\0\0\0{\"__metadata__\":{}}", 26),
      "\x80\x02}q",
      "\x08\x07\x12\x01x",
      "tjgg"};
  int n = 0;
  for (const std::string& bytes : kForeign) {
    ok = ok && Write(folder + "foreign" + std::to_string(n++), bytes);
  }
  if (!ok) std::fprintf(stderr, "make_gguf_corpus: cannot write to %s\n", argv[1]);
  return ok ? 0 : 1;
}
