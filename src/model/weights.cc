// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <algorithm>
#include <bit>

#include "platform/endian.h"

namespace clamma {
namespace {

// AddSamples(): pieces of so many bytes, and how many bytes in all, but for one piece more a
// matrix.
constexpr size_t kSampleBytes = 1024;
constexpr uint64_t kMostSampledBytes = uint64_t{4} << 20;

uint64_t Elements(const TensorExtent& extent) { return uint64_t{extent.rows} * extent.cols; }

}  // namespace

Status Weights::Open(Memory& memory, const ByteSource& source, const Options& options) {
  source_ = source;
  uint8_t header[kCheckpointHeaderBytes];
  const auto size = static_cast<size_t>(std::min<uint64_t>(source.size, sizeof(header)));
  CLAMMA_RETURN_IF_ERROR(source.Read(0, header, size));
  CLAMMA_RETURN_IF_ERROR(
      ParseCheckpoint(header, size, source.size, options.allow_trailing, &checkpoint_));
  // The file's float order is not that of a big-endian machine: there everything is converted on
  // its way into the cache.
  use_cache_ = options.use_cache || kBigEndianHost;
  if (use_cache_) {
    CLAMMA_RETURN_IF_ERROR(DeclareBlocks(memory, options.use_cache ? options.cache_limit : 0));
  }
  if (source.base == nullptr)
    CLAMMA_RETURN_IF_ERROR(row_.Resize(memory, uint64_t{config().dim} * 8));
  return LoadNorms(memory);
}

Status Weights::LoadNorms(Memory& memory) {
  const size_t dim = config().dim;
  const size_t of_layers = config().n_layers * dim;
  CLAMMA_RETURN_IF_ERROR(norms_.Resize(memory, 2 * of_layers + dim));
  if (memory.is_plan()) return Status();
  float* out = norms_.data();
  CLAMMA_RETURN_IF_ERROR(source_.Read(checkpoint_.attention_norm, out, of_layers * 4));
  CLAMMA_RETURN_IF_ERROR(source_.Read(checkpoint_.ffn_norm, out + of_layers, of_layers * 4));
  CLAMMA_RETURN_IF_ERROR(source_.Read(checkpoint_.final_norm, out + 2 * of_layers, dim * 4));
  Le32ToHost(reinterpret_cast<uint8_t*>(out), norms_.size());
  return Status();
}

Status Weights::DeclareBlocks(Memory& memory, size_t limit) {
  const Checkpoint& c = checkpoint_;
  CLAMMA_RETURN_IF_ERROR(cache_.Init(memory, limit, 7 * size_t{config().n_layers} + 2));
  // In the order of all three formats. Of an embedding that is no classifier only rows are read,
  // past the cache.
  if (config().shared_classifier) DeclareBlock(c.classifier);
  const TensorSeries* const series[] = {&c.wq, &c.wk, &c.wv, &c.wo, &c.w1, &c.w2, &c.w3};
  for (const TensorSeries* s : series) {
    for (uint32_t layer = 0; layer < config().n_layers; ++layer) {
      DeclareBlock(s->layer(layer));
    }
  }
  if (!config().shared_classifier) DeclareBlock(c.classifier);
  if (memory.is_plan()) memory.PlanFor(cache_.MostOfArena());
  return cache_.CheckLimit();
}

void Weights::DeclareBlock(const TensorExtent& extent) {
  const bool q80 = config().weight_type == WeightType::kInt8Groups;
  cache_.AddBlock(extent.offset, extent.bytes, q80 ? Elements(extent) : 0);
}

Status Weights::Acquire(const TensorExtent& extent, Matrix* matrix) {
  const uint8_t* data = nullptr;
  if (use_cache_) {
    CLAMMA_RETURN_IF_ERROR(cache_.Pin(source_, extent.offset, &data));
  } else {
    data = source_.base + extent.offset;
  }
  const bool is_float = config().weight_type == WeightType::kF32;
  *matrix = {.type = config().weight_type,
             .data = data,
             .rows = extent.rows,
             .cols = extent.cols,
             .row_bytes = uint64_t{extent.cols} * (is_float ? sizeof(float) : 1),
             .scales = is_float ? nullptr : data + Elements(extent),
             .group_size = config().group_size};
  return Status();
}

void Weights::Release(const TensorExtent& extent) {
  if (use_cache_) cache_.Unpin(extent.offset);
}

Status Weights::ReadEmbedding(uint32_t token, float* out) {
  const TensorExtent& extent = checkpoint_.embedding;
  const size_t dim = extent.cols;
  const uint64_t first = uint64_t{token} * dim;  // element
  if (config().weight_type == WeightType::kF32) {
    CLAMMA_RETURN_IF_ERROR(source_.Read(extent.offset + first * 4, out, dim * 4));
    Le32ToHost(reinterpret_cast<uint8_t*>(out), dim);
    return Status();
  }
  // A row touches at most dim scales: its bytes first, then those.
  const uint64_t group = config().group_size;
  const uint64_t first_scale = first / group;
  const auto n_scales = static_cast<size_t>((first + dim - 1) / group - first_scale + 1);
  const uint64_t data_at = extent.offset + first;
  const uint64_t scales_at = extent.offset + Elements(extent) + first_scale * 4;
  const uint8_t* data = row_.data();
  const uint8_t* scales = row_.data() + dim;
  if (source_.base != nullptr) {
    data = source_.base + data_at;
    scales = source_.base + scales_at;
  } else {
    CLAMMA_RETURN_IF_ERROR(source_.Read(data_at, row_.data(), dim));
    CLAMMA_RETURN_IF_ERROR(source_.Read(scales_at, row_.data() + dim, n_scales * 4));
  }
  uint64_t in_group = first % group;
  for (size_t k = 0; k < dim; ++k) {
    out[k] = static_cast<float>(static_cast<int8_t>(data[k])) * ReadLeF32(scales);
    if (++in_group == group) {
      in_group = 0;
      scales += 4;
    }
  }
  return Status();
}

Status Weights::AddSamplesOf(const TensorExtent& extent, uint64_t step, Checksum* checksum) const {
  for (uint64_t at = 0; at < extent.bytes; at += step) {
    uint8_t sample[kSampleBytes];
    const auto n = static_cast<size_t>(std::min<uint64_t>(extent.bytes - at, kSampleBytes));
    CLAMMA_RETURN_IF_ERROR(source_.Read(extent.offset + at, sample, n));
    checksum->Add(sample, n);
  }
  return Status();
}

uint64_t Weights::SampleStep() const {
  const Checkpoint& c = checkpoint_;
  uint64_t total = c.embedding.bytes + (config().shared_classifier ? 0 : c.classifier.bytes);
  for (const TensorSeries* series : {&c.wq, &c.wk, &c.wv, &c.wo, &c.w1, &c.w2, &c.w3}) {
    total += config().n_layers * series->first.bytes;
  }
  return kSampleBytes * ((total + kMostSampledBytes - 1) / kMostSampledBytes);
}

Status Weights::AddSamples(Checksum* checksum) const {
  const Checkpoint& c = checkpoint_;
  const TensorExtent header = {0, std::min<uint64_t>(c.bytes, kCheckpointHeaderBytes), 0, 0};
  CLAMMA_RETURN_IF_ERROR(AddSamplesOf(header, kSampleBytes, checksum));
  for (size_t i = 0; i < norms_.size(); ++i) {
    uint8_t bytes[4];
    WriteLe32(bytes, std::bit_cast<uint32_t>(norms_[i]));
    checksum->Add(bytes, sizeof(bytes));
  }
  const uint64_t step = SampleStep();
  for (const TensorSeries* series : {&c.wq, &c.wk, &c.wv, &c.wo, &c.w1, &c.w2, &c.w3}) {
    for (uint32_t layer = 0; layer < config().n_layers; ++layer) {
      CLAMMA_RETURN_IF_ERROR(AddSamplesOf(series->layer(layer), step, checksum));
    }
  }
  CLAMMA_RETURN_IF_ERROR(AddSamplesOf(c.embedding, step, checksum));
  if (config().shared_classifier) return Status();
  return AddSamplesOf(c.classifier, step, checksum);
}

}  // namespace clamma
