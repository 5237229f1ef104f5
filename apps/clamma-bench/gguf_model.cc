// SPDX-License-Identifier: MIT
#include "gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "file_writer.h"
#include "random.h"
#include "vocabulary.h"

namespace bench {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

constexpr uint64_t kAlignment = 32;

uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// The formats' numbers of the types of values and of tokens.
enum ValueType : uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};
enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

// Keys and values, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
class Metadata {
 public:
  void Add(const std::string& key, uint32_t value) { AddValue(key, kUint32, value); }
  void Add(const std::string& key, float value) { AddValue(key, kFloat32, value); }
  void Add(const std::string& key, bool value) {
    AddValue(key, kBool, static_cast<uint8_t>(value ? 1 : 0));
  }
  void Add(const std::string& key, const std::string& value) {
    Begin(key, kString);
    PutText(value);
  }
  void Add(const std::string& key, const std::vector<std::string>& values) {
    Begin(key, kArray);
    PutArrayHead(kString, values.size());
    for (const std::string& value : values) PutText(value);
  }
  void Add(const std::string& key, const std::vector<float>& values) {
    Begin(key, kArray);
    PutArrayHead(kFloat32, values.size());
    for (const float value : values) Put(value);
  }
  void Add(const std::string& key, const std::vector<int32_t>& values) {
    Begin(key, kArray);
    PutArrayHead(kInt32, values.size());
    for (const int32_t value : values) Put(value);
  }

  template <typename T>
  void Put(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    bytes_.append(bytes, sizeof(T));
  }
  void PutText(const std::string& text) {
    Put(uint64_t{text.size()});
    bytes_ += text;
  }

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void Begin(const std::string& key, uint32_t type) {
    ++count_;
    PutText(key);
    Put(type);
  }
  void PutArrayHead(uint32_t type, size_t count) {
    Put(type);
    Put(uint64_t{count});
  }
  template <typename T>
  void AddValue(const std::string& key, uint32_t type, T value) {
    Begin(key, type);
    Put(value);
  }

  std::string bytes_;
  uint64_t count_ = 0;
};

// Adds a SentencePiece vocabulary, in which U+2581 stands for a space.
void AddVocabulary(uint32_t vocab_size, Metadata& metadata) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {kUnknown, kControl, kControl};
  for (uint32_t byte = 0; byte < kByteTokens; ++byte) tokens.push_back(ByteToken(byte));
  types.resize(tokens.size(), kByte);
  std::vector<float> scores(tokens.size(), 0.0f);
  for (std::string& text : RandomStrings(vocab_size)) {
    if (text[0] == ' ') text.replace(0, 1, "\xe2\x96\x81");
    scores.push_back(-static_cast<float>(tokens.size()));
    tokens.push_back(std::move(text));
  }
  types.resize(tokens.size(), kNormal);
  metadata.Add("tokenizer.ggml.model", std::string("llama"));
  metadata.Add("tokenizer.ggml.pre", std::string("default"));
  metadata.Add("tokenizer.ggml.tokens", tokens);
  metadata.Add("tokenizer.ggml.scores", scores);
  metadata.Add("tokenizer.ggml.token_type", types);
  metadata.Add("tokenizer.ggml.bos_token_id", 1u);
  metadata.Add("tokenizer.ggml.eos_token_id", 2u);
  metadata.Add("tokenizer.ggml.unknown_token_id", 0u);
  metadata.Add("tokenizer.ggml.add_bos_token", true);
  metadata.Add("tokenizer.ggml.add_eos_token", false);
}

// Adds the keys of the architecture.
void AddNumbers(const Shape& shape, Metadata& metadata) {
  const std::string arch = std::string(shape.architecture) + ".";
  metadata.Add(arch + "block_count", shape.layers);
  metadata.Add(arch + "context_length", shape.context);
  metadata.Add(arch + "embedding_length", shape.dim);
  metadata.Add(arch + "feed_forward_length", shape.hidden_dim);
  metadata.Add(arch + "attention.head_count", shape.heads);
  metadata.Add(arch + "attention.head_count_kv", shape.kv_heads);
  metadata.Add(arch + "attention.layer_norm_rms_epsilon", 1e-5f);
  metadata.Add(arch + "rope.dimension_count",
               shape.rope_dims != 0 ? shape.rope_dims : shape.width_of_head());
  metadata.Add(arch + "rope.freq_base", shape.rope_base);
  metadata.Add(arch + "vocab_size", shape.vocab_size);
  if (shape.head_size != 0) {
    metadata.Add(arch + "attention.key_length", shape.head_size);
    metadata.Add(arch + "attention.value_length", shape.head_size);
  }
  if (shape.window != 0) metadata.Add(arch + "attention.sliding_window", shape.window);
  for (const FloatKey& key : shape.floats) {
    if (key.name != nullptr) metadata.Add(arch + key.name, key.value);
  }
  if (shape.yarn_factor != 0) {
    metadata.Add(arch + "rope.scaling.type", std::string("yarn"));
    metadata.Add(arch + "rope.scaling.factor", shape.yarn_factor);
    metadata.Add(arch + "rope.scaling.original_context_length", shape.yarn_context);
  }
  if (shape.experts != 0) {
    metadata.Add(arch + "expert_count", shape.experts);
    metadata.Add(arch + "expert_used_count", shape.experts_used);
    metadata.Add(arch + "expert_feed_forward_length", shape.hidden_dim);
  }
}

