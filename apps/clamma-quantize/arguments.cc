// SPDX-License-Identifier: MIT
#include "arguments.h"

#include "command_line.h"
#include "printable.h"
#include "quantize/recipe.h"

namespace quantize_app {
namespace {

std::string CheckType(const std::string& text) {
  if (clamma::FindRecipe(text) != nullptr) return "";
  std::string names;
  size_t count = 0;
  const clamma::Recipe* recipes = clamma::Recipes(&count);
  for (size_t i = 0; i < count; ++i) names += (i == 0 ? "" : ", ") + std::string(recipes[i].name);
  return Printable(text, 40) + " is not a type: one of " + names + " is expected";
}

}  // namespace

int Parse(int argc, char** argv, Arguments& o) {
  options::CommandLine line("clamma-quantize", "Makes a model smaller.",
                            "Types: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_K, Q5_1, Q5_0,\n"
                            "Q4_K_M, Q4_K_S, Q4_K, IQ4_NL, Q4_1, Q4_0 for GGUF files; q80 for a\n"
                            "checkpoint of llama2.c in int8, and its vocabulary beside it.\n"
                            "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 writing "
                            "or evaluating failed,\n"
                            "130 interrupted.");
  line.Add("in", o.in,
           "Model to read: GGUF (of a split one, any of its files), or a checkpoint of llama2.c")
      .Required();
  line.Add("out", o.out, "File to write").Required();
  line.Add("type", o.type, "Type of the new weights").Required().Check(CheckType);
  line.Add(
      "-z,--tokenizer", o.tokenizer,
      "Vocabulary of a checkpoint of llama2.c (default: NAME.tokenizer.bin or tokenizer.bin beside "
      "it, then tokenizer.bin)");
  line.FindModel(o.in, o.tokenizer);
  line.Add("--imatrix", o.imatrix, "Importance of columns, in the format of llama-imatrix");
  line.Add("--pure", o.pure, "The same type for all matrices, including the output");
  line.Add("--eval", o.eval, "Report the perplexity of this text before and after");
  line.Add("--dry-run", o.dry_run, "Show what would be done, and write nothing");
  line.Add("--force", o.force, "Overwrite an existing file");
  line.Add("-h,--threads", o.threads, "Threads, 0 = all usable cores").WholeNumber().ShowDefault();
  line.Add("-q,--quiet", o.quiet, "Print no table, and show no progress");
  return line.Parse(argc, argv);
}

}  // namespace quantize_app
