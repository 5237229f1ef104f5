// SPDX-License-Identifier: MIT
#include "quantize/quantizer.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "kernels/weight_types.h"
#include "model/architectures/keys.h"
#include "platform/cores.h"
#include "platform/quoted.h"
#include "quantize/encode.h"

namespace clamma {
namespace {

// Elements that one thread converts at a time: a multiple of every block. A tensor's blocks lie one
// behind the other whatever its rows, which have whole blocks.
constexpr uint64_t kUnit = 16384;
constexpr uint64_t kMaxUnits = 128;  // of a piece
constexpr uint32_t kQuantizationVersion = 2;

const GgmlType* GgmlTypeOf(WeightType type) {
  const std::string_view name = FactsOf(type).name;
  for (uint32_t id = 0;; ++id) {
    const GgmlType* candidate = FindGgmlType(id);
    if (candidate == nullptr || name == candidate->name) return candidate;
  }
}

bool IsFloats(WeightType type) {
  return type == WeightType::kF32 || type == WeightType::kF16 || type == WeightType::kBF16;
}

uint64_t Elements(const GgufTensor& tensor) {
  // Its bytes are within a file: no overflow.
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

// What a recipe wants to know; a key that is not there is 0.
RecipeModel ModelOf(const Gguf& gguf, const ModelFiles& files) {
  RecipeModel model;
  std::string_view architecture;
  GgufValue value;
  uint64_t layers = 0;
  if (gguf.GetString("general.architecture", Gguf::Presence::kOptional, &architecture).ok() &&
      gguf.Find(GgufKey(architecture, "block_count").view(), &value) && value.Uint(0, &layers) &&
      layers <= ModelLimits::kMaxLayers) {
    model.n_layers = static_cast<uint32_t>(layers);
  }
  model.tied = true;
  GgufTensor tensor;
  for (size_t i = 0; i < files.count(); ++i) {
    if (files.gguf(i)->FindTensor("output.weight", &tensor)) model.tied = false;
  }
  return model;
}

}  // namespace

Status Quantizer::Plan(Memory& memory, const ModelFiles& files, const Options& options) {
  memory_ = &memory;
  files_ = &files;
  options_ = options;
  changes_[0] = {"general.quantization_version", kQuantizationVersion};
  changes_[1] = {"general.file_type", options.recipe->file_type};
  CLAMMA_RETURN_IF_ERROR(PlanTensors(files));
  CLAMMA_RETURN_IF_ERROR(outputs_.Resize(memory, tensors_.size()));
  for (size_t i = 0; i < tensors_.size(); ++i) outputs_[i] = tensors_[i].to;
  return GgufWriter::FileBytes(*files.gguf(0), changes_, 2, {outputs_.data(), outputs_.size()},
                               &file_bytes_);
}

Status Quantizer::PlanTensors(const ModelFiles& files) {
  const RecipeModel model = ModelOf(*files.gguf(0), files);
  uint64_t count = 0;
  for (size_t i = 0; i < files.count(); ++i) count += files.gguf(i)->n_tensors();
  CLAMMA_RETURN_IF_ERROR(tensors_.Resize(*memory_, count));
  size_t n = 0;
  for (size_t i = 0; i < files.count(); ++i) {
    GgufTensor from;
    for (Gguf::Tensors all(*files.gguf(i)); all.Next(&from);) {
      QuantizedTensor& tensor = *new (&tensors_[n++]) QuantizedTensor;
      tensor.from = from;
      tensor.to = from;
      tensor.file = static_cast<uint16_t>(i);
      tensor.plan = PlanTensor(*options_.recipe, model, options_.pure, from);
      source_bytes_ += from.bytes;
      if (tensor.plan.treatment == Treatment::kCopy) continue;
      WeightType source = WeightType::kF32;
      if (!FindWeightType(*from.type, &source))
        return UnsupportedGgmlType(from.name, from.type->id);
      if (tensor.plan.treatment == Treatment::kEncode && source == tensor.plan.type) {
        tensor.plan.treatment = Treatment::kCopy;  // exact
        continue;
      }
      source_is_quantised_ = source_is_quantised_ || !IsFloats(source);
      const WeightType target =
          tensor.plan.treatment == Treatment::kFloats ? WeightType::kF32 : tensor.plan.type;
      if (!IsInBuild(target)) {
        return Status::Error(StatusCode::kInvalidArgument,
                             "this build leaves out the type %s (LIBCLAMMA_FORMATS)",
                             FactsOf(target).name);
      }
      tensor.to.type = GgmlTypeOf(target);
      tensor.to.bytes = RowBytes(target, Elements(from));
    }
  }
  return Status();
}

Status Quantizer::PrepareWorkers() {
  const unsigned threads = options_.threads == 0 ? UsableCores() : options_.threads;
  CLAMMA_RETURN_IF_ERROR(pool_.Start(*memory_, std::min(threads, kMaxThreads)));
  for (unsigned i = 0; i < pool_.threads(); ++i) {
    CLAMMA_RETURN_IF_ERROR(workers_[i].bytes.Resize(*memory_, kUnit * 4));
    CLAMMA_RETURN_IF_ERROR(workers_[i].values.Resize(*memory_, kUnit));
    CLAMMA_RETURN_IF_ERROR(workers_[i].again.Resize(*memory_, kUnit));
    CLAMMA_RETURN_IF_ERROR(workers_[i].importance.Resize(*memory_, kUnit));
  }
  return out_.Resize(*memory_, GgufWriter::kPieceBytes);
}

Status Quantizer::Report(size_t index, const Progress& progress) const {
  if (progress.report == nullptr || progress.report(progress.context, index, done_)) {
    return Status();
  }
  return Status::Error(StatusCode::kInvalidArgument, "interrupted");
}

Status Quantizer::Write(const ByteSink& sink, const Progress& progress) {
  CLAMMA_RETURN_IF_ERROR(PrepareWorkers());
  done_ = 0;
  CLAMMA_RETURN_IF_ERROR(writer_.Begin(*memory_, sink, *files_->gguf(0), changes_, 2,
                                       {outputs_.data(), outputs_.size()}));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(Report(i, progress));
    if (tensors_[i].plan.treatment == Treatment::kCopy) {
      CLAMMA_RETURN_IF_ERROR(CopyTensor(tensors_[i], i, progress));
    } else {
      CLAMMA_RETURN_IF_ERROR(ConvertTensor(&tensors_[i], i, progress));
    }
    CLAMMA_RETURN_IF_ERROR(writer_.EndTensor());
  }
  return writer_.Finish();
}

Status Quantizer::CopyTensor(const QuantizedTensor& tensor, size_t index,
                             const Progress& progress) {
  const ByteSource& source = files_->sources()[tensor.file];
  for (uint64_t at = 0; at < tensor.from.bytes;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(out_.size(), tensor.from.bytes - at));
    CLAMMA_RETURN_IF_ERROR(source.Read(tensor.from.offset + at, out_.data(), n));
    CLAMMA_RETURN_IF_ERROR(writer_.Append(out_.data(), n));
    at += n;
    done_ += n;
    CLAMMA_RETURN_IF_ERROR(Report(index, progress));
  }
  return Status();
}

