// SPDX-License-Identifier: MIT
// The options that the apps share: which model, what to continue, and how tokens are chosen; and
// what the library gets of them. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_OPTIONS_H_
#define CLAMMA_APPS_COMMON_OPTIONS_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <cstdint>
#include <memory>
#include <string>

#include "kv_type.h"

namespace options {

constexpr int kExitSetup = 1;
constexpr int kExitUsage = 2;
constexpr int kExitGeneration = 3;
constexpr int kExitInterrupted = 130;

struct Model {
  std::string checkpoint;
  std::string tokenizer;  // "": the one inside the checkpoint or found beside it
  unsigned threads = 0;
  int mode = 0;
  size_t cache_limit = 0;
  std::string kv = "auto";
  std::string chat_template;  // its text, or a name; "": the model's own
  std::string pre_tokenizer;  // "": the one that the file names
  unsigned context = 0;       // positions; 0: the model's
};

struct Prompt {
  std::string text;
  bool given = false;  // which "" may be
  std::string system;
};

struct Sampling {
  float temperature = 1.0f;
  float topp = 0.9f;
  uint64_t seed = 0;
  size_t steps = 256;
  unsigned top_k = 0;
  float min_p = 0;
  float repetition_penalty = 0;
  float frequency_penalty = 0;
  float presence_penalty = 0;
};

// An info with the model's fields set; `o` must live as long as it is used.
inline clamma_txf_info_t MakeInfo(const Model& o) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = o.checkpoint.c_str();
  info.tokenizer_path = o.tokenizer.empty() ? nullptr : o.tokenizer.c_str();
  info.model_access = o.mode == 1 ? CLAMMA_MODEL_ACCESS_MALLOC_CACHE : CLAMMA_MODEL_ACCESS_MMAP;
  info.cache_limit = o.cache_limit;
  info.threads = o.threads;
  info.chat_template = o.chat_template.empty() ? nullptr : o.chat_template.c_str();
  info.pre_tokenizer = o.pre_tokenizer.empty() ? nullptr : o.pre_tokenizer.c_str();
  info.context = o.context;
  info.kv_type = KvTypeOf(o.kv);
  return info;
}

// A seed from the clock, for a user who gives none; never 0.
uint64_t SeedFromClock();

using ModelPtr = std::unique_ptr<txf, decltype(&clamma_txf_destroy)>;

// Constructs the model; *desc gets its description. nullptr: `log` was told why.
inline ModelPtr Open(const Model& o, clamma_log_cb_t log, std::string* desc,
                     clamma_model_type_t type = CLAMMA_MODEL_GEN) {
  char text[1024] = "";
  clamma_txf_info_t info = MakeInfo(o);
  info.model_type = type;
  info.log_cb = log;
  info.desc = text;
  info.desc_max = sizeof(text);
  ModelPtr model(clamma_txf_construct(&info), &clamma_txf_destroy);
  *desc = text;
  return model;
}

// What an app shows at its start, of the description that Open() gives: two lines.
inline std::string Banner(const std::string& description) { return "☙ Clamma ❧ " + description; }

// A session and how its tokens are chosen, on one line: its size with a full context, temperature,
// top-p and the seed that its query has taken.
std::string DescribeSession(const clamma_session_facts_t& facts, const Sampling& o, uint64_t seed);

// A number as its user would write it: 0.8.
std::string Written(float number);

// Sets the texts of a query; `o` must live until it has started.
inline void Apply(const Prompt& o, clamma_txf_info_t& info) {
  info.system = o.system.empty() ? nullptr : o.system.c_str();
  info.prompt = o.given ? o.text.c_str() : nullptr;
}

// Sets the fields of a query that choose its tokens.
inline void Apply(const Sampling& o, clamma_txf_info_t& info) {
  info.limit = o.steps;
  info.temperature = o.temperature;
  info.topp = o.topp;
  info.rng_seed = o.seed;
  info.top_k = o.top_k;
  info.min_p = o.min_p;
  info.repetition_penalty = o.repetition_penalty;
  info.frequency_penalty = o.frequency_penalty;
  info.presence_penalty = o.presence_penalty;
}

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_OPTIONS_H_
