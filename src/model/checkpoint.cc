// SPDX-License-Identifier: MIT
#include "model/checkpoint.h"

#include "platform/endian.h"
#include "platform/memory.h"

namespace clamma {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42" as a number
constexpr size_t kLegacyHeaderBytes = 28;
constexpr size_t kParameters = 7;
// Contexts beyond this are damage, not models: the longest in use are about a million.
constexpr uint32_t kMaxSeqLen = 1u << 24;
// A group's sum of int8 products stays far within 32 bits. In use are 32 to 256.
constexpr uint32_t kMaxGroupSize = 1u << 16;
constexpr int32_t kMinVocabSize = 3;  // unknown, BOS, EOS
// The largest vocabularies in use have about 260,000 tokens.
constexpr uint32_t kMaxVocabSize = 1u << 21;
// Keeps every count of rows or columns far from the limits of 32-bit arithmetic.
constexpr uint32_t kMaxDimension = 1u << 28;

struct Header {
  CheckpointFormat format = CheckpointFormat::kLegacy;
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
    header->format = version == 1 ? CheckpointFormat::kVersion1 : CheckpointFormat::kVersion2;
    header->bytes = kCheckpointHeaderBytes;
    parameters += 8;
  } else {
    header->format = CheckpointFormat::kLegacy;
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
    // Legacy files say "a classifier of its own" by a negative vocabulary.
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
  if (header->format == CheckpointFormat::kVersion2) header->group_size = ReadLe32Signed(p + 37);
  return Status();
}

Status CheckRange(const char* what, int32_t value, int32_t least, uint32_t most, uint32_t* out) {
  if (value < least || static_cast<uint32_t>(value) > most) {
    return Status::Error(
        StatusCode::kCorrupt, "not a checkpoint, or damaged: its %s is %d (%d to %u expected)",
        what, static_cast<int>(value), static_cast<int>(least), static_cast<unsigned>(most));
  }
  *out = static_cast<uint32_t>(value);
  return Status();
}

Status ReadConfig(const Header& header, ModelConfig* config) {
  const int32_t* p = header.parameters;
  CLAMMA_RETURN_IF_ERROR(CheckRange("dim", p[0], 1, kMaxDimension, &config->dim));
  CLAMMA_RETURN_IF_ERROR(CheckRange("hidden_dim", p[1], 1, kMaxDimension, &config->hidden_dim));
  CLAMMA_RETURN_IF_ERROR(CheckRange("layer count", p[2], 1, 1u << 16, &config->n_layers));
  CLAMMA_RETURN_IF_ERROR(CheckRange("head count", p[3], 1, 1u << 16, &config->n_heads));
  CLAMMA_RETURN_IF_ERROR(CheckRange("kv head count", p[4], 1, 1u << 16, &config->n_kv_heads));
  CLAMMA_RETURN_IF_ERROR(
      CheckRange("vocabulary size", p[5], kMinVocabSize, kMaxVocabSize, &config->vocab_size));
  CLAMMA_RETURN_IF_ERROR(CheckRange("context length", p[6], 1, kMaxSeqLen, &config->seq_len));
  config->shared_classifier = header.shared_classifier;
  if (config->dim % config->n_heads != 0 || config->head_size() % 2 != 0) {
    return Status::Error(
        StatusCode::kCorrupt,
        "not a checkpoint, or damaged: dim %u does not split into %u heads of even "
        "size",
        static_cast<unsigned>(config->dim), static_cast<unsigned>(config->n_heads));
  }
  if (config->n_heads % config->n_kv_heads != 0) {
    return Status::Error(
        StatusCode::kCorrupt, "not a checkpoint, or damaged: %u heads cannot share %u kv heads",
        static_cast<unsigned>(config->n_heads), static_cast<unsigned>(config->n_kv_heads));
  }
  if (header.format == CheckpointFormat::kVersion2) {
    config->weight_type = WeightType::kInt8Groups;
    CLAMMA_RETURN_IF_ERROR(
        CheckRange("group size", header.group_size, 1, kMaxGroupSize, &config->group_size));
  }
  return Status();
}

// Hands out consecutive stretches of the file; the first that does not fit sticks as the error.
class Layout {
 public:
  Layout(const ModelConfig& config, uint64_t start) : config_(config), at_(start) {}

  // `count` floats.
  uint64_t Floats(uint64_t count, uint64_t times = 1) {
    const uint64_t offset = at_;
    uint64_t bytes = 0;
    ok_ = ok_ && CheckedMultiply(count, times, &bytes) && CheckedMultiply(bytes, 4, &bytes) &&
          CheckedAdd(at_, bytes, &at_);
    return offset;
  }