Status Quantizer::ConvertTensor(QuantizedTensor* tensor, size_t index, const Progress& progress) {
  const uint64_t cols = tensor->from.dims[0];
  importance_.Reset();
  if (options_.imatrix != nullptr && tensor->plan.treatment == Treatment::kEncode) {
    CLAMMA_RETURN_IF_ERROR(options_.imatrix->Read(
        tensor->from.name, cols, tensor->from.dims[2] * tensor->from.dims[3], &importance_));
    tensor->weighted = importance_.size() > 0;
  }
  WeightType source = WeightType::kF32;
  WeightType target = WeightType::kF32;
  FindWeightType(*tensor->from.type, &source);
  FindWeightType(*tensor->to.type, &target);
  const uint64_t elements = Elements(tensor->from);
  const uint64_t unit_bytes = RowBytes(target, kUnit);
  const uint64_t units = std::min(kMaxUnits, out_.size() / unit_bytes);
  UnitResult sum;
  for (uint64_t at = 0; at < elements;) {
    const uint64_t n = std::min(elements - at, units * kUnit);
    const auto n_units = static_cast<size_t>((n + kUnit - 1) / kUnit);
    UnitResult results[kMaxUnits];
    pool_.ParallelFor(n_units, 1, [&](size_t begin, size_t end, unsigned worker) {
      for (size_t i = begin; i < end; ++i) {
        ConvertUnit(*tensor, source, target, at + i * kUnit, std::min(kUnit, n - i * kUnit),
                    &workers_[worker], out_.data() + i * unit_bytes, &results[i]);
      }
    });
    for (size_t i = 0; i < n_units; ++i) {  // in their order, whichever thread encoded them
      CLAMMA_RETURN_IF_ERROR(results[i].status);
      sum.error += results[i].error;
      sum.square += results[i].square;
      sum.weighted_error += results[i].weighted_error;
      sum.weighted_square += results[i].weighted_square;
    }
    CLAMMA_RETURN_IF_ERROR(writer_.Append(out_.data(), static_cast<size_t>(RowBytes(target, n))));
    at += n;
    done_ += RowBytes(source, n);
    CLAMMA_RETURN_IF_ERROR(Report(index, progress));
  }
  tensor->error = Ratio(sum.error, sum.square);
  tensor->weighted_error = Ratio(sum.weighted_error, sum.weighted_square);
  return Status();
}

void Quantizer::ConvertUnit(const QuantizedTensor& tensor, WeightType source, WeightType target,
                            uint64_t first, uint64_t n, Worker* worker, uint8_t* out,
                            UnitResult* result) {
  const auto count = static_cast<size_t>(n);
  result->status = files_->sources()[tensor.file].Read(tensor.from.offset + RowBytes(source, first),
                                                       worker->bytes.data(),
                                                       static_cast<size_t>(RowBytes(source, n)));
  if (!result->status.ok()) return;
  float* const x = worker->values.data();
  float* const again = worker->again.data();
  DequantizeRow(source, worker->bytes.data(), count, x);
  const float* importance = nullptr;
  if (importance_.size() > 0) {
    const uint64_t cols = tensor.from.dims[0];
    const uint64_t matrix = cols * tensor.from.dims[1];
    for (size_t k = 0; k < count; ++k) {
      const uint64_t element = first + k;
      worker->importance[k] =
          importance_[static_cast<size_t>(element / matrix * cols + element % cols)];
    }
    importance = worker->importance.data();
  }
  const EncodeResult encoded = EncodeRow(target, x, importance, count, out);
  if (encoded != EncodeResult::kOk) {
    result->status = Refusal(encoded, tensor, first);
    return;
  }
  DequantizeRow(target, out, count, again);
  for (size_t k = 0; k < count; ++k) {
    const auto value = static_cast<double>(x[k]);
    const double error = value - static_cast<double>(again[k]);
    const double weight = importance == nullptr ? 1.0 : static_cast<double>(importance[k]);
    result->error += error * error;
    result->square += value * value;
    result->weighted_error += weight * error * error;
    result->weighted_square += weight * value * value;
  }
}

}  // namespace clamma
