// SPDX-License-Identifier: MIT
// Quantizer: writes the output file. quantizer_plan.cc plans its contents.
#include "quantize/quantizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/weight_types.h"
#include "model/architectures/keys.h"
#include "platform/cores.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

// The number of elements that one thread converts at a time: a multiple of every block. Rows
// consist of whole blocks, so a tensor is a sequence of blocks and units may cross rows.
constexpr uint64_t kUnit = 16384;
constexpr uint64_t kMaxUnits = 128;  // per piece
static_assert(kUnit % kMaxCheckpointGroup == 0);

// The most bytes of a unit in a file: int8 weights in groups of 1 have a scale each, and a unit may
// begin and end within a group.
constexpr uint64_t kUnitBytes = kUnit * 5 + 4;

uint64_t Elements(const GgufTensor& tensor) {
  // The bytes are those of a file, so this cannot overflow.
  return tensor.bytes / tensor.type->block_bytes * tensor.type->block_cols;
}

double Ratio(double error, double square) { return square > 0 ? std::sqrt(error / square) : 0; }

Status Refusal(EncodeResult result, const QuantizedTensor& tensor, uint64_t first) {
  const char* what = result == EncodeResult::kNotFinite
                         ? "infinite or not a number: the file is damaged"
                         : "too large for the type";
  return Status::Error(StatusCode::kCorrupt, "tensor %s has a value that is %s (%s, row %llu)",
                       Quoted(tensor.from.name).c_str(), what, tensor.to.type->name,
                       Ull{first / tensor.from.dims[0]});
}

}  // namespace

Status Quantizer::PrepareWorkers() {
  const unsigned threads = options_.threads == 0 ? UsableCores() : options_.threads;
  CLAMMA_RETURN_IF_ERROR(pool_.Start(*memory_, std::min(threads, kMaxThreads)));
  for (unsigned i = 0; i < pool_.threads(); ++i) {
    CLAMMA_RETURN_IF_ERROR(workers_[i].bytes.Resize(*memory_, kUnitBytes));
    CLAMMA_RETURN_IF_ERROR(workers_[i].values.Resize(*memory_, kUnit));
    CLAMMA_RETURN_IF_ERROR(workers_[i].again.Resize(*memory_, kUnit));
    CLAMMA_RETURN_IF_ERROR(workers_[i].importance.Resize(*memory_, kUnit));
  }
  uint64_t scales = 0;
  for (size_t i = 0; i < tensors_.size() && makes_checkpoint(); ++i) {
    scales = std::max(scales, Elements(tensors_[i].to) / checkpoint_.group_size * 4);
  }
  CLAMMA_RETURN_IF_ERROR(scales_.Resize(*memory_, scales));
  return out_.Resize(*memory_, PieceWriter::kPieceBytes);
}

Status Quantizer::Report(size_t index, const Progress& progress) const {
  if (progress.report == nullptr || progress.report(progress.context, index, done_)) {
    return Status();
  }
  return Status::Error(StatusCode::kInvalidArgument, "interrupted");
}

Status Quantizer::WriteHeader() {
  if (makes_checkpoint()) return pieces_.Append(checkpoint_header_, sizeof(checkpoint_header_));
  return writer_.Begin(&pieces_, *metadata_, changes_, 2, {outputs_.data(), outputs_.size()});
}

Status Quantizer::Write(const ByteSink& sink, const Progress& progress) {
  CLAMMA_RETURN_IF_ERROR(PrepareWorkers());
  CLAMMA_RETURN_IF_ERROR(pieces_.Begin(*memory_, sink));
  CLAMMA_RETURN_IF_ERROR(WriteHeader());
  done_ = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(WriteTensor(i, progress));
  }
  return pieces_.Finish();
}

