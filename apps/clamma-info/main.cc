// SPDX-License-Identifier: MIT
// clamma-info: describes a model file.
//
// Exit codes: 0 described; 1 the file cannot be read, or is not a model; 2 the command line is
// wrong.
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "command_line.h"
#include "facts.h"
#include "memory_use.h"
#include "print.h"
#include "standard_streams.h"

namespace info {
namespace {

using options::kExitSetup;

constexpr uint64_t kDefaultContext = 2048;  // if the file has none

struct Options {
  PrintOptions print;
  uint64_t context = 0;
  unsigned threads = 0;
  bool json = false;
};

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line("clamma-info", "Describes a model file.",
                            "Exit codes: 0 described, 1 the file cannot be read or is not a model, "
                            "2 wrong command\nline.");
  line.Add("file", o.print.file,
           "Model: a file (GGUF or llama2.c; any one of the files of a split model), or a name of "
           "clamma-get's (default: the model that \"clamma-get default\" gets)");
  std::string tokenizer;  // is not read
  line.FindModel(o.print.file, tokenizer, true);
  line.Add("--tensors", o.print.tensors, "List the tensors");
  line.Add("--metadata", o.print.metadata, "List the keys of a GGUF file and their values");
  line.Add("--all", o.print.all, "Show complete arrays and texts");
  line.Add("--json", o.json, "Print a JSON object");
  line.Add("--context", o.context, "Report memory for this many positions, 0 = the model's context")
      .WholeNumber()
      .In(0u, unsigned{clamma::ModelLimits::kMaxSeqLen})  // more than any model has
      .ShowDefault();
  line.Add("--sessions", o.print.sessions, "Report memory for this many sessions")
      .WholeNumber()
      .Check([](const std::string& text) { return std::string(text == "0" ? "0 is too few" : ""); })
      .ShowDefault();
  line.Add("-h,--threads", o.threads, "Report memory for this many threads, 0 = all usable cores")
      .WholeNumber()
      .ShowDefault();
  return line.Parse(argc, argv);
}

int Fail(const std::string& reason) {
  std::fprintf(stderr, "clamma-info: %s\n", reason.c_str());
  return kExitSetup;
}

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();

  clamma::Memory memory;
  clamma::ModelFiles files;
  clamma::ModelFile model;
  clamma::Status status =
      files.Open(memory, o.print.file.c_str(), LIBCLAMMA_MODEL_DIR, /*map=*/true);
  if (!status.ok()) return Fail(status.message());
  status = files.ReadModel(&model);
  if (!status.ok() && files.gguf() == nullptr) return Fail(o.print.file + ": " + status.message());
  const Facts facts = CollectFacts(files, model, status);

  uint64_t context = o.context != 0 ? o.context : facts.context.value_or(kDefaultContext);
  if (context > clamma::ModelLimits::kMaxSeqLen) context = clamma::ModelLimits::kMaxSeqLen;
  std::optional<MemoryUse> use;
  if (status.ok()) {
    use = MeasureMemory(files, std::move(model), context, o.threads);
  } else if (!facts.tensors.empty() && facts.kind.empty()) {
    use = EstimateMemory(files, facts, context);
  }
  (o.json ? PrintJson : PrintText)(o.print, facts, use, files.gguf());
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return Fail("cannot write to stdout");
  return 0;
}

}  // namespace
}  // namespace info

int main(int argc, char** argv) {
  try {
    return info::Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-info: %s\n", e.what());
    return options::kExitSetup;
  }
}
