// SPDX-License-Identifier: MIT
// Plans a model as a llama2.c checkpoint of version 2 ("q80"): checks that the format can express
// it, and writes the header.
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
  // The format has no field for the epsilon of norms, and assumes 1e-5. A model with another
  // epsilon is scaled: rmsnorm(s x) with epsilon s^2 e equals rmsnorm(x) with epsilon e, and only
  // the norms read the residual stream. This is the factor s of the weights that write to that
  // stream: embedding, wo and w2.
  float stream_factor = 1;
  float final_norm_factor = 1;  // 1 / s if the classifier is the scaled embedding
};

inline constexpr uint32_t kMaxCheckpointGroup = 64;

// Refuses features that the format cannot express, and names them. Sets shared_classifier if the
// model has no classifier; the caller must also set it, before ScaleForNorms(), if the classifier
// equals the embedding.
Status PlanCheckpoint(const ModelFile& model, CheckpointPlan* plan);

// Sets the factors.
void ScaleForNorms(float norm_epsilon, CheckpointPlan* plan);

// The factor by which the weights of a tensor are multiplied.
float FactorOf(TensorId id, const CheckpointPlan& plan);

void WriteCheckpointHeader(const ModelFile& model, const CheckpointPlan& plan,
                           uint8_t (&header)[kLlama2cHeaderBytes]);

}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_CHECKPOINT_H_