Status Quantizer::WriteTensor(size_t index, const Progress& progress) {
  QuantizedTensor& tensor = tensors_[index];
  const uint64_t done = done_ + tensor.from.bytes;
  CLAMMA_RETURN_IF_ERROR(Report(index, progress));
  CLAMMA_RETURN_IF_ERROR(tensor.plan.treatment == Treatment::kCopy
                             ? CopyTensor(tensor, index, progress)
                             : ConvertTensor(&tensor, index, progress));
  done_ = done;
  return makes_checkpoint() ? Status() : writer_.EndTensor();
}

Status Quantizer::CopyTensor(const QuantizedTensor& tensor, size_t index,
                             const Progress& progress) {
  const ByteSource& source = files_->sources()[tensor.file];
  for (uint64_t at = 0; at < tensor.from.bytes;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(out_.size(), tensor.from.bytes - at));
    CLAMMA_RETURN_IF_ERROR(source.Read(tensor.from.offset + at, out_.data(), n));
    CLAMMA_RETURN_IF_ERROR(pieces_.Append(out_.data(), n));
    at += n;
    done_ += n;
    CLAMMA_RETURN_IF_ERROR(Report(index, progress));
  }
  return Status();
}

Status Quantizer::ConvertTensor(QuantizedTensor* tensor, size_t index, const Progress& progress) {
  const GgufTensor& from = tensor->from;
  importance_.Reset();
  if (options_.imatrix != nullptr && tensor->plan.treatment == Treatment::kEncode) {
    CLAMMA_RETURN_IF_ERROR(
        options_.imatrix->Read(from.name, from.dims[0], from.dims[2] * from.dims[3], &importance_));
    tensor->weighted = importance_.size() > 0;
  }
  WeightType target = WeightType::kF32;
  FindWeightType(*tensor->to.type, &target);
  const uint64_t elements = Elements(from);
  const uint64_t piece = kUnit * std::min(kMaxUnits, out_.size() / RowBytes(target, kUnit));
  const uint64_t begin = done_;
  UnitResult sum;
  for (uint64_t at = 0; at < elements;) {
    const uint64_t n = std::min(elements - at, piece);
    CLAMMA_RETURN_IF_ERROR(ConvertPiece(*tensor, at, n, &sum));
    CLAMMA_RETURN_IF_ERROR(pieces_.Append(out_.data(), static_cast<size_t>(RowBytes(target, n))));
    at += n;
    done_ = begin + at / from.type->block_cols * from.type->block_bytes;
    CLAMMA_RETURN_IF_ERROR(Report(index, progress));
  }
  tensor->error = Ratio(sum.error, sum.square);
  tensor->weighted_error = Ratio(sum.weighted_error, sum.weighted_square);
  if (target != WeightType::kInt8Groups) return Status();
  return pieces_.Append(scales_.data(), static_cast<size_t>(tensor->to.bytes - elements));
}

void Quantizer::UnitResult::Add(const UnitResult& other) {
  error += other.error;
  square += other.square;
  weighted_error += other.weighted_error;
  weighted_square += other.weighted_square;
}

// Converts elements [first, first + n) to out_, with all threads.
Status Quantizer::ConvertPiece(const QuantizedTensor& tensor, uint64_t first, uint64_t n,
                               UnitResult* sum) {
  WeightType source = WeightType::kF32;
  WeightType target = WeightType::kF32;
  FindWeightType(*tensor.from.type, &source);
  FindWeightType(*tensor.to.type, &target);
  const auto n_units = static_cast<size_t>((n + kUnit - 1) / kUnit);
  UnitResult results[kMaxUnits];
  pool_.ParallelFor(n_units, 1, [&](size_t begin, size_t end, unsigned worker) {
    for (size_t i = begin; i < end; ++i) {
      const Unit unit = {.tensor = tensor,
                         .source = source,
                         .target = target,
                         .first = first + i * kUnit,
                         .n = std::min(kUnit, n - i * kUnit),
                         .out = out_.data() + i * RowBytes(target, kUnit)};
      ConvertUnit(unit, &workers_[worker], &results[i]);
    }
  });
  for (size_t i = 0; i < n_units; ++i) {  // in order, whichever thread encoded them
    CLAMMA_RETURN_IF_ERROR(results[i].status);
    sum->Add(results[i]);
  }
  return Status();
}

