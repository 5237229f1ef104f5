// SPDX-License-Identifier: MIT
#include "options.h"

#include "command_line.h"
#include "gguf_types.h"
#include "shape.h"

namespace bench {
namespace {

constexpr unsigned kMaxTokens = 1u << 20;

void Declare(options::CommandLine& line, Options& o) {
  const options::Option checkpoint =
      line.Add("checkpoint", o.checkpoint, "Model checkpoint (default: a model of random weights)");
  line.Add("-z,--tokenizer", o.tokenizer,
           "Its vocabulary (default: the one inside or beside it, else tokenizer.bin)")
      .Needs(checkpoint);
  line.Add("--shape", o.shape, "Shape of the random model")
      .OneOf(ShapeNames())
      .Excludes(checkpoint)
      .ShowDefault();
  std::vector<std::string> types = {"f32", "q80"};
  for (const std::string& type : GgufKindNames()) types.push_back(type);
  line.Add(
          "--type", o.type,
          "Type of its weights: f32 and q80 (int8 in groups of 64) make a llama2.c checkpoint, the "
          "others a GGUF file")
      .OneOf(types)
      .Excludes(checkpoint)
      .ShowDefault();
  line.Add("--context", o.context, "Its context in tokens (default: the shape's)")
      .In(64u, kMaxTokens)
      .Excludes(checkpoint);
  const options::Option keep =
      line.Add("--keep", o.keep,
               "Keep it in this file, and the vocabulary of a llama2.c checkpoint in FILE.tok")
          .Excludes(checkpoint);
  line.Add("--make-only", o.make_only, "... and measure nothing").Needs(keep);
  line.Add("-h,--threads", o.threads, "Compute threads, 0 = all usable cores").ShowDefault();
  line.AddKvType(o.kv);
  line.Add("--prompt", o.prompt, "Tokens of the long prompt (default: 512, or as many as fit)")
      .In(2u, kMaxTokens);
  line.Add("--repeats", o.repeats,
           "Times to repeat all measurements (default: 5, or fewer on a slow machine)")
      .In(1u, 1000u);
  line.Add("--json", o.json, "Print one JSON object, with medians, in place of the table");
  line.Add("-q,--quiet", o.quiet, "No progress on stderr");
}

}  // namespace

int ParseOptions(int argc, char** argv, Options* o) {
  options::CommandLine line(
      "clamma-bench",
      "Measures a Llama model: loading, prompt, generation with 1, 4, 8 and 16 sessions, memory.\n"
      "Reports each speed also as a share of the limit set by this machine's memory and "
      "arithmetic\n"
      "units, which it measures in between. Without a checkpoint it makes a model of random "
      "weights\n"
      "in TMPDIR.",
      "Limits: for prompts, multiply-adds of int8 (or float) weights at the rate of the fastest\n"
      "vector instruction, which the tile unit of a CPU with AMX can exceed; for generation, the\n"
      "bytes of the weights at the read bandwidth; for several sessions, the lower of the two.\n"
      "Models that fit into the caches can exceed the read bandwidth of memory.\n"
      "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 a measurement failed,\n"
      "130 interrupted.");
  Declare(line, *o);
  line.FindModel(o->checkpoint, o->tokenizer);
  return line.Parse(argc, argv);
}

}  // namespace bench
