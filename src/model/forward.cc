// SPDX-License-Identifier: MIT
#include "model/forward.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/math.h"

namespace clamma {
namespace {

// A batch reads each weight once for all its rows. Batches of large models, whose working memory is
// small compared with the weights, may have kMaxRows rows, those of any model kMaxRowsOfAny: enough
// for 64 sessions that generate and a part of a prompt.
constexpr size_t kMaxRows = 128;
constexpr size_t kMaxRowsOfAny = 96;
constexpr uint64_t kWeightsPerWorkspace = 16;
constexpr size_t kMaxLogits = 64;
// The limit for rows, and for logits, whatever a file claims. A single row may exceed it.
constexpr uint64_t kWorkspaceBytes = uint64_t{24} << 20;
constexpr ActivationKind kKinds[] = {ActivationKind::kFloats, ActivationKind::kInt8Groups,
                                     ActivationKind::kBlocks32, ActivationKind::kBlocks256};
static_assert(sizeof(kKinds) / sizeof(kKinds[0]) == kActivationKinds);

// The number of rows of `bytes` bytes that fit into the budget, at least 1 and at most `max`.
size_t RowsWithin(uint64_t budget, uint64_t bytes, size_t max) {
  return static_cast<size_t>(std::clamp<uint64_t>(budget / std::max<uint64_t>(bytes, 1), 1, max));
}

// x[i] *= scale. (n)
void Scale(float* x, size_t n, float scale) {
  if (scale == 1.0f) return;
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

// The factor of the frequency of pair `i` of a head.
float FrequencyScale(const RopeConfig& rope, size_t i) {
  if (!kHasGguf || !rope.yarn) return rope.frequency_scale;
  const float width = std::max(rope.ramp_end - rope.ramp_begin, 0.001f);
  const float ramp = std::clamp((static_cast<float>(i) - rope.ramp_begin) / width, 0.0f, 1.0f);
  return rope.frequency_scale * ramp + (1.0f - ramp);
}

// Whether `later` is in the same session, n positions after `row`.
bool Follows(const ForwardRow& row, const ForwardRow& later, size_t n) {
  return later.kv == row.kv && later.position == row.position + n;
}

}  // namespace

Status Forward::Init(Memory& memory, Weights& weights, const Kernels& kernels, ThreadPool& pool,
                     bool scarce, KvType kv_type) {
  memory_ = &memory;
  weights_ = &weights;
  kernels_ = &kernels;
  pool_ = &pool;
  config_ = weights.config();
  order_ = kernels.orders[config_.order];
  attention_ = order_->attention[kv_type] != nullptr ? order_ : kernels.orders[SumOrder::kNative];
  const uint64_t dim = config_.dim;
  const uint64_t q_dim = config_.widest.q_dim();
  const uint64_t kv_dim = config_.widest.kv_dim();
  const uint64_t hidden_dim = config_.widest.hidden_dim;
  const uint64_t half_rope = config_.rope_dims / 2;
  const uint64_t floats = 2 * (dim + q_dim + kv_dim + hidden_dim + RopeCount() * half_rope);
  uint64_t row_bytes = floats * 4;
  if constexpr (kHasGguf) row_bytes += ExpertFloats() * 4;
  for (const ActivationKind kind : kKinds) row_bytes += QuantizedBytes(kind, kMaxRows) / kMaxRows;
  const uint64_t little = std::min(weights.file().bytes / kWeightsPerWorkspace, kWorkspaceBytes);
  max_rows_ = std::max(RowsWithin(kWorkspaceBytes, row_bytes, scarce ? 1 : kMaxRowsOfAny),
                       RowsWithin(little, row_bytes, kMaxRows));
  if (max_rows_ > kTokenTile) max_rows_ -= max_rows_ % kTokenTile;
  max_logits_ = std::min(max_rows_, RowsWithin(scarce ? little : kWorkspaceBytes,
                                               uint64_t{config_.vocab_size} * 4, kMaxLogits));

  struct Sized {
    Array<float>* array;
    uint64_t size;
  };
  const Sized sized[] = {
      {&rope_frequency_, RopeTables() * half_rope},
      {&cosines_, RopeCount() * max_rows_ * half_rope},
      {&sines_, RopeCount() * max_rows_ * half_rope},
      {&x_, max_rows_ * dim},
      {&normed_, max_rows_ * dim},
      {&q_, max_rows_ * q_dim},
      {&k_, max_rows_ * kv_dim},
      {&v_, max_rows_ * kv_dim},
      {&attended_, max_rows_ * q_dim},
      {&gate_, max_rows_ * hidden_dim},
      {&up_, max_rows_ * hidden_dim},
      {&logits_, max_logits_ * uint64_t{config_.vocab_size}},
  };
  for (const Sized& s : sized) CLAMMA_RETURN_IF_ERROR(s.array->Resize(memory, s.size));
  for (const ActivationKind kind : kKinds) {
    CLAMMA_RETURN_IF_ERROR(
        quantized_[static_cast<size_t>(kind)].Resize(memory, QuantizedBytes(kind, max_rows_)));
  }
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(InitExperts(memory));
  if (!memory.is_plan()) SetRopeFrequencies();
  return Status();
}

// The number of sets of angles per row.
size_t Forward::RopeCount() const { return kHasGguf ? config_.n_ropes : 1; }

// The number of sets of frequencies: those of short sequences, then those of long ones.
size_t Forward::RopeTables() const {
  return kHasGguf && config_.short_context > 0 ? 2 * RopeCount() : RopeCount();
}

// The frequencies are theta^(-2i / rope_dims). The power is a float, as in llama2.c: at the far end
// of the context, half a unit in the last place of a frequency is a noticeable angle.
void Forward::SetRopeFrequencies() {
  for (size_t table = 0; table < RopeTables(); ++table) {
    const bool is_long = table >= RopeCount();
    const RopeConfig& rope = config_.ropes[is_long ? table - RopeCount() : table];
    const float* factors = weights_->Vector(is_long ? TensorId::kRopeLongFactors
                                                    : TensorId::kRopeFactors);  // (rope_dims / 2)
    const size_t half_rope = config_.rope_dims / 2;
    const double log_theta = LogDouble(static_cast<double>(rope.theta));
    for (size_t i = 0; i < half_rope; ++i) {
      const double power = static_cast<double>(2 * i) / static_cast<double>(config_.rope_dims);
      const float frequency = 1.0f / static_cast<float>(ExpDouble(log_theta * power));
      const float factor = factors == nullptr ? 1.0f : factors[i];
      rope_frequency_[table * half_rope + i] = frequency / factor * FrequencyScale(rope, i);
    }
  }
}

Status Forward::Run(ForwardRow* rows, size_t n_rows, const float** states) {
  size_t positions = 0;
  for (size_t r = 0; r < n_rows; ++r) positions = std::max(positions, rows[r].position + 1);
  CLAMMA_RETURN_IF_ERROR(ReserveScores(*memory_, positions));
  CLAMMA_RETURN_IF_ERROR(Embed(rows, n_rows));
  for (uint32_t layer = 0; layer < config_.n_layers; ++layer) {
    CLAMMA_RETURN_IF_ERROR(AttentionLayer(layer, rows, n_rows));
    CLAMMA_RETURN_IF_ERROR(FeedForwardLayer(layer, n_rows));
  }
  if (!kHasGguf || states == nullptr) return Classify(rows, n_rows);
  *states = AddAndNormalize(weights_->Vector(TensorId::kOutputNorm), n_rows);
  return Status();
}

Status Forward::ReserveScores(Memory& memory, size_t positions) {
  if (positions <= scores_stride_) return Status();
  size_t stride = std::max<size_t>(scores_stride_, 8 * kKvBlock);
  while (stride < positions) stride *= 2;
  const uint64_t floats =
      attention_->attention_scratch(stride, config_.widest.head_size) * pool_->threads();
  if (floats == scores_.size()) {  // the scratch does not depend on the positions
    scores_stride_ = stride;
    return Status();
  }
  if (memory.is_plan()) {
    memory.PlanFor(floats * sizeof(float));
    return Status();
  }
  CLAMMA_RETURN_IF_ERROR(scores_.Resize(memory, floats));
  scores_stride_ = stride;
  return Status();
}

Status Forward::Embed(const ForwardRow* rows, size_t n_rows) {
  std::fill_n(normed_.data(), n_rows * config_.dim, -0.0f);  // adding -0 changes nothing
  for (size_t r = 0; r < n_rows; ++r) {
    float* x = x_.data() + r * config_.dim;
    CLAMMA_RETURN_IF_ERROR(weights_->ReadEmbedding(static_cast<uint32_t>(rows[r].token), x));
    if (kHasGguf) Scale(x, config_.dim, config_.embedding_scale);
    SetAngles(rows[r], r);
  }
  return Status();
}

void Forward::SetAngles(const ForwardRow& row, size_t index) {
  const size_t half_rope = config_.rope_dims / 2;
  const auto position = static_cast<float>(row.position);
  const size_t first = RopeTables() > RopeCount() && row.kv->is_long() ? RopeCount() : 0;
  for (size_t rope = 0; rope < RopeCount(); ++rope) {
    const float* frequencies = rope_frequency_.data() + (first + rope) * half_rope;
    const size_t at = (rope * max_rows_ + index) * half_rope;
    for (size_t i = 0; i < half_rope; ++i) {
      SinCos(position * frequencies[i], &sines_[at + i], &cosines_[at + i]);
    }
    if constexpr (!kHasGguf) continue;
    Scale(&sines_[at], half_rope, config_.ropes[rope].magnitude);
    Scale(&cosines_[at], half_rope, config_.ropes[rope].magnitude);
  }
}

Status Forward::AttentionLayer(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const auto q_dim = static_cast<size_t>(config_.layer(layer).q_dim());
  const auto kv_dim = static_cast<size_t>(config_.layer(layer).kv_dim());
  const float* x = AddAndNormalize(weights_->Vector(TensorId::kAttentionNorm, layer), n_rows);
  const Linear inputs[] = {{weights_->MatrixPlace(TensorId::kQ, layer), q_.data()},
                           {weights_->MatrixPlace(TensorId::kK, layer), k_.data()},
                           {weights_->MatrixPlace(TensorId::kV, layer), v_.data()}};
  CLAMMA_RETURN_IF_ERROR(Apply(inputs, x, n_rows));
  AddBias(TensorId::kQBias, layer, q_.data(), n_rows, q_dim);
  AddBias(TensorId::kKBias, layer, k_.data(), n_rows, kv_dim);
  AddBias(TensorId::kVBias, layer, v_.data(), n_rows, kv_dim);
  RotateAndStore(layer, rows, n_rows);
  Attend(layer, rows, n_rows);
  const Linear output[] = {
      {weights_->MatrixPlace(TensorId::kAttentionOutput, layer), normed_.data()}};
  CLAMMA_RETURN_IF_ERROR(Apply(output, attended_.data(), n_rows));
  AddBias(TensorId::kAttentionOutputBias, layer, normed_.data(), n_rows, config_.dim);
  if constexpr (kHasGguf) FinishPart(TensorId::kAttentionPostNorm, layer, n_rows);
  return Status();
}

// Applies the norm after a layer's part, and the residual scale.
void Forward::FinishPart(TensorId post_norm, uint32_t layer, size_t n_rows) {
  if (!config_.norm_after && config_.residual_scale == 1.0f) return;
  const float* weight = weights_->Vector(post_norm, layer);
  ForEachRows(n_rows, size_t{32} * config_.dim, [&](size_t first, size_t n) {
    float* x = normed_.data() + first * config_.dim;
    if (config_.norm_after) {
      order_->rmsnorm(x, x, weight, n, config_.dim, config_.norm_epsilon);
    }
    Scale(x, n * config_.dim, config_.residual_scale);
  });
}

Status Forward::FeedForwardLayer(uint32_t layer, size_t n_rows) {
  const float* x = AddAndNormalize(weights_->Vector(TensorId::kFfnNorm, layer), n_rows);
  if (kHasGguf && config_.n_experts > 0) {
    CLAMMA_RETURN_IF_ERROR(MixExperts(layer, x, n_rows));
  } else {
    CLAMMA_RETURN_IF_ERROR(FeedForward(kFeedForward, layer, x, n_rows,
                                       config_.layer(layer).hidden_dim, normed_.data()));
  }
  if constexpr (kHasGguf) FinishPart(TensorId::kFfnPostNorm, layer, n_rows);
  return Status();
}

// Applies a feed-forward part to x (n_rows, dim). out (n_rows, dim) may be x.
Status Forward::FeedForward(const FeedForwardTensors& tensors, uint32_t index, const float* x,
                            size_t n_rows, size_t hidden_dim, float* out) {
  const FeedForwardTensors& ids = kHasGguf ? tensors : kFeedForward;
  const Linear inputs[] = {{weights_->MatrixPlace(ids.gate, index), gate_.data()},
                           {weights_->MatrixPlace(ids.up, index), up_.data()}};
  CLAMMA_RETURN_IF_ERROR(Apply(inputs, x, n_rows));
  AddBias(ids.gate_bias, index, gate_.data(), n_rows, hidden_dim);
  AddBias(ids.up_bias, index, up_.data(), n_rows, hidden_dim);
  pool_->ParallelFor(n_rows * hidden_dim, GrainFor(64),
                     [this](size_t begin, size_t end, unsigned /*worker*/) {
                       order_->glu[kHasGguf ? config_.glu : GluType::kSilu](
                           gate_.data() + begin, up_.data() + begin, end - begin);
                     });
  const Linear output[] = {{weights_->MatrixPlace(ids.down, index), out}};
  CLAMMA_RETURN_IF_ERROR(Apply(output, gate_.data(), n_rows));
  AddBias(ids.down_bias, index, out, n_rows, config_.dim);
  return Status();
}

// Adds a layer's bias (n), if there is one, to each row of x (n_rows, n).
void Forward::AddBias(TensorId id, uint32_t layer, float* x, size_t n_rows, size_t n) {
  const float* bias = weights_->Vector(id, layer);
  if (bias == nullptr) return;
  for (size_t r = 0; r < n_rows; ++r) kernels_->add(x + r * n, bias, n);
}

Status Forward::Classify(ForwardRow* rows, size_t n_rows) {
  size_t wanted = 0;
  for (size_t r = 0; r < n_rows; ++r) {
    rows[r].logits = nullptr;
    if (!rows[r].want_logits) continue;
    // Normalised rows move up in normed_: to the place of a row that has been added, or of this
    // one.
    float* x = x_.data() + r * config_.dim;
    kernels_->add(x, normed_.data() + r * config_.dim, config_.dim);
    order_->rmsnorm(normed_.data() + wanted * config_.dim, x,
                    weights_->Vector(TensorId::kOutputNorm), 1, config_.dim, config_.norm_epsilon);
    rows[r].logits = logits_.data() + wanted * config_.vocab_size;
    ++wanted;
  }
  if (wanted == 0) return Status();
  const Linear classifier[] = {{weights_->MatrixPlace(TensorId::kOutput), logits_.data()}};
  const Status status = Apply(classifier, normed_.data(), wanted);
  if (kHasGguf && status.ok()) FinishLogits(wanted);
  return status;
}

void Forward::FinishLogits(size_t n_rows) {
  const size_t n = n_rows * config_.vocab_size;
  Scale(logits_.data(), n, config_.logit_scale);
  if (!(config_.logit_soft_cap > 0)) return;
  pool_->ParallelFor(n, GrainFor(64), [this](size_t begin, size_t end, unsigned /*worker*/) {
    order_->soft_cap(logits_.data() + begin, end - begin, config_.logit_soft_cap);
  });
}

// Adds the output of the last part to the residual stream. Returns the input of the next part: the
// residual stream, normalised if there is a weight.
const float* Forward::AddAndNormalize(const float* weight, size_t n_rows) {
  const size_t dim = config_.dim;
  ForEachRows(n_rows, size_t{32} * config_.dim, [&](size_t first, size_t n) {
    float* x = x_.data() + first * dim;
    float* normed = normed_.data() + first * dim;
    kernels_->add(x, normed, n * dim);
    if (kHasGguf && weight == nullptr) return;
    order_->rmsnorm(normed, x, weight, n, dim, config_.norm_epsilon);
  });
  return kHasGguf && weight == nullptr ? x_.data() : normed_.data();
}

// Rotates the first rope_dims elements of each head.
void Forward::Rotate(float* x, const float* cosines, const float* sines, size_t n_heads,
                     size_t head_size) const {
  const size_t rotated = config_.rope_dims;
  const auto rotate = kernels_->rope[kHasGguf ? config_.rope_style : RopeStyle::kPairs];
  if (rotated == head_size) {
    rotate(x, cosines, sines, n_heads, head_size);
    return;
  }
  for (size_t head = 0; head < n_heads; ++head) {
    rotate(x + head * head_size, cosines, sines, 1, rotated);
  }
}

// Normalises the queries or keys of a row, each head separately or all together.
void Forward::NormalizeHeads(TensorId norm, uint32_t layer, float* x, size_t n_heads) {
  const size_t head_size = config_.layer(layer).head_size;
  const bool each = config_.qk_norm == QkNorm::kPerHead;
  order_->rmsnorm(x, x, weights_->Vector(norm, layer), each ? n_heads : 1,
                  each ? head_size : n_heads * head_size, config_.norm_epsilon);
}

// The factor of a position's queries.
float Forward::QueryScale(size_t position) const {
  if (!(config_.query_growth > 0)) return 1.0f;
  const size_t steps = position / config_.query_step;
  return 1.0f +
         config_.query_growth * static_cast<float>(LogDouble(1.0 + static_cast<double>(steps)));
}

void Forward::RotateAndStore(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const size_t half_rope = config_.rope_dims / 2;
  const LayerConfig& c = config_.layer(layer);
  const auto q_dim = static_cast<size_t>(c.q_dim());
  const auto kv_dim = static_cast<size_t>(c.kv_dim());
  pool_->ParallelFor(n_rows, GrainFor(32 * q_dim),
                     [&](size_t begin, size_t end, unsigned /*worker*/) {
                       for (size_t r = begin; r < end; ++r) {
                         float* query = q_.data() + r * q_dim;
                         float* key = k_.data() + r * kv_dim;
                         if (kHasGguf && config_.qk_norm != QkNorm::kNone) {
                           NormalizeHeads(TensorId::kQNorm, layer, query, c.n_heads);
                           NormalizeHeads(TensorId::kKNorm, layer, key, c.n_kv_heads);
                         }
                         if (!kHasGguf || c.family.rope != kNoRope) {
                           const size_t row = kHasGguf ? c.family.rope * max_rows_ + r : r;
                           const float* cosines = cosines_.data() + row * half_rope;
                           const float* sines = sines_.data() + row * half_rope;
                           Rotate(query, cosines, sines, c.n_heads, c.head_size);
                           Rotate(key, cosines, sines, c.n_kv_heads, c.head_size);
                         }
                         if (kHasGguf) Scale(query, q_dim, QueryScale(rows[r].position));
                         rows[r].kv->Store(layer, rows[r].position, key, v_.data() + r * kv_dim);
                       }
                     });
}

// A job item is a tile of rows for one kv head; adjacent items may be attended together.
void Forward::Attend(uint32_t layer, const ForwardRow* rows, size_t n_rows) {
  const LayerConfig& c = config_.layer(layer);
  const size_t n_kv_heads = c.n_kv_heads;
  const size_t kv_head_queries = c.n_heads / n_kv_heads;
  const size_t tile = std::max<size_t>(1, attention_->query_tile / kv_head_queries);
  const size_t n_tiles = (n_rows + tile - 1) / tile;
  const size_t work =
      2 * kv_head_queries * c.head_size * (rows[n_rows - 1].position + 1) * std::min(tile, n_rows);
  // If all rows belong to one session, they go through one kv head after the other, while caches
  // hold its keys and values.
  const bool by_heads = rows[0].kv == rows[n_rows - 1].kv && n_rows > 1;
  pool_->ParallelFor(
      n_tiles * n_kv_heads, GrainFor(work), [&](size_t begin, size_t end, unsigned worker) {
        float* scratch = scores_.data() + worker * attention_->attention_scratch(
                                                       scores_stride_, config_.widest.head_size);
        for (size_t i = begin; i < end;) {
          const size_t t = by_heads ? i % n_tiles : i / n_kv_heads;
          const size_t head = by_heads ? i / n_tiles : i % n_kv_heads;
          const size_t heads = by_heads ? 1 : std::min(end - i, n_kv_heads - head);
          AttendRows(layer, rows, t * tile, std::min(n_rows, (t + 1) * tile), head, head + heads,
                     scratch);
          i += heads;
        }
      });
}

// Attends with kv heads [kv_begin, kv_end) of rows [begin, end), which may belong to several
// sessions.
void Forward::AttendRows(uint32_t layer, const ForwardRow* rows, size_t begin, size_t end,
                         size_t kv_begin, size_t kv_end, float* scratch) {
  const LayerConfig& c = config_.layer(layer);
  const auto q_dim = static_cast<size_t>(c.q_dim());
  const float* sinks = kHasGguf ? weights_->Vector(TensorId::kSinks, layer) : nullptr;
  for (size_t r = begin; r < end;) {
    AttentionInput input;
    rows[r].kv->Attend(layer, rows[r].position + 1, &input);
    input.q = q_.data() + r * q_dim;
    input.heads_per_kv_head = c.n_heads / c.n_kv_heads;
    input.row_stride = q_dim;
    if constexpr (kHasGguf) {
      input.scale = config_.attention_scale;
      input.window = c.family.window;
      input.soft_cap = config_.attention_soft_cap;
      input.sinks = sinks;
    }
    while (r + input.n_rows < end && Follows(rows[r], rows[r + input.n_rows], input.n_rows)) {
      ++input.n_rows;
    }
    attention_->attention[input.kv_type](attended_.data() + r * q_dim, scratch, scores_stride_,
                                         input, kv_begin, kv_end);
    r += input.n_rows;
  }
}

// The number of columns that share a scale. A group of kInt8Groups may not straddle groups of
// weights, which in turn may straddle rows.
size_t Forward::GroupOf(ActivationKind kind, size_t cols) const {
  switch (kind) {
    case ActivationKind::kFloats:
      return 0;
    case ActivationKind::kInt8Groups:
      return std::gcd(size_t{config_.group_size}, cols);
    case ActivationKind::kBlocks32:
      return 32;
    case ActivationKind::kBlocks256:
      return 256;
  }
  return 0;
}

// The size of Activations::bytes for any width.
uint64_t Forward::QuantizedBytes(ActivationKind kind, size_t n_rows) const {
  auto* const bytes = kernels_->quantizers[kind].bytes;
  if (bytes == nullptr || !weights_->file().tensors.IsMultiplied(kind)) return 0;
  const uint64_t widths[] = {config_.dim, config_.widest.q_dim(), config_.widest.hidden_dim};
  uint64_t max = 0;
  for (const uint64_t width : widths) {
    const auto cols = static_cast<size_t>(width);
    max = std::max(max, bytes(n_rows, cols, GroupOf(kind, cols)));
  }
  return max;
}

// Converts x (n_rows, cols) to activations of a kind.
Activations Forward::Quantize(ActivationKind kind, const float* x, size_t n_rows, size_t cols) {
  auto* const quantize = kernels_->quantizers[kind].quantize;
  if (quantize == nullptr) return {.x = x, .n_tokens = n_rows, .cols = cols};
  const size_t group = GroupOf(kind, cols);
  const Activations activations = {.x = x,
                                   .bytes = quantized_[static_cast<size_t>(kind)].data(),
                                   .n_tokens = n_rows,
                                   .cols = cols,
                                   .group = group};
  // Threads divide the groups, not the rows, as groups of several rows share cache lines.
  pool_->ParallelFor(
      cols / group, GrainFor(32 * group * n_rows),
      [&](size_t begin, size_t end, unsigned /*worker*/) { quantize(activations, begin, end); });
  return activations;
}

// Applies matrices of one width to x (n_rows, columns). Without a cache they are one job. With a
// cache each matrix is pinned separately, so that the cache need not hold more than the largest.
template <size_t kCount>
Status Forward::Apply(const Linear (&linears)[kCount], const float* x, size_t n_rows) {
  Inputs inputs;
  for (const Linear& linear : linears) {
    const ActivationKind kind = KindOf(linear.place.type);
    if (inputs[kind].n_tokens == 0) inputs[kind] = Quantize(kind, x, n_rows, linear.place.cols);
  }
  const size_t at_a_time = weights_->cached() ? 1 : kCount;
  for (size_t first = 0; first < kCount; first += at_a_time) {
    AcquiredMatrix acquired[kCount];
    Matrix matrices[kCount];
    for (size_t i = 0; i < at_a_time; ++i) {
      CLAMMA_RETURN_IF_ERROR(acquired[i].Acquire(*weights_, linears[first + i].place));
      matrices[i] = *acquired[i];
    }
    Multiply(linears + first, matrices, at_a_time, inputs);
  }
  return Status();
}

void Forward::Multiply(const Linear* linears, const Matrix* matrices, size_t count,
                       const Inputs& inputs) {
  const auto blocks_of = [](const Matrix& w) { return (w.rows + kRowBlock - 1) / kRowBlock; };
  size_t blocks = 0;
  for (size_t i = 0; i < count; ++i) blocks += blocks_of(matrices[i]);
  const size_t n_tokens = inputs[KindOf(matrices[0].type)].n_tokens;
  const size_t work = n_tokens * kRowBlock * matrices[0].cols;
  pool_->ParallelFor(blocks, GrainFor(work), [&](size_t begin, size_t end, unsigned /*worker*/) {
    size_t first = 0;  // the first block of the current matrix
    for (size_t i = 0; i < count; ++i) {
      const Matrix& w = matrices[i];
      const size_t last = first + blocks_of(w);
      const size_t from = std::max(begin, first);
      const size_t to = std::min(end, last);
      if (from < to) {
        const size_t row_begin = (from - first) * kRowBlock;
        const size_t row_end = std::min<size_t>((to - first) * kRowBlock, w.rows);
        kernels_->matmul[w.type](linears[i].out, w.rows, inputs[KindOf(w.type)], w, row_begin,
                                 row_end);
      }
      first = last;
    }
  });
}

}  // namespace clamma