  // `count` matrices of (rows, cols).
  TensorExtent Matrices(uint32_t rows, uint32_t cols, uint32_t count = 1) {
    const uint64_t elements = uint64_t{rows} * cols;  // < 2^56, see kMaxDimension
    TensorExtent extent = {at_, elements * 4, rows, cols};
    if (config_.weight_type == WeightType::kInt8Groups) {
      if (elements % config_.group_size != 0) group_fits_ = false;
      extent.bytes = elements + elements / config_.group_size * 4;
    }
    uint64_t bytes = 0;
    ok_ = ok_ && CheckedMultiply(extent.bytes, count, &bytes) && CheckedAdd(at_, bytes, &at_);
    return extent;
  }

  bool ok() const { return ok_; }
  bool group_fits() const { return group_fits_; }
  uint64_t end() const { return at_; }

 private:
  const ModelConfig& config_;
  uint64_t at_;
  bool ok_ = true;
  bool group_fits_ = true;
};

void LayOutNorms(Layout& layout, Checkpoint* c) {
  const ModelConfig& m = c->config;
  c->attention_norm = layout.Floats(m.dim, m.n_layers);
  c->ffn_norm = layout.Floats(m.dim, m.n_layers);
  c->final_norm = layout.Floats(m.dim);
}

void LayOutAttention(Layout& layout, Checkpoint* c) {
  const ModelConfig& m = c->config;
  c->wq.first = layout.Matrices(m.dim, m.dim, m.n_layers);
  c->wk.first = layout.Matrices(m.kv_dim(), m.dim, m.n_layers);
  c->wv.first = layout.Matrices(m.kv_dim(), m.dim, m.n_layers);
  c->wo.first = layout.Matrices(m.dim, m.dim, m.n_layers);
}

void LayOutFeedForward(Layout& layout, Checkpoint* c) {
  const ModelConfig& m = c->config;
  c->w1.first = layout.Matrices(m.hidden_dim, m.dim, m.n_layers);
  c->w2.first = layout.Matrices(m.dim, m.hidden_dim, m.n_layers);
  c->w3.first = layout.Matrices(m.hidden_dim, m.dim, m.n_layers);
}

void LayOutTensors(Layout& layout, Checkpoint* c) {
  const ModelConfig& m = c->config;
  if (c->format == CheckpointFormat::kLegacy) {
    c->embedding = layout.Matrices(m.vocab_size, m.dim);
    c->attention_norm = layout.Floats(m.dim, m.n_layers);
    LayOutAttention(layout, c);
    c->ffn_norm = layout.Floats(m.dim, m.n_layers);
    LayOutFeedForward(layout, c);
    c->final_norm = layout.Floats(m.dim);
    layout.Floats(m.head_size() / 2, m.seq_len);  // cosines and sines of RoPE, once in the format
    layout.Floats(m.head_size() / 2, m.seq_len);
  } else {
    LayOutNorms(layout, c);
    c->embedding = layout.Matrices(m.vocab_size, m.dim);
    LayOutAttention(layout, c);
    LayOutFeedForward(layout, c);
  }
  c->classifier = m.shared_classifier ? c->embedding : layout.Matrices(m.vocab_size, m.dim);
}

}  // namespace

Status ParseCheckpoint(const uint8_t* header_bytes, size_t size, uint64_t file_bytes,
                       bool allow_trailing, Checkpoint* checkpoint) {
  Header header;
  CLAMMA_RETURN_IF_ERROR(ReadHeader(header_bytes, size, &header));
  *checkpoint = Checkpoint();
  checkpoint->format = header.format;
  CLAMMA_RETURN_IF_ERROR(ReadConfig(header, &checkpoint->config));
  Layout layout(checkpoint->config, header.bytes);
  LayOutTensors(layout, checkpoint);
  if (!layout.group_fits()) {
    return Status::Error(StatusCode::kCorrupt,
                         "the checkpoint's group size %u does not divide its tensors",
                         static_cast<unsigned>(checkpoint->config.group_size));
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
  checkpoint->bytes = layout.end();
  return Status();
}

const char* CheckpointFormatName(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::kLegacy:
      return "llama2.c legacy";
    case CheckpointFormat::kVersion1:
      return "llama2.c version 1";
    case CheckpointFormat::kVersion2:
      return "llama2.c version 2";
  }
  return "";
}

}  // namespace clamma
