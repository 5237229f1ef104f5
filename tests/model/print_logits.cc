// SPDX-License-Identifier: MIT
// print_logits [--off FEATURE] MODEL TOKEN...: writes the logits at each of the tokens, at
// positions 0, 1 and so on, to stdout as float32 (tokens, vocab_size). --off switches off a special
// feature of the model's family: see kSwitches. Tests in Python run it.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_file.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"

namespace clamma {
namespace {

// Changes every layer.
template <typename Change>
void ForEachLayer(ModelFile& model, const Change& change) {
  change(model.config.widest);
  for (size_t i = 0; i < model.layers.size(); ++i) change(model.layers[i]);
}

struct Switch {
  const char* name;
  void (*off)(ModelFile& model);
};
constexpr Switch kSwitches[] = {
    {"halves", [](ModelFile& m) { m.config.rope_style = RopeStyle::kPairs; }},
    {"no rotation",
     [](ModelFile& m) { ForEachLayer(m, [](LayerConfig& layer) { layer.family.rope = 0; }); }},
    {"second rotation", [](ModelFile& m) { m.config.ropes[1] = m.config.ropes[0]; }},
    {"partial rotation", [](ModelFile& m) { m.config.rope_dims = m.config.rope_dims - 2; }},
    {"frequency scale", [](ModelFile& m) { m.config.ropes[0].frequency_scale = 1; }},
    {"yarn", [](ModelFile& m) { m.config.ropes[0].yarn = false; }},
    {"exact ramp",
     [](ModelFile& m) {
       RopeConfig& rope = m.config.ropes[0];
       rope.ramp_begin = std::floor(rope.ramp_begin);
       rope.ramp_end = std::ceil(rope.ramp_end);
     }},
    {"magnitude", [](ModelFile& m) { m.config.ropes[0].magnitude = 1; }},
    {"long factors", [](ModelFile& m) { m.config.short_context = m.config.seq_len; }},
    {"growing queries", [](ModelFile& m) { m.config.query_growth = 0; }},
    {"windows",  // wider than any text: the KV cache's layout is for layers with windows
     [](ModelFile& m) {
       ForEachLayer(m, [](LayerConfig& layer) {
         if (layer.has_window()) layer.family.window = UINT32_MAX;
       });
     }},
    {"query and key norms", [](ModelFile& m) { m.config.qk_norm = QkNorm::kNone; }},
    {"post-norms", [](ModelFile& m) { m.config.norm_after = false; }},
    {"gelu", [](ModelFile& m) { m.config.glu = GluType::kSilu; }},
    {"clamped gate", [](ModelFile& m) { m.config.glu = GluType::kSilu; }},
    {"attention scale", [](ModelFile& m) { m.config.attention_scale = 0; }},
    {"attention soft cap", [](ModelFile& m) { m.config.attention_soft_cap = 0; }},
    {"logit soft cap", [](ModelFile& m) { m.config.logit_soft_cap = 0; }},
    {"embedding scale", [](ModelFile& m) { m.config.embedding_scale = 1; }},
    {"residual scale", [](ModelFile& m) { m.config.residual_scale = 1; }},
    {"logit scale", [](ModelFile& m) { m.config.logit_scale = 1; }},
    {"second expert", [](ModelFile& m) { --m.config.n_experts_used; }},
};

Status SwitchOff(const char* what, ModelFile& model) {
  for (const Switch& entry : kSwitches) {
    if (std::string_view(what) != entry.name) continue;
    entry.off(model);
    return Status();
  }
  return Status::Error(StatusCode::kInvalidArgument, "nothing is called '%s'", what);
}

Status PrintLogits(const char* path, const char* off, const std::vector<TokenId>& tokens) {
  Memory memory;
  ModelFiles files;
  CLAMMA_RETURN_IF_ERROR(files.Open(memory, path, "", true));
  ModelFile model;
  CLAMMA_RETURN_IF_ERROR(files.ReadModel(&model));
  if (off != nullptr) CLAMMA_RETURN_IF_ERROR(SwitchOff(off, model));
  Weights weights;
  CLAMMA_RETURN_IF_ERROR(
      weights.Open(memory, std::move(model), files.sources(), files.count(), {}));
  ThreadPool pool;
  CLAMMA_RETURN_IF_ERROR(pool.Start(memory, 1));
  Forward forward;
  CLAMMA_RETURN_IF_ERROR(forward.Init(memory, weights, SelectKernels(), pool));
  KvCache kv;
  const ModelConfig& config = weights.config();
  kv.Init(memory, config, KvType::kF32);
  CLAMMA_RETURN_IF_ERROR(kv.Reserve(tokens.size()));
  kv.SetLong(tokens.size() > config.short_context);
  for (size_t position = 0; position < tokens.size(); ++position) {
    if (tokens[position] < 0 || static_cast<uint32_t>(tokens[position]) >= config.vocab_size) {
      return Status::Error(StatusCode::kInvalidArgument, "token %d is out of range",
                           static_cast<int>(tokens[position]));
    }
    ForwardRow row = {tokens[position], position, &kv, nullptr, true};
    CLAMMA_RETURN_IF_ERROR(forward.Run(&row, 1));
    if (fwrite(row.logits, sizeof(float), config.vocab_size, stdout) != config.vocab_size) {
      return Status::Error(StatusCode::kIo, "stdout cannot be written");
    }
  }
  return Status();
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  const bool switches = argc > 2 && std::string_view(argv[1]) == "--off";
  const char* off = switches ? argv[2] : nullptr;
  const int first = switches ? 3 : 1;
  std::vector<clamma::TokenId> tokens;
  for (int i = first + 1; i < argc; ++i) tokens.push_back(atoi(argv[i]));
  if (tokens.empty()) {
    fprintf(stderr, "usage: print_logits [--off WHAT] MODEL TOKEN...\n");
    return 2;
  }
  const clamma::Status status = clamma::PrintLogits(argv[first], off, tokens);
  if (!status.ok()) fprintf(stderr, "print_logits: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