// Whether the _m kinds use the better type for attn_v and ffn_down of this layer, as llama.cpp
// does.
bool KeptBetter(uint32_t layer, uint32_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

}  // namespace

GgufModel::GgufModel(const Shape& shape, const std::string& name, const GgufKind& kind) {
  AddTensors(shape, kind);
  MakeHeader(shape, name, kind);
  data_begin_ = Aligned(header_.size());
}

void GgufModel::AddMatrix(const std::string& name, const GgufType& type, uint32_t rows,
                          uint32_t cols, uint32_t quiet_rows) {
  const GgufType& used = TypeForCols(type, cols);
  const uint64_t bytes = uint64_t{rows} * (cols / used.cols) * used.bytes;
  tensors_.push_back({name, &used, rows, cols, quiet_rows, 0, data_bytes_, bytes, 0});
  data_bytes_ += Aligned(bytes);
  bytes_per_token_ += bytes;
}

void GgufModel::AddNorm(const std::string& name, uint32_t cols, float value) {
  const uint64_t bytes = uint64_t{cols} * sizeof(float);
  tensors_.push_back({name, &kGgufF32, 0, cols, 0, value, data_bytes_, bytes, 0});
  data_bytes_ += Aligned(bytes);
  bytes_per_token_ += bytes;
}

void GgufModel::AddAttention(const Shape& shape, const GgufKind& kind, uint32_t layer) {
  const GgufType& type = *kind.type;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  if (shape.norms_before) AddNorm(prefix + "attn_norm.weight", shape.dim, 1.0f);
  if (shape.qk_norms || shape.wide_qk_norms) {
    AddNorm(prefix + "attn_q_norm.weight", shape.qk_norms ? shape.head_size : shape.q_dim(), 1.0f);
    AddNorm(prefix + "attn_k_norm.weight", shape.qk_norms ? shape.head_size : shape.kv_dim(), 1.0f);
  }
  if (shape.biases) {
    AddNorm(prefix + "attn_q.bias", shape.q_dim(), 0.01f);
    AddNorm(prefix + "attn_k.bias", shape.kv_dim(), 0.01f);
    AddNorm(prefix + "attn_v.bias", shape.kv_dim(), 0.01f);
  }
  if (shape.is("gpt-oss")) {
    AddNorm(prefix + "attn_sinks.weight", shape.heads, 0.0f);
    AddNorm(prefix + "attn_output.bias", shape.dim, 0.01f);
  }
  if (shape.fused) {
    AddMatrix(prefix + "attn_qkv.weight", type, shape.q_dim() + 2 * shape.kv_dim(), shape.dim);
  } else {
    const GgufType& better = KeptBetter(layer, shape.layers) ? *kind.better : type;
    AddMatrix(prefix + "attn_q.weight", type, shape.q_dim(), shape.dim);
    AddMatrix(prefix + "attn_k.weight", type, shape.kv_dim(), shape.dim);
    AddMatrix(prefix + "attn_v.weight", better, shape.kv_dim(), shape.dim);
  }
  AddMatrix(prefix + "attn_output.weight", type, shape.dim, shape.q_dim());
  if (shape.post_norms) AddNorm(prefix + "post_attention_norm.weight", shape.dim, 1.0f);
}

// Counts only those bytes of the experts that a token reads.
void GgufModel::AddExperts(const Shape& shape, const GgufKind& kind, uint32_t layer) {
  const GgufType& type = *kind.type;
  const GgufType& better = KeptBetter(layer, shape.layers) ? *kind.better : type;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  AddMatrix(prefix + "ffn_gate_inp.weight", kGgufF32, shape.experts, shape.dim);
  if (shape.is("gpt-oss")) {
    AddNorm(prefix + "ffn_gate_inp.bias", shape.experts, 0.0f);
    AddMatrix(prefix + "ffn_gate_exps.bias", kGgufF32, shape.experts, shape.hidden_dim);
    AddMatrix(prefix + "ffn_up_exps.bias", kGgufF32, shape.experts, shape.hidden_dim);
    AddMatrix(prefix + "ffn_down_exps.bias", kGgufF32, shape.experts, shape.dim);
  }
  const auto add = [&](const char* name, const GgufType& of, uint32_t rows, uint32_t cols) {
    const uint64_t before = bytes_per_token_;
    AddMatrix(prefix + name, of, rows * shape.experts, cols);
    tensors_.back().experts = shape.experts;
    bytes_per_token_ = before + tensors_.back().bytes / shape.experts * shape.experts_used;
  };
  add("ffn_gate_exps.weight", type, shape.hidden_dim, shape.dim);
  add("ffn_up_exps.weight", type, shape.hidden_dim, shape.dim);
  add("ffn_down_exps.weight", better, shape.dim, shape.hidden_dim);
}

