// SPDX-License-Identifier: MIT
// What a model becomes as a checkpoint of llama2.c's version 2 ("q80"): whether that format can
// express it, and its header.
#ifndef CLAMMA_QUANTIZE_CHECKPOINT_H_
#define CLAMMA_QUANTIZE_CHECKPOINT_H_

#include <cstdint>

#include "model/files/llama2c.h"
#include "model/model_file.h"
#include "platform/status.h"

namespace clamma {

struct CheckpointPlan {
  uint32_t group_size = 0;  // divides all rows and kMaxCheckpointGroup
  bool shared_classifier = false;
  // The format has no epsilon of norms. A model of another one than 1e-5 is scaled as a whole:
  // rmsnorm(s x) with epsilon s^2 e equals rmsnorm(x) with epsilon e, and nothing but the norms
  // reads the residual stream. s, of what is added to that stream: embedding, wo and w2.
  float stream_factor = 1;
  float final_norm_factor = 1;  // 1 / s where the classifier has grown with the embedding
};

inline constexpr uint32_t kMaxCheckpointGroup = 64;

// Refuses by name what the format cannot express. shared_classifier is set by whether the model has
// a classifier; one that equals the embedding is for the caller to find, before ScaleForNorms().
Status PlanCheckpoint(const ModelFile& model, CheckpointPlan* plan);

// Sets the factors.
void ScaleForNorms(float norm_epsilon, CheckpointPlan* plan);

// What the weights of a tensor are multiplied by.
float FactorOf(TensorId id, const CheckpointPlan& plan);

void WriteCheckpointHeader(const ModelFile& model, const CheckpointPlan& plan,
                           uint8_t (&header)[kLlama2cHeaderBytes]);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_CHECKPOINT_H_
