// SPDX-License-Identifier: MIT
#include "model/files/llama2c.h"

#include <algorithm>

#include "platform/endian.h"
#include "platform/memory.h"

namespace clamma {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42" as a number
constexpr size_t kLegacyHeaderBytes = 28;
constexpr size_t kParameters = 7;
static_assert(kTextTokensOffset + 12 + size_t{4} * TextTokens::kMaxEnds <= kLlama2cHeaderBytes);
// Nine entries of matrices and three of norms.
constexpr size_t kEntries = 12;
// Keeps a group's sum of int8 products far below the limits of 32 bits. Groups in use have 32 to
// 256.
constexpr uint32_t kMaxGroupSize = 1u << 16;

enum class Format : uint8_t { kLegacy, kVersion1, kVersion2 };

struct Header {
  Format format = Format::kLegacy;
  size_t bytes = 0;
  int32_t parameters[kParameters] = {};
  bool shared_classifier = false;
  int32_t group_size = 0;
};

Status ReadHeader(const uint8_t* p, size_t size, Header* header) {
  const bool has_magic = size >= 8 && ReadLe32(p) == kMagic;
  const uint8_t* parameters = p;
  if (has_magic) {
    const uint32_t version = ReadLe32(p + 4);
    if (version != 1 && version != 2) {
      return Status::Error(StatusCode::kCorrupt,
                           "checkpoint version %u is unknown: 1 (float) and 2 (int8) are read",
                           static_cast<unsigned>(version));
    }
    header->format = version == 1 ? Format::kVersion1 : Format::kVersion2;
    header->bytes = kLlama2cHeaderBytes;
    parameters += 8;
  } else {
    header->format = Format::kLegacy;
    header->bytes = kLegacyHeaderBytes;
  }
  if (size < header->bytes) {
    return Status::Error(StatusCode::kCorrupt,
                         "a checkpoint's header has %zu bytes, and only %zu are here: "
                         "was the file cut short?",
                         header->bytes, size);
  }
  for (size_t i = 0; i < kParameters; ++i) {
    header->parameters[i] = ReadLe32Signed(parameters + 4 * i);
  }
  if (!has_magic) {
    // In legacy files a negative vocabulary size says that there is a separate classifier.
    int32_t& vocab_size = header->parameters[5];
    header->shared_classifier = vocab_size > 0;
    if (vocab_size < 0 && vocab_size > INT32_MIN) vocab_size = -vocab_size;
    return Status();
  }
  const uint8_t shared = p[36];
  if (shared > 1) {
    return Status::Error(StatusCode::kCorrupt,
                         "the checkpoint's shared-classifier flag is %u, not 0 or 1", shared);
  }
  header->shared_classifier = shared == 1;
  if (header->format == Format::kVersion2) header->group_size = ReadLe32Signed(p + 37);
  return Status();
}

// Reads an optional part of the header, after llama2.c's fields, where its files have zeros. (A
// template, so that builds without TextTokens compile none of it.)
template <typename Tokens>
Status ReadTextTokens(const uint8_t* header, size_t size, uint32_t vocab_size, Tokens* tokens) {
  const uint8_t* const p = header + kTextTokensOffset;
  if (size < kLlama2cHeaderBytes || ReadLe32(p) != kTextTokensMagic) return Status();
  tokens->is_said = true;
  tokens->bos = ReadLe32Signed(p + 4);
  tokens->n_ends = ReadLe32(p + 8);
  bool valid = tokens->bos >= -1 && tokens->bos < static_cast<int64_t>(vocab_size) &&
               tokens->n_ends <= TextTokens::kMaxEnds;
  for (uint32_t i = 0; valid && i < tokens->n_ends; ++i) {
    tokens->ends[i] = ReadLe32Signed(p + 12 + size_t{4} * i);
    valid = tokens->ends[i] >= 0 && static_cast<uint32_t>(tokens->ends[i]) < vocab_size;
  }
  if (valid) return Status();
  return Status::Error(
      StatusCode::kCorrupt,
      "the checkpoint's header names tokens for the beginning or the end of a text "
      "that the model has not");
}

Status CheckRange(const char* what, int32_t value, int32_t min, uint32_t max, uint32_t* out) {
  if (value < min || static_cast<uint32_t>(value) > max) {
    return Status::Error(
        StatusCode::kCorrupt, "not a checkpoint, or damaged: its %s is %d (%d to %u expected)",
        what, static_cast<int>(value), static_cast<int>(min), static_cast<unsigned>(max));
  }
  *out = static_cast<uint32_t>(value);
  return Status();
}

Status ReadConfig(const Header& header, ModelConfig* config) {
  LayerConfig& layer = config->widest;  // all layers are alike
  const struct {
    const char* name;
    int32_t min;
    uint32_t max;
    uint32_t* value;
  } parameters[kParameters] = {
      {"dim", 1, ModelLimits::kMaxDimension, &config->dim},
      {"hidden_dim", 1, ModelLimits::kMaxDimension, &layer.hidden_dim},
      {"layer count", 1, 1u << 16, &config->n_layers},
      {"head count", 1, 1u << 16, &layer.n_heads},
      {"kv head count", 1, 1u << 16, &layer.n_kv_heads},
      {"vocabulary size", int32_t{ModelLimits::kMinVocabSize}, ModelLimits::kMaxVocabSize,
       &config->vocab_size},
      {"context length", 1, ModelLimits::kMaxSeqLen, &config->seq_len},
  };
  for (size_t i = 0; i < kParameters; ++i) {
    const auto& p = parameters[i];
    CLAMMA_RETURN_IF_ERROR(CheckRange(p.name, header.parameters[i], p.min, p.max, p.value));
  }
  config->shared_classifier = header.shared_classifier;
  layer.head_size = config->dim / layer.n_heads;
  config->rope_dims = layer.head_size;
  if (config->dim % layer.n_heads != 0 || layer.head_size % 2 != 0) {
    return Status::Error(
        StatusCode::kCorrupt,
        "not a checkpoint, or damaged: dim %u does not split into %u heads of even size",
        static_cast<unsigned>(config->dim), static_cast<unsigned>(layer.n_heads));
  }
  if (layer.n_heads % layer.n_kv_heads != 0) {
    return Status::Error(
        StatusCode::kCorrupt, "not a checkpoint, or damaged: %u heads cannot share %u kv heads",
        static_cast<unsigned>(layer.n_heads), static_cast<unsigned>(layer.n_kv_heads));
  }
  if (header.format == Format::kVersion2) {
    config->weight_type = WeightType::kInt8Groups;
    CLAMMA_RETURN_IF_ERROR(
        CheckRange("group size", header.group_size, 1, kMaxGroupSize, &config->group_size));
  }
  return Status();
}

// Assigns consecutive parts of the file to the tensors. After an overflow, ok() is false.
class Layout {
 public:
  Layout(uint64_t start, ModelFile* file) : file_(*file), at_(start) {}

