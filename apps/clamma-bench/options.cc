// SPDX-License-Identifier: MIT
#include "options.h"

#include "command_line.h"
#include "shape.h"

namespace bench {
namespace {

constexpr unsigned kMostTokens = 1u << 20;

void Declare(CLI::App& app, Options& o) {
  CLI::Option* checkpoint =
      app.add_option("checkpoint", o.checkpoint, "Model checkpoint; without one, a model is made");
  app.add_option("-z,--tokenizer", o.tokenizer, "Token dictionary of the checkpoint")
      ->needs(checkpoint)
      ->capture_default_str();
  app.add_option("--shape", o.shape, "Shape of the model that is made")
      ->check(CLI::IsMember(ShapeNames()))
      ->excludes(checkpoint)
      ->capture_default_str();
  app.add_option("--type", o.type, "Its weights: float, or int8 in groups of 64")
      ->check(CLI::IsMember({"f32", "q80"}))
      ->excludes(checkpoint)
      ->capture_default_str();
  app.add_option("--context", o.context, "Its context in tokens (default: the shape's)")
      ->check(CLI::Range(64u, kMostTokens))
      ->excludes(checkpoint);
  app.add_option("--keep", o.keep,
                 "Write it to this file, its dictionary to FILE.tok, and leave both there")
      ->excludes(checkpoint);
  app.add_option("-h,--threads", o.threads, "Compute threads, 0 = all usable cores")
      ->capture_default_str();
  app.add_option("--kv", o.kv, "Keys and values in f32 or f16")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  app.add_option("--prompt", o.prompt, "Tokens of the long prompt (default: 512, or what fits)")
      ->check(CLI::Range(2u, kMostTokens));
  app.add_option("--repeats", o.repeats,
                 "Times that all is measured (default: 5, fewer on a slow machine)")
      ->check(CLI::Range(1u, 1000u));
  app.add_flag("--json", o.json, "Print one JSON object, with medians, in place of the table");
  app.add_flag("-q,--quiet", o.quiet, "No progress on stderr");
}

}  // namespace

// As with clamma-gen, -h is the threads, so help is --help alone.
int ParseOptions(int argc, char** argv, Options* o) {
  CLI::App app(
      "Measures a Llama model: loading, prompt, generation with 1, 4, 8 and 16 sessions, memory;\n"
      "and beside each the share of what this machine's memory and arithmetic units allow, which\n"
      "are measured in between. Without a checkpoint it makes a model of random weights in TMPDIR.",
      "clamma-bench");
  app.set_help_flag("--help", "Print this help and exit");
  app.footer(
      "Limits: prompts, multiply-adds of int8 (or float) weights against the fastest vector\n"
      "instruction, which the tile unit of a CPU with AMX can exceed;\n"
      "generation, bytes of weights against reading memory; sessions together, the lower of the "
      "two.\n"
      "Models that fit into the caches can be beyond the speed of memory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 a measurement failed,\n"
      "130 interrupted.");
  Declare(app, *o);
  return options::Parse(app, argc, argv);
}

}  // namespace bench