void GgufModel::AddLayer(const Shape& shape, const GgufKind& kind, uint32_t layer) {
  const GgufType& type = *kind.type;
  const GgufType& better = KeptBetter(layer, shape.layers) ? *kind.better : type;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  AddAttention(shape, kind, layer);
  if (shape.norms_before) {
    const char* const name = shape.is("gpt-oss") ? "post_attention_norm.weight" : "ffn_norm.weight";
    AddNorm(prefix + name, shape.dim, 1.0f);
  }
  if (shape.experts > 0) {
    AddExperts(shape, kind, layer);
  } else {
    if (!shape.fused) AddMatrix(prefix + "ffn_gate.weight", type, shape.hidden_dim, shape.dim);
    const uint32_t up_rows = shape.fused ? 2 * shape.hidden_dim : shape.hidden_dim;
    AddMatrix(prefix + "ffn_up.weight", type, up_rows, shape.dim);
    AddMatrix(prefix + "ffn_down.weight", better, shape.dim, shape.hidden_dim);
  }
  if (shape.post_norms) AddNorm(prefix + "post_ffw_norm.weight", shape.dim, 1.0f);
}

void GgufModel::AddTensors(const Shape& shape, const GgufKind& kind) {
  const uint32_t quiet_rows = std::min(kFirstString, shape.vocab_size);
  const bool tied = shape.shared_classifier;
  AddMatrix("token_embd.weight", tied ? *kind.better : *kind.type, shape.vocab_size, shape.dim,
            quiet_rows);
  if (!tied) bytes_per_token_ = tensors_.back().bytes / shape.vocab_size;
  for (uint32_t layer = 0; layer < shape.layers; ++layer) AddLayer(shape, kind, layer);
  AddNorm("output_norm.weight", shape.dim, kLogitDeviation);
  if (!tied) AddMatrix("output.weight", *kind.better, shape.vocab_size, shape.dim, quiet_rows);
}

void GgufModel::MakeHeader(const Shape& shape, const std::string& name, const GgufKind& kind) {
  constexpr uint32_t kVersion = 3;
  Metadata metadata;
  metadata.Add("general.architecture", std::string(shape.architecture));
  metadata.Add("general.type", std::string("model"));
  metadata.Add("general.name", "random " + name);
  metadata.Add("general.file_type", kind.file_type);
  metadata.Add("general.quantization_version", 2u);
  AddNumbers(shape, metadata);
  AddVocabulary(shape.vocab_size, metadata);

  Metadata header;
  header.Put(kVersion);
  header.Put(uint64_t{tensors_.size()});
  header.Put(metadata.count());
  Metadata entries;
  for (const Tensor& tensor : tensors_) {
    entries.PutText(tensor.name);
    entries.Put(uint32_t{tensor.experts != 0 ? 3u : tensor.rows == 0 ? 1u : 2u});
    entries.Put(uint64_t{tensor.cols});
    const uint32_t of_experts = std::max(tensor.experts, 1u);
    if (tensor.rows != 0) entries.Put(uint64_t{tensor.rows / of_experts});
    if (tensor.experts != 0) entries.Put(uint64_t{tensor.experts});
    entries.Put(tensor.type->id);
    entries.Put(tensor.offset);
  }
  header_ = "GGUF" + header.bytes() + metadata.bytes() + entries.bytes();
}

int GgufModel::Write(int fd, const std::function<void(double)>& progress) const {
  FileWriter writer(fd, file_bytes(), progress);
  Random random;
  writer.Put(header_.data(), header_.size());
  for (const Tensor& tensor : tensors_) {
    writer.PadTo(kAlignment);
    if (tensor.rows == 0) std::fill_n(writer.Append<float>(tensor.cols), tensor.cols, tensor.value);
    const float deviation = 1.0f / std::sqrt(static_cast<float>(tensor.cols));
    const size_t blocks = tensor.cols / tensor.type->cols;
    for (uint32_t row = 0; row < tensor.rows && writer.error() == 0; ++row) {
      auto* out = writer.Append<uint8_t>(blocks * tensor.type->bytes);
      tensor.type->fill(out, blocks, row < tensor.quiet_rows ? deviation * kQuiet : deviation,
                        random);
    }
  }
  writer.PadTo(kAlignment);
  writer.Flush();
  return writer.error();
}

}  // namespace bench