  // Skips `count` * `times` floats, which are not used.
  void Skip(uint64_t count, uint64_t times) {
    uint64_t bytes = 0;
    ok_ = ok_ && CheckedMultiply(count, times, &bytes) && CheckedMultiply(bytes, 4, &bytes) &&
          CheckedAdd(at_, bytes, &at_);
  }

  // Adds a norm for each of n_layers layers.
  void Norms(TensorId id, uint32_t n_layers = 1) {
    Add(id, WeightType::kF32, 1, file_.config.dim, n_layers);
  }

  // Adds a matrix (rows, cols) for each of n_layers layers.
  void Matrices(TensorId id, uint64_t rows, uint64_t cols, uint32_t n_layers = 1) {
    Add(id, file_.config.weight_type, rows, cols, n_layers);
  }

  bool ok() const { return ok_; }
  bool group_fits() const { return group_fits_; }
  uint64_t end() const { return at_; }

 private:
  void Add(TensorId id, WeightType type, uint64_t rows, uint64_t cols, uint32_t n_layers) {
    TensorPlace place;
    place.type = type;
    place.offset = at_;
    place.rows = static_cast<uint32_t>(rows);
    place.cols = static_cast<uint32_t>(cols);
    place.row_bytes = cols * 4;
    place.bytes = rows * cols * 4;  // < 2^58, see ModelLimits::kMaxDimension
    if (type == WeightType::kInt8Groups) {
      const uint32_t group = file_.config.group_size;
      if (rows * cols % group != 0) group_fits_ = false;
      place.row_bytes = cols;
      place.bytes = rows * cols + rows * cols / group * 4;
    }
    uint64_t bytes = 0;
    ok_ = ok_ && CheckedMultiply(place.bytes, n_layers, &bytes) && CheckedAdd(at_, bytes, &at_);
    file_.tensors.Add(id, place, 0, n_layers);
  }

