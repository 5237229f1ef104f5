// SPDX-License-Identifier: MIT
// perplexity THREADS WINDOW TOKENS [KV:]MODEL...: runs the models over the token ids in the file
// TOKENS (decimal numbers), in independent windows of WINDOW positions. KV is the type of keys and
// values: f32 (the default), f16 or q8. Prints a line for each model: the sum of the negative
// log-likelihoods of all tokens except the first of each window, their number, the sum of
// KL(model || first model) of the distributions that predict them, and the sum of the squared
// differences of the negative log-likelihoods from the first model's. A helper of
// perplexity.py and quantizers.py.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/kv_types.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_file.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/memory.h"
#include "platform/thread_pool.h"

namespace clamma {
namespace {

struct Model {
  Memory memory;
  ModelFiles files;
  Weights weights;
  Forward forward;
  KvCache kv;
  std::vector<ForwardRow> rows;
  std::vector<double> log_sums;  // (rows): subtracted from a logit, gives a log-probability
  std::vector<double> losses;    // (rows): negative log-likelihoods
  double loss = 0;               // sum of all losses
  double squares = 0;            // sum of (loss - first model's loss)^2
  double divergence = 0;         // sum of KL(this || first model)
};

struct Options {
  unsigned threads = 1;
  size_t window = 0;
  std::vector<TokenId> tokens;
};

Status ReadTokens(const char* path, std::vector<TokenId>* tokens) {
  FILE* const file = fopen(path, "r");
  if (file == nullptr) return Status::Error(StatusCode::kIo, "%s cannot be opened", path);
  int token = 0;
  while (fscanf(file, "%d", &token) == 1) tokens->push_back(token);
  const bool complete = feof(file) != 0;
  fclose(file);
  if (complete) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "%s holds more than numbers", path);
}

// Takes "NAME:" from the front of an argument, if it is there.
KvType TakeKvType(const char** argument) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    const std::string front = std::string(kKvFormats[type].name) + ":";
    if (std::string_view(*argument).substr(0, front.size()) != front) continue;
    *argument += front.size();
    return type;
  }
  return KvType::kF32;
}

Status OpenModel(const char* path, size_t window, ThreadPool& pool, Model* model) {
  const KvType kv_type = TakeKvType(&path);
  CLAMMA_RETURN_IF_ERROR(model->files.Open(model->memory, path, "", true));
  ModelFile file;
  CLAMMA_RETURN_IF_ERROR(model->files.ReadModel(&file));
  CLAMMA_RETURN_IF_ERROR(model->weights.Open(model->memory, std::move(file), model->files.sources(),
                                             model->files.count(), {}));
  CLAMMA_RETURN_IF_ERROR(
      model->forward.Init(model->memory, model->weights, SelectKernels(), pool, false, kv_type));
  model->kv.Init(model->memory, model->weights.config(), kv_type);
  return model->kv.Reserve(window);
}

Status Check(const std::vector<std::unique_ptr<Model>>& models, const Options& options) {
  const uint32_t vocab_size = models[0]->weights.config().vocab_size;
  for (const auto& model : models) {
    if (model->weights.config().vocab_size != vocab_size) {
      return Status::Error(StatusCode::kInvalidArgument, "the models' vocabularies differ");
    }
  }
  for (const TokenId token : options.tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= vocab_size) {
      return Status::Error(StatusCode::kInvalidArgument, "token %d is out of range",
                           static_cast<int>(token));
    }
  }
  return Status();
}

double LogSum(const float* logits, size_t n) {
  auto largest = static_cast<double>(logits[0]);
  for (size_t i = 1; i < n; ++i) largest = std::fmax(largest, static_cast<double>(logits[i]));
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(logits[i]) - largest);
  return largest + std::log(sum);
}

// KL(p || q) of the distributions of two rows of logits.
double Divergence(const float* p, double p_log_sum, const float* q, double q_log_sum, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double p_log = static_cast<double>(p[i]) - p_log_sum;
    sum += std::exp(p_log) * (p_log - (static_cast<double>(q[i]) - q_log_sum));
  }
  return sum;
}

// Runs positions begin .. end - 1 of a window.
Status RunRows(const TokenId* window, size_t begin, size_t end, Model* model) {
  model->rows.clear();
  for (size_t i = begin; i < end; ++i) {
    model->rows.push_back({window[i], i, &model->kv, nullptr, true});
  }
  return model->forward.Run(model->rows.data(), model->rows.size());
}

// Scores `next`, the tokens after each of the rows that were just run.
void Score(const Model& first, const TokenId* next, size_t count, ThreadPool& pool, Model* model) {
  const size_t vocab_size = model->weights.config().vocab_size;
  std::vector<double> divergences(count);
  model->log_sums.resize(count);
  pool.ParallelFor(count, 1, [&](size_t begin, size_t end, unsigned) {
    for (size_t i = begin; i < end; ++i) {
      const float* const logits = model->rows[i].logits;
      model->log_sums[i] = LogSum(logits, vocab_size);
      if (model == &first) continue;
      divergences[i] = Divergence(logits, model->log_sums[i], first.rows[i].logits,
                                  first.log_sums[i], vocab_size);
    }
  });
  model->losses.resize(count);
  for (size_t i = 0; i < count; ++i) {
    model->losses[i] = model->log_sums[i] - static_cast<double>(model->rows[i].logits[next[i]]);
    const double difference = model->losses[i] - first.losses[i];
    model->loss += model->losses[i];
    model->squares += difference * difference;
    model->divergence += divergences[i];
  }
}

Status Run(const Options& options, int n_models, char** paths) {
  ThreadPool pool;
  Memory memory;
  CLAMMA_RETURN_IF_ERROR(pool.Start(memory, options.threads));
  std::vector<std::unique_ptr<Model>> models;
  size_t max_rows = options.window;
  for (int i = 0; i < n_models; ++i) {
    models.push_back(std::make_unique<Model>());
    CLAMMA_RETURN_IF_ERROR(OpenModel(paths[i], options.window, pool, models.back().get()));
    max_rows = std::min(max_rows, models.back()->forward.max_logits());
  }
  CLAMMA_RETURN_IF_ERROR(Check(models, options));
  const size_t n_windows = options.tokens.size() / options.window;
  const size_t scored = options.window - 1;  // what follows the last token is unknown
  for (size_t w = 0; w < n_windows; ++w) {
    const TokenId* const window = options.tokens.data() + w * options.window;
    for (size_t begin = 0; begin < scored; begin += max_rows) {
      const size_t end = std::min(begin + max_rows, scored);
      for (const auto& model : models) {
        CLAMMA_RETURN_IF_ERROR(RunRows(window, begin, end, model.get()));
        Score(*models[0], window + begin + 1, end - begin, pool, model.get());
      }
    }
  }
  for (const auto& model : models) {
    printf("%.12g %zu %.12g %.12g\n", model->loss, n_windows * scored, model->divergence,
           model->squares);
  }
  return Status();
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  if (argc < 5 || atoi(argv[1]) < 1 || atoi(argv[2]) < 2) {
    fprintf(stderr, "usage: perplexity THREADS WINDOW TOKENS [KV:]MODEL...\n");
    return 2;
  }
  clamma::Options options;
  options.threads = static_cast<unsigned>(atoi(argv[1]));
  options.window = static_cast<size_t>(atoi(argv[2]));
  clamma::Status status = clamma::ReadTokens(argv[3], &options.tokens);
  if (status.ok()) status = clamma::Run(options, argc - 4, argv + 4);
  if (!status.ok()) fprintf(stderr, "perplexity: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
