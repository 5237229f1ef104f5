// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "kernels/weight_types.h"
#include "model/files/llama2c.h"
#include "platform/endian.h"

namespace clamma {
namespace {

// AddSamples() takes pieces of kSampleBytes. All pieces together are at most kMaxSampledBytes and
// one more piece per matrix.
constexpr size_t kSampleBytes = 1024;
constexpr uint64_t kMaxSampledBytes = uint64_t{4} << 20;

// The most bytes per column that a row takes in a file. An int8 with its own scale takes 5.
constexpr uint64_t kMaxBytesPerColumn = 8;

}  // namespace

Status Weights::Open(Memory& memory, const ByteSource& source, const Options& options) {
  uint8_t header[kLlama2cHeaderBytes];
  const auto size = static_cast<size_t>(std::min<uint64_t>(source.size, sizeof(header)));
  CLAMMA_RETURN_IF_ERROR(source.Read(0, header, size));
  CLAMMA_RETURN_IF_ERROR(
      ParseLlama2c(memory, header, size, source.size, options.allow_trailing, &file_));
  return OpenFiles(memory, &source, 1, options);
}

Status Weights::Open(Memory& memory, ModelFile&& file, const ByteSource* sources, size_t n_sources,
                     const Options& options) {
  file_ = std::move(file);
  return OpenFiles(memory, sources, n_sources, options);
}

// Opens the files of file_.
Status Weights::OpenFiles(Memory& memory, const ByteSource* sources, size_t n_sources,
                          const Options& options) {
  assert(n_sources >= 1 && n_sources <= kMaxFiles);
  CLAMMA_RETURN_IF_ERROR(sources_.Resize(memory, n_sources));
  bool all_in_memory = true;
  for (size_t i = 0; i < n_sources; ++i) {
    all_in_memory = all_in_memory && sources[i].base != nullptr;
    if (!memory.is_plan()) sources_[i] = sources[i];
  }
  // Files are little-endian. A big-endian machine converts everything as it goes into the cache.
  use_cache_ = options.use_cache || kBigEndianHost;
  if (use_cache_) {
    CLAMMA_RETURN_IF_ERROR(DeclareBlocks(memory, options.use_cache ? options.cache_limit : 0));
  }
  if (!all_in_memory) {
    CLAMMA_RETURN_IF_ERROR(row_.Resize(memory, config().dim * kMaxBytesPerColumn));
  }
  return LoadVectors(memory);
}

Status Weights::LoadVectors(Memory& memory) {
  CLAMMA_RETURN_IF_ERROR(vectors_.Resize(memory, file_.tensors.floats()));
  float* out = vectors_.data();
  return file_.tensors.ForEach([&](TensorId id, const TensorPlace& place) {
    if (!IsVector(id)) return Status();
    CLAMMA_RETURN_IF_ERROR(ReadRow(place, 0, out));
    out += place.cols;
    return Status();
  });
}

Status Weights::DeclareBlocks(Memory& memory, size_t limit) {
  const Tensors& tensors = file_.tensors;
  CLAMMA_RETURN_IF_ERROR(cache_.Init(memory, limit, tensors.multiplied()));
  CLAMMA_RETURN_IF_ERROR(tensors.ForEach([&](TensorId id, const TensorPlace& place) {
    const bool multiplied = id != TensorId::kEmbedding || !tensors.Has(TensorId::kOutput);
    if (!IsVector(id) && multiplied) cache_.AddBlock(place);
    return Status();
  }));
  cache_.Seal();
  return Status();
}

const float* Weights::Vector(TensorId id, uint32_t layer) const {
  size_t first = 0;
  return file_.tensors.FindFloats(id, layer, &first) ? vectors_.data() + first : nullptr;
}

TensorPlace Weights::MatrixPlace(TensorId id, uint32_t layer) const {
  if (id == TensorId::kOutput && !file_.tensors.Has(id)) return file_.tensors.embedding();
  TensorPlace place;
  [[maybe_unused]] const bool found = file_.tensors.Find(id, layer, &place);
  assert(found);
  return place;
}

Status Weights::Acquire(const TensorPlace& place, Matrix* matrix) {
  const uint8_t* data = nullptr;
  if (use_cache_) {
    CLAMMA_RETURN_IF_ERROR(cache_.Pin(sources_.data(), place, &data));
  } else {
    data = sources_[place.file].base + place.offset;
  }
  const bool is_int8 = place.type == WeightType::kInt8Groups;
  *matrix = {.type = place.type,
             .data = data,
             .rows = place.rows,
             .cols = place.cols,
             .row_bytes = place.row_bytes,
             .scales = is_int8 ? data + place.elements() : nullptr,
             .group_size = is_int8 ? config().group_size : 0};
  return Status();
}

void Weights::Release(const TensorPlace& place) {
  if (use_cache_) cache_.Unpin(place);
}

Status Weights::ReadEmbedding(uint32_t token, float* out) {
  return ReadRow(file_.tensors.embedding(), token, out);
}

// Writes a row to out (cols) as floats.
Status Weights::ReadRow(const TensorPlace& place, uint32_t row, float* out) {
  if (place.type == WeightType::kInt8Groups) return ReadInt8Row(place, row, out);
  const uint64_t at = row * place.row_bytes;
  if (place.type == WeightType::kF32) {
    CLAMMA_RETURN_IF_ERROR(Read(place, at, out, size_t{place.cols} * 4));
    Le32ToHost(reinterpret_cast<uint8_t*>(out), place.cols);
    return Status();
  }
  const ByteSource& source = sources_[place.file];
  const uint8_t* data = row_.data();
  if (source.base != nullptr) {
    data = source.base + place.offset + at;
  } else {
    CLAMMA_RETURN_IF_ERROR(Read(place, at, row_.data(), static_cast<size_t>(place.row_bytes)));
  }
  DequantizeRow(place.type, data, place.cols, out);
  return Status();
}

Status Weights::ReadInt8Row(const TensorPlace& place, uint32_t row, float* out) {
  const size_t cols = place.cols;
  const uint64_t first = uint64_t{row} * cols;  // the row's first element
  // row_ holds the row's weights, then its scales, of which there are at most as many as columns.
  const uint64_t group = config().group_size;
  const uint64_t first_scale = first / group;
  const auto n_scales = static_cast<size_t>((first + cols - 1) / group - first_scale + 1);
  const uint64_t scales_at = place.elements() + first_scale * 4;
  const uint8_t* data = row_.data();
  const uint8_t* scales = nullptr;
  const ByteSource& source = sources_[place.file];
  if (source.base != nullptr) {
    data = source.base + place.offset + first;
    scales = source.base + place.offset + scales_at;
  } else {
    scales = row_.data() + cols;  // in memory there is no row_ to add to
    CLAMMA_RETURN_IF_ERROR(Read(place, first, row_.data(), cols));
    CLAMMA_RETURN_IF_ERROR(Read(place, scales_at, row_.data() + cols, n_scales * 4));
  }
  uint64_t in_group = first % group;
  for (size_t k = 0; k < cols; ++k) {
    out[k] = static_cast<float>(static_cast<int8_t>(data[k])) * ReadLeF32(scales);
    if (++in_group == group) {
      in_group = 0;
      scales += 4;
    }
  }
  return Status();
}

Status Weights::AddSamplesOf(const TensorPlace& place, uint64_t step, Checksum* checksum) const {
  for (uint64_t at = 0; at < place.bytes; at += step) {
    uint8_t sample[kSampleBytes];
    const auto n = static_cast<size_t>(std::min<uint64_t>(place.bytes - at, kSampleBytes));
    CLAMMA_RETURN_IF_ERROR(Read(place, at, sample, n));
    checksum->Add(sample, n);
  }
  return Status();
}

uint64_t Weights::SampleStep() const {
  const uint64_t total = file_.tensors.matrix_bytes();
  return kSampleBytes * ((total + kMaxSampledBytes - 1) / kMaxSampledBytes);
}

Status Weights::AddSamples(Checksum* checksum) const {
  TensorPlace header;
  header.bytes = file_.sampled_bytes;
  CLAMMA_RETURN_IF_ERROR(AddSamplesOf(header, kSampleBytes, checksum));
  for (size_t i = 0; i < vectors_.size(); ++i) {
    uint8_t bytes[4];
    WriteLe32(bytes, std::bit_cast<uint32_t>(vectors_[i]));
    checksum->Add(bytes, sizeof(bytes));
  }
  const uint64_t step = SampleStep();
  return file_.tensors.ForEach([&](TensorId id, const TensorPlace& place) {
    return IsVector(id) ? Status() : AddSamplesOf(place, step, checksum);
  });
}

}  // namespace clamma