// Decodes the weights to worker->values.
Status Quantizer::ReadUnit(const Unit& unit, Worker* worker) const {
  const GgufTensor& from = unit.tensor.from;
  const ByteSource& source = files_->sources()[unit.tensor.file];
  const auto n = static_cast<size_t>(unit.n);
  uint8_t* const bytes = worker->bytes.data();
  float* const x = worker->values.data();
  const auto size = static_cast<size_t>(RowBytes(unit.source, unit.n));
  CLAMMA_RETURN_IF_ERROR(source.Read(from.offset + RowBytes(unit.source, unit.first), bytes, size));
  if (unit.source == WeightType::kInt8Groups) {
    const uint32_t group = from.type->block_cols;
    const uint64_t scale = unit.first / group;
    const uint64_t n_scales = (unit.first + unit.n - 1) / group - scale + 1;
    CLAMMA_RETURN_IF_ERROR(source.Read(from.offset + Elements(from) + 4 * scale, bytes + n,
                                       static_cast<size_t>(4 * n_scales)));
    DecodeInt8Groups(bytes, bytes + n, group, unit.first, n, x);
  } else {
    DequantizeRow(unit.source, bytes, n, x);
  }
  for (size_t k = 0; unit.tensor.factor != 1 && k < n; ++k) x[k] *= unit.tensor.factor;
  return Status();
}

// The importance of each element of a unit; nullptr: unknown.
const float* Quantizer::ImportanceOf(const Unit& unit, Worker* worker) const {
  if (importance_.size() == 0) return nullptr;
  const uint64_t cols = unit.tensor.from.dims[0];
  const uint64_t matrix = cols * unit.tensor.from.dims[1];
  for (size_t k = 0; k < unit.n; ++k) {
    const uint64_t element = unit.first + k;
    worker->importance[k] =
        importance_[static_cast<size_t>(element / matrix * cols + element % cols)];
  }
  return worker->importance.data();
}

// Encodes worker->values to unit.out, and decodes the result to worker->again.
EncodeResult Quantizer::EncodeUnit(const Unit& unit, const float* importance, Worker* worker) {
  const float* const x = worker->values.data();
  const auto n = static_cast<size_t>(unit.n);
  if (unit.target == WeightType::kInt8Groups) {
    const uint32_t group = checkpoint_.group_size;
    uint8_t* const scales = scales_.data() + unit.first / group * 4;
    const EncodeResult result = EncodeInt8Groups(x, group, n, unit.out, scales);
    if (result != EncodeResult::kOk) return result;
    DecodeInt8Groups(unit.out, scales, group, 0, n, worker->again.data());
    return EncodeResult::kOk;
  }
  const EncodeResult result = EncodeRow(unit.target, x, importance, n, unit.out);
  if (result != EncodeResult::kOk) return result;
  DequantizeRow(unit.target, unit.out, n, worker->again.data());
  return EncodeResult::kOk;
}

void Quantizer::ConvertUnit(const Unit& unit, Worker* worker, UnitResult* result) {
  result->status = ReadUnit(unit, worker);
  if (!result->status.ok()) return;
  const float* const importance = ImportanceOf(unit, worker);
  const EncodeResult encoded = EncodeUnit(unit, importance, worker);
  if (encoded != EncodeResult::kOk) {
    result->status = Refusal(encoded, unit.tensor, unit.first);
    return;
  }
  for (size_t k = 0; k < unit.n; ++k) {
    const auto value = static_cast<double>(worker->values[k]);
    const double error = value - static_cast<double>(worker->again[k]);
    const double weight = importance == nullptr ? 1.0 : static_cast<double>(importance[k]);
    result->error += error * error;
    result->square += value * value;
    result->weighted_error += weight * error * error;
    result->weighted_square += weight * value * value;
  }
}

}  // namespace clamma
