// SPDX-License-Identifier: MIT
#include "engine/pooling.h"

#include "model/architectures/keys.h"

namespace clamma {

Status ReadPooling(const Transformer& transformer, Pooling* pooling, bool* is_stated) {
  *pooling = Pooling::kLast;
  *is_stated = false;
  if constexpr (kHasGguf) {
    if (transformer.files.gguf() == nullptr) return Status();
    // GGUF's numbers; models with others are refused when they are opened.
    enum : uint32_t { kNone, kMean, kCls, kLast };
    uint32_t type = kNone;
    const ArchitectureKeys keys(*transformer.files.gguf(), transformer.weights.file().architecture);
    CLAMMA_RETURN_IF_ERROR(keys.OptionalUint("pooling_type", kNone, kLast, &type));
    *is_stated = type != kNone;
    if (type == kMean) *pooling = Pooling::kMean;
    if (type == kCls) *pooling = Pooling::kFirst;
  }
  return Status();
}

Status CheckGeneratesText(const Transformer& transformer) {
  Pooling pooling = Pooling::kLast;
  bool is_stated = false;
  CLAMMA_RETURN_IF_ERROR(ReadPooling(transformer, &pooling, &is_stated));
  if (!is_stated) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "%s is an embedding model, which writes and scores no texts but turns them "
                       "into vectors: see clamma_embed()",
                       transformer.name);
}

}  // namespace clamma
