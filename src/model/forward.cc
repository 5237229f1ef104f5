// SPDX-License-Identifier: MIT
#include "model/forward.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/math.h"

namespace clamma {
namespace {

// Batches as long as this read each weight once for that many positions.
constexpr size_t kMaxRows = 32;
constexpr size_t kMaxLogits = 16;
// Rows and logits stay below this each, whatever a file claims, but for a single row.
constexpr uint64_t kWorkspaceBytes = uint64_t{16} << 20;
// Multiplications that are worth waking another thread for.
constexpr size_t kGrainWork = 65536;

// Most rows of `bytes` each that the budget has room for.
size_t RowsWithin(uint64_t budget, uint64_t bytes, size_t most) {
  return static_cast<size_t>(std::clamp<uint64_t>(budget / std::max<uint64_t>(bytes, 1), 1, most));
}

size_t GrainFor(size_t work_per_index) {
  return std::max<size_t>(1, kGrainWork / std::max<size_t>(work_per_index, 1));
}

// Groups for the activations of a matrix: they may not straddle the weights' groups, which may
// straddle rows.
size_t ActivationGroup(const ModelConfig& config, size_t cols) {
  return std::gcd(size_t{config.group_size}, cols);
}

}  // namespace

Status Forward::Init(Memory& memory, Weights& weights, const Kernels& kernels, ThreadPool& pool) {
  memory_ = &memory;
  weights_ = &weights;
  kernels_ = &kernels;
  pool_ = &pool;
  config_ = weights.config();
  const uint64_t dim = config_.dim;
  const uint64_t kv_dim = config_.kv_dim();
  const uint64_t hidden_dim = config_.hidden_dim;
  const uint64_t half_head = config_.head_size() / 2;
  const bool q80 = config_.weight_type == WeightType::kQ80;
  const uint64_t widest = std::max(dim, hidden_dim);
  const uint64_t most_groups = q80 ? std::max(dim / ActivationGroup(config_, config_.dim),
                                              hidden_dim / ActivationGroup(config_, hidden_dim))
                                   : 0;
  const uint64_t floats = 4 * dim + 2 * kv_dim + 2 * hidden_dim + 2 * half_head + most_groups;
  max_rows_ = RowsWithin(kWorkspaceBytes, floats * 4 + (q80 ? widest : 0), kMaxRows);
  max_logits_ = std::min(max_rows_,
                         RowsWithin(kWorkspaceBytes, uint64_t{config_.vocab_size} * 4, kMaxLogits));

  struct Sized {
    Array<float>* array;
    uint64_t size;
  };
  const Sized sized[] = {
      {&rope_frequency_, half_head},       {&cosines_, max_rows_ * half_head},
      {&sines_, max_rows_ * half_head},    {&x_, max_rows_ * dim},
      {&normed_, max_rows_ * dim},         {&q_, max_rows_ * dim},
      {&k_, max_rows_ * kv_dim},           {&v_, max_rows_ * kv_dim},
      {&attended_, max_rows_ * dim},       {&gate_, max_rows_ * hidden_dim},
      {&up_, max_rows_ * hidden_dim},      {&logits_, max_logits_ * uint64_t{config_.vocab_size}},
      {&scales_, max_rows_ * most_groups},
  };
  for (const Sized& s : sized) CLAMMA_RETURN_IF_ERROR(s.array->Resize(memory, s.size));
  CLAMMA_RETURN_IF_ERROR(quantized_.Resize(memory, q80 ? max_rows_ * widest : 0));

  // theta^(-2i / head_size), by way of a float power as llama2.c has it: half a unit in the last
  // place of a frequency is an angle at the context's other end.
  const double log_theta = LogDouble(static_cast<double>(config_.rope_theta));
  for (size_t i = 0; i < half_head; ++i) {
    const double power = static_cast<double>(2 * i) / static_cast<double>(config_.head_size());
    rope_frequency_[i] = 1.0f / static_cast<float>(ExpDouble(log_theta * power));
  }
  return Status();
}

Status Forward::Run(ForwardRow* rows, size_t n_rows) {
  CLAMMA_RETURN_IF_ERROR(ReserveScores(rows, n_rows));
  CLAMMA_RETURN_IF_ERROR(Embed(rows, n_rows));
  for (uint32_t layer = 0; layer < config_.n_layers; ++layer) {
    CLAMMA_RETURN_IF_ERROR(AttentionLayer(layer, rows, n_rows));
    CLAMMA_RETURN_IF_ERROR(FeedForwardLayer(layer, n_rows));
  }
  return Classify(rows, n_rows);
}

Status Forward::ReserveScores(const ForwardRow* rows, size_t n_rows) {
  size_t positions = 0;
  for (size_t r = 0; r < n_rows; ++r) positions = std::max(positions, rows[r].position + 1);
  if (positions <= scores_stride_) return Status();
  size_t stride = std::max<size_t>(scores_stride_, 8 * kKvBlock);
  while (stride < positions) stride *= 2;
  CLAMMA_RETURN_IF_ERROR(scores_.Resize(*memory_, uint64_t{stride} * pool_->threads()));
  scores_stride_ = stride;
  return Status();
}

Status Forward::Embed(const ForwardRow* rows, size_t n_rows) {
  const size_t half_head = rope_frequency_.size();
  for (size_t r = 0; r < n_rows; ++r) {
    CLAMMA_RETURN_IF_ERROR(
        weights_->ReadEmbedding(static_cast<uint32_t>(rows[r].token), x_.data() + r * config_.dim));
    const auto position = static_cast<float>(rows[r].position);
    for (size_t i = 0; i < half_head; ++i) {
      SinCos(position * rope_frequency_[i], &sines_[r * half_head + i],
             &cosines_[r * half_head + i]);
    }
  }
  return Status();
}

Status Forward::AttentionLayer(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const Checkpoint& c = weights_->checkpoint();
  Normalize(weights_->attention_norm(layer), n_rows);
  Quantize(normed_.data(), n_rows, config_.dim);
  CLAMMA_RETURN_IF_ERROR(Apply(c.wq.layer(layer), normed_.data(), n_rows, q_.data()));
  CLAMMA_RETURN_IF_ERROR(Apply(c.wk.layer(layer), normed_.data(), n_rows, k_.data()));
  CLAMMA_RETURN_IF_ERROR(Apply(c.wv.layer(layer), normed_.data(), n_rows, v_.data()));
  TurnAndStore(layer, rows, n_rows);
  Attend(layer, rows, n_rows);
  Quantize(attended_.data(), n_rows, config_.dim);
  CLAMMA_RETURN_IF_ERROR(Apply(c.wo.layer(layer), attended_.data(), n_rows, normed_.data()));
  AddToStream(normed_.data(), n_rows);
  return Status();
}

Status Forward::FeedForwardLayer(uint32_t layer, size_t n_rows) {
  const Checkpoint& c = weights_->checkpoint();
  Normalize(weights_->ffn_norm(layer), n_rows);
  Quantize(normed_.data(), n_rows, config_.dim);
  CLAMMA_RETURN_IF_ERROR(Apply(c.w1.layer(layer), normed_.data(), n_rows, gate_.data()));
  CLAMMA_RETURN_IF_ERROR(Apply(c.w3.layer(layer), normed_.data(), n_rows, up_.data()));
  pool_->ParallelFor(n_rows * config_.hidden_dim, GrainFor(16),
                     [this](size_t begin, size_t end, unsigned /*worker*/) {
                       kernels_->swiglu(gate_.data() + begin, up_.data() + begin, end - begin);
                     });
  Quantize(gate_.data(), n_rows, config_.hidden_dim);
  CLAMMA_RETURN_IF_ERROR(Apply(c.w2.layer(layer), gate_.data(), n_rows, normed_.data()));
  AddToStream(normed_.data(), n_rows);
  return Status();
}

Status Forward::Classify(ForwardRow* rows, size_t n_rows) {
  size_t wanted = 0;
  for (size_t r = 0; r < n_rows; ++r) {
    rows[r].logits = nullptr;
    if (!rows[r].want_logits) continue;
    kernels_->rmsnorm(normed_.data() + wanted * config_.dim, x_.data() + r * config_.dim,
                      weights_->final_norm(), config_.dim, config_.norm_epsilon);
    rows[r].logits = logits_.data() + wanted * config_.vocab_size;
    ++wanted;
  }
  if (wanted == 0) return Status();
  Quantize(normed_.data(), wanted, config_.dim);
  return Apply(weights_->checkpoint().classifier, normed_.data(), wanted, logits_.data());
}

void Forward::Normalize(const float* weight, size_t n_rows) {
  for (size_t r = 0; r < n_rows; ++r) {
    kernels_->rmsnorm(normed_.data() + r * config_.dim, x_.data() + r * config_.dim, weight,
                      config_.dim, config_.norm_epsilon);
  }
}

void Forward::TurnAndStore(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const size_t half_head = rope_frequency_.size();
  const size_t kv_dim = config_.kv_dim();
  for (size_t r = 0; r < n_rows; ++r) {
    const float* cosines = cosines_.data() + r * half_head;
    const float* sines = sines_.data() + r * half_head;
    float* key = k_.data() + r * kv_dim;
    kernels_->rope(q_.data() + r * config_.dim, cosines, sines, config_.n_heads,
                   config_.head_size());
    kernels_->rope(key, cosines, sines, config_.n_kv_heads, config_.head_size());
    rows[r].kv->Store(layer, rows[r].position, key, v_.data() + r * kv_dim);
  }
}

void Forward::Attend(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const size_t head_size = config_.head_size();
  const size_t n_heads = config_.n_heads;
  const size_t heads_per_kv_head = n_heads / config_.n_kv_heads;
  const size_t work = 2 * head_size * (rows[n_rows - 1].position + 1);
  pool_->ParallelFor(n_rows * n_heads, GrainFor(work),
                     [&](size_t begin, size_t end, unsigned worker) {
                       for (size_t i = begin; i < end; ++i) {
                         const ForwardRow& row = rows[i / n_heads];
                         const size_t head = i % n_heads;
                         AttentionInput input;
                         row.kv->Attend(layer, static_cast<uint32_t>(head / heads_per_kv_head),
                                        row.position + 1, &input);
                         input.q = q_.data() + i * head_size;
                         kernels_->attention(attended_.data() + i * head_size,
                                             scores_.data() + worker * scores_stride_, input);
                       }
                     });
}

void Forward::Quantize(const float* x, size_t n_rows, size_t cols) {
  if (config_.weight_type != WeightType::kQ80) return;
  quantized_group_ = ActivationGroup(config_, cols);
  for (size_t r = 0; r < n_rows; ++r) {
    kernels_->quantize(quantized_.data() + r * cols, scales_.data() + r * (cols / quantized_group_),
                       x + r * cols, cols, quantized_group_);
  }
}

// out (n_rows, extent.rows) = x (n_rows, extent.cols) times the matrix; for q80 weights x is what
// was quantised last.
Status Forward::Apply(const TensorExtent& extent, const float* x, size_t n_rows, float* out) {
  AcquiredMatrix matrix;
  CLAMMA_RETURN_IF_ERROR(matrix.Acquire(*weights_, extent));
  const Matrix& w = *matrix;
  pool_->ParallelFor(
      w.rows, GrainFor(n_rows * w.cols), [&](size_t begin, size_t end, unsigned /*worker*/) {
        if (config_.weight_type == WeightType::kF32) {
          kernels_->matmul_f32(out, w.rows, x, n_rows, w, begin, end);
        } else {
          const QuantizedRows rows = {quantized_.data(), scales_.data(), quantized_group_};
          kernels_->matmul_q80(out, w.rows, rows, n_rows, w, begin, end);
        }
      });
  return Status();
}

void Forward::AddToStream(const float* y, size_t n_rows) {
  kernels_->add(x_.data(), y, n_rows * config_.dim);
}

}  // namespace clamma
