// SPDX-License-Identifier: MIT
// The options of options.h on a command line, by CLI11. Apart from them, as CLI11 takes ten times
// as long to compile as an app: one source of each app includes this.
#ifndef CLAMMA_APPS_COMMON_COMMAND_LINE_H_
#define CLAMMA_APPS_COMMON_COMMAND_LINE_H_

#include <clamma.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "options.h"

namespace options {

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

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_COMMAND_LINE_H_