  ModelFile& file_;
  uint64_t at_;
  bool ok_ = true;
  bool group_fits_ = true;
};

void LayOutAttention(Layout& layout, const ModelConfig& m) {
  const uint64_t q_dim = m.widest.q_dim();
  const uint64_t kv_dim = m.widest.kv_dim();
  layout.Matrices(TensorId::kQ, q_dim, m.dim, m.n_layers);
  layout.Matrices(TensorId::kK, kv_dim, m.dim, m.n_layers);
  layout.Matrices(TensorId::kV, kv_dim, m.dim, m.n_layers);
  layout.Matrices(TensorId::kAttentionOutput, m.dim, q_dim, m.n_layers);
}

void LayOutFeedForward(Layout& layout, const ModelConfig& m) {
  layout.Matrices(TensorId::kGate, m.widest.hidden_dim, m.dim, m.n_layers);
  layout.Matrices(TensorId::kDown, m.dim, m.widest.hidden_dim, m.n_layers);
  layout.Matrices(TensorId::kUp, m.widest.hidden_dim, m.dim, m.n_layers);
}

void LayOutTensors(Format format, Layout& layout, const ModelConfig& m) {
  if (format == Format::kLegacy) {
    layout.Matrices(TensorId::kEmbedding, m.vocab_size, m.dim);
    layout.Norms(TensorId::kAttentionNorm, m.n_layers);
    LayOutAttention(layout, m);
    layout.Norms(TensorId::kFfnNorm, m.n_layers);
    LayOutFeedForward(layout, m);
    layout.Norms(TensorId::kOutputNorm);
    layout.Skip(m.rope_dims, m.seq_len);  // RoPE's cosines and sines, an obsolete field
  } else {
    layout.Norms(TensorId::kAttentionNorm, m.n_layers);
    layout.Norms(TensorId::kFfnNorm, m.n_layers);
    layout.Norms(TensorId::kOutputNorm);
    layout.Matrices(TensorId::kEmbedding, m.vocab_size, m.dim);
    LayOutAttention(layout, m);
    LayOutFeedForward(layout, m);
  }
  if (!m.shared_classifier) layout.Matrices(TensorId::kOutput, m.vocab_size, m.dim);
}

const char* NameOf(Format format) {
  switch (format) {
    case Format::kLegacy:
      return "llama2.c legacy";
    case Format::kVersion1:
      return "llama2.c version 1";
    case Format::kVersion2:
      return "llama2.c version 2";
  }
  return "";
}

}  // namespace

Status ParseLlama2c(Memory& memory, const uint8_t* header_bytes, size_t size, uint64_t file_bytes,
                    bool allow_trailing, ModelFile* file) {
  Header header;
  CLAMMA_RETURN_IF_ERROR(ReadHeader(header_bytes, size, &header));
  *file = ModelFile();
  file->format = NameOf(header.format);
  file->file_type = header.format == Format::kVersion2 ? "int8" : "F32";
  CLAMMA_RETURN_IF_ERROR(ReadConfig(header, &file->config));
  if constexpr (kHasGguf) {
    if (header.format != Format::kLegacy) {
      CLAMMA_RETURN_IF_ERROR(
          ReadTextTokens(header_bytes, size, file->config.vocab_size, &file->text_tokens));
    }
  }
  CLAMMA_RETURN_IF_ERROR(file->tensors.Init(memory, kEntries));
  Layout layout(header.bytes, file);
  LayOutTensors(header.format, layout, file->config);
  if (!layout.group_fits()) {
    return Status::Error(StatusCode::kCorrupt,
                         "the checkpoint's group size %u does not divide its tensors",
                         static_cast<unsigned>(file->config.group_size));
  }
  if (!layout.ok() || layout.end() > file_bytes) {
    return Status::Error(StatusCode::kCorrupt,
                         "not a checkpoint, or cut short: its header asks for %s%llu bytes, and it "
                         "has %llu",
                         layout.ok() ? "" : "more than ",
                         static_cast<unsigned long long>(layout.ok() ? layout.end() : UINT64_MAX),
                         static_cast<unsigned long long>(file_bytes));
  }
  if (layout.end() < file_bytes && !allow_trailing) {
    return Status::Error(
        StatusCode::kCorrupt,
        "not a checkpoint, or damaged: its header describes %llu bytes, and it has "
        "%llu",
        static_cast<unsigned long long>(layout.end()), static_cast<unsigned long long>(file_bytes));
  }
  file->bytes = layout.end();
  file->sampled_bytes = std::min<uint64_t>(file->bytes, kLlama2cHeaderBytes);
  return file->tensors.Seal();
}

}  // namespace clamma
