// SPDX-License-Identifier: MIT
// The options that the apps share: the model, the prompt and the sampling; and their conversion to
// the library's types. If you copy an app, copy this folder too.
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
  bool given = false;  // whether the user gave a prompt, which may be ""
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

// Returns an info with the fields of the model set. `o` must live as long as it is used.
clamma_txf_info_t MakeInfo(const Model& o);

// Returns a seed from the clock, never 0, for users who give none.
uint64_t SeedFromClock();

using ModelPtr = std::unique_ptr<txf, decltype(&clamma_txf_destroy)>;

// Constructs the model and sets *desc to its description. On failure, passes the reason to `log`
// and returns nullptr.
ModelPtr Open(const Model& o, clamma_log_cb_t log, std::string* desc,
              clamma_model_type_t type = CLAMMA_MODEL_GEN);

// Returns two lines to show when an app starts, from the description that Open() sets.
std::string Banner(const std::string& description);

// Describes a session and its sampling on one line: its size with a full context, temperature,
// top-p and the seed of its query.
std::string DescribeSession(const clamma_session_facts_t& facts, const Sampling& o, uint64_t seed);

// Formats a number as a user would write it: 0.8.
std::string Written(float number);

// Sets the texts of a query; `o` must live until it has started.
void Apply(const Prompt& o, clamma_txf_info_t& info);

// Sets the sampling fields of a query.
void Apply(const Sampling& o, clamma_txf_info_t& info);

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_OPTIONS_H_
