// SPDX-License-Identifier: MIT
// The options that the apps share, by CLI11: which model, what to continue, and how tokens
// are chosen. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_OPTIONS_H_
#define CLAMMA_APPS_COMMON_OPTIONS_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace options {

constexpr int kExitSetup = 1;
constexpr int kExitUsage = 2;
constexpr int kExitGeneration = 3;
constexpr int kExitInterrupted = 130;

struct Model {
  std::string checkpoint;
  std::string tokenizer = "tokenizer.bin";
  unsigned threads = 0;
  int mode = 0;
  size_t cache_limit = 0;
  std::string kv = "f32";
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
};

// Without these checks CLI11 takes -1 for a huge unsigned number, 010 for 8, and nan for an amount.
inline std::string WholeNumber(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return std::to_string(value);
  throw CLI::ValidationError(text + " is not a whole number from 0 to 2^64-1");
}

// As above, with a unit such as kb or mb behind it if wanted.
inline std::string CheckSize(const std::string& text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0) return text + " is not a size";
  WholeNumber(text.substr(0, digits));
  return "";
}

inline std::string CheckAmount(const std::string& text) {
  char* stop = nullptr;
  const float value = std::strtof(text.c_str(), &stop);
  const bool good = !text.empty() && *stop == '\0' && std::isfinite(value) && value >= 0;
  return good ? "" : text + " is not a number from 0";
}

inline std::string CheckShare(const std::string& text) {
  const std::string wrong = CheckAmount(text);
  return wrong.empty() && std::strtof(text.c_str(), nullptr) > 1 ? text + " is more than 1" : wrong;
}

// -h has always been the threads, so help is --help alone.
inline void Add(CLI::App& app, Model& o) {
  app.set_help_flag("--help", "Print this help and exit");
  app.add_option("checkpoint", o.checkpoint, "Model checkpoint (llama2.c format, float or int8)")
      ->required();
  app.add_option("-z,--tokenizer", o.tokenizer, "Token dictionary")->capture_default_str();
  app.add_option("-h,--threads", o.threads, "Compute threads, 0 = all usable cores")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("-m,--mode", o.mode, "Weights: 0 = mmap, 1 = malloc cache")
      ->check(CLI::Range(0, 1))
      ->capture_default_str();
  app.add_option("--cache-limit", o.cache_limit, "With -m 1: most bytes of weights held, 0 = all")
      ->check(CheckSize)
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--kv", o.kv, "Keys and values in f32 or f16")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
}

inline void Add(CLI::App& app, Prompt& o) {
  const auto set = [&o](const std::string& text) {
    o.text = text;
    o.given = true;
  };
  app.add_option_function<std::string>("-i,--prompt", set,
                                       "Text to continue; \"\" = begin a text with nothing");
  app.add_option("-y,--system", o.system, "Text that goes before the prompt on a line of its own");
}

inline void Add(CLI::App& app, Sampling& o) {
  app.add_option("-t,--temperature", o.temperature, "0 = always the likeliest token")
      ->check(CheckAmount)
      ->capture_default_str();
  app.add_option("-p,--topp", o.topp, "Nucleus sampling: share of probability kept, 0 or 1 = off")
      ->check(CheckShare)
      ->capture_default_str();
  app.add_option("-s,--seed", o.seed, "Random seed, 0 = from the clock")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("-n,--steps", o.steps, "Most tokens to generate, 0 = until the context is full")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("--top-k", o.top_k, "Keep the so many likeliest tokens, 0 = off")
      ->transform(WholeNumber)
      ->capture_default_str();
  app.add_option("--min-p", o.min_p, "Keep tokens this likely relative to the likeliest, 0 = off")
      ->check(CheckShare)
      ->capture_default_str();
  app.add_option("--repetition-penalty", o.repetition_penalty, "Weaken repeated tokens, 0 = off")
      ->check(CheckAmount)
      ->capture_default_str();
}

// Returns -1 to go on, else the exit code.
inline int Parse(CLI::App& app, int argc, char** argv) {
  const std::string name = app.get_name();
  app.set_version_flag("--version", name + " " + clamma_version());
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app.exit(e);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "%s: %s (see %s --help)\n", name.c_str(), e.what(), name.c_str());
    return kExitUsage;
  }
  return -1;
}

// An info with the model's fields set; `o` must live as long as it is used.
inline clamma_txf_info_t MakeInfo(const Model& o) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = o.checkpoint.c_str();
  info.tokenizer_path = o.tokenizer.c_str();
  info.model_access = o.mode == 1 ? CLAMMA_MODEL_ACCESS_MALLOC_CACHE : CLAMMA_MODEL_ACCESS_MMAP;
  info.cache_limit = o.cache_limit;
  info.threads = o.threads;
  info.kv_type = o.kv == "f16" ? CLAMMA_KV_F16 : CLAMMA_KV_F32;
  return info;
}

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
}

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_OPTIONS_H_
