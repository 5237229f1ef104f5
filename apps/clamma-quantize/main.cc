// SPDX-License-Identifier: MIT
// clamma-quantize: writes a GGUF model again with weights of another type.
//
// Exit codes: 0 done; 1 the source cannot be read, or the target is refused; 2 the command line is
// wrong; 3 writing or evaluating failed; 130 interrupted.
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "command_line.h"
#include "evaluation.h"
#include "models.h"
#include "output_file.h"
#include "printable.h"
#include "quantize/imatrix.h"
#include "quantize/quantizer.h"
#include "report.h"
#include "standard_streams.h"

namespace quantize_app {
namespace {

using options::kExitGeneration;
using options::kExitSetup;

constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;

struct Options {
  std::string in;
  std::string out;
  std::string type;
  std::string imatrix;
  std::string eval;
  unsigned threads = 0;
  bool pure = false;
  bool dry_run = false;
  bool force = false;
  bool quiet = false;
};

std::string CheckType(const std::string& text) {
  if (clamma::FindRecipe(text) != nullptr) return "";
  std::string names;
  size_t count = 0;
  const clamma::Recipe* recipes = clamma::Recipes(&count);
  for (size_t i = 0; i < count; ++i) names += (i == 0 ? "" : ", ") + std::string(recipes[i].name);
  return Printable(text, 40) + " is no type: one of " + names + " is expected";
}

int Parse(int argc, char** argv, Options& o) {
  options::CommandLine line("clamma-quantize", "Makes a GGUF model smaller.",
                            "Types: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_K, Q5_1, Q5_0,\n"
                            "Q4_K_M, Q4_K_S, Q4_K, IQ4_NL, Q4_1, Q4_0.\n"
                            "Exit codes: 0 done, 1 set-up failed, 2 wrong command line, 3 writing "
                            "or evaluating failed,\n"
                            "130 interrupted.");
  line.Add("in", o.in, "Model to read (GGUF; of a split one, any of its files)").Required();
  line.Add("out", o.out, "File to write").Required();
  line.Add("type", o.type, "Type of the new weights").Required().Check(CheckType);
  line.Add("--imatrix", o.imatrix, "Importance of columns, as llama.cpp's llama-imatrix writes it");
  line.Add("--pure", o.pure, "The same type for all matrices, the output among them");
  line.Add("--eval", o.eval, "Tell the perplexity of this text before and after");
  line.Add("--dry-run", o.dry_run, "Show what would be done, and write nothing");
  line.Add("--force", o.force, "Overwrite a file that is there");
  line.Add("-h,--threads", o.threads, "Threads, 0 = all usable cores").WholeNumber().ShowDefault();
  line.Add("-q,--quiet", o.quiet, "No table, and no progress");
  return line.Parse(argc, argv);
}

int Fail(int code, const std::string& reason) {
  std::fprintf(stderr, "clamma-quantize: %s\n", reason.c_str());
  return code;
}

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat x = {};
  struct stat y = {};
  return stat(a.c_str(), &x) == 0 && stat(b.c_str(), &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

// All files that are read.
std::vector<std::string> InputsOf(const Options& o, const clamma::ModelFiles& files) {
  // Where File::Open() looks for it.
  std::vector<std::string> inputs = {o.in};
  for (const std::string& folder : models::ModelFolders()) inputs.push_back(folder + "/" + o.in);
  for (const std::string& path : {o.imatrix, o.eval}) {
    if (!path.empty()) inputs.push_back(path);
  }
  for (size_t i = 0; files.count() > 1 && i < files.count(); ++i) {
    clamma::SplitInfo info;
    if (!clamma::ReadSplitInfo(*files.gguf(i), &info).ok()) continue;
    for (uint32_t named = 0; named < info.count; ++named) {
      std::vector<char> path(o.in.size() + 1);
      info.index = named;  // only that of the file that was named fits its path
      if (clamma::SplitPath(o.in, info, static_cast<uint32_t>(i), path.data(), path.size()).ok()) {
        inputs.emplace_back(path.data());
      }
    }
  }
  return inputs;
}

// What speaks against writing the target; "": nothing.
std::string CheckTarget(const Options& o, const clamma::ModelFiles& files) {
  for (const std::string& input : InputsOf(o, files)) {
    if (IsSameFile(input, o.out)) return o.out + " is read: name another file to write";
    if (IsSameFile(input, OutputFile::PartOf(o.out))) {
      return OutputFile::PartOf(o.out) + " is read, and would be written: name another file";
    }
  }
  struct stat facts = {};
  if (stat(o.out.c_str(), &facts) != 0) return "";
  if (S_ISDIR(facts.st_mode)) return o.out + " is a folder: name a file";
  if (!S_ISREG(facts.st_mode)) return o.out + " is no regular file";
  return o.force ? "" : o.out + " is there already: --force overwrites it";
}

// What speaks against the source; "": nothing.
std::string CheckSource(const Options& o, const clamma::ModelFiles& files) {
  if (files.gguf() == nullptr) {
    clamma::ModelFile model;
    const clamma::Status status = files.ReadModel(&model);
    return o.in + ": " +
           (status.ok() ? "a llama2.c checkpoint: GGUF models alone are quantised (export.py "
                          "writes such checkpoints in int8)"
                        : status.message());
  }
  std::string_view type;
  if (files.gguf()->GetString("general.type", clamma::Gguf::Presence::kOptional, &type).ok() &&
      type == "imatrix") {
    return o.in + ": an importance matrix, and no model: it goes behind --imatrix";
  }
  for (size_t i = 0; i < files.count(); ++i) {
    if (files.gguf(i)->n_tensors() > 0) return "";
  }
  return o.in + ": no weights are in it, perhaps a vocabulary alone";
}

std::string ReadText(const std::string& path, std::string* text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return path + ": cannot be read";
  std::vector<char> piece(1 << 16);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    text->append(piece.data(), static_cast<size_t>(file.gcount()));
    if (text->size() > kMaxTextBytes) return path + ": longer than 64 MB";
  }
  if (file.bad()) return path + ": cannot be read";
  return text->empty() ? path + ": the text is empty" : "";
}

// Writing, and what is told of it meanwhile.
struct Job {
  const clamma::Quantizer* quantizer;
  OutputFile file;
  ProgressLine* progress;

  static clamma::Status Write(void* self, const uint8_t* bytes, size_t n) {
    const std::string wrong = static_cast<Job*>(self)->file.Write(bytes, n);
    if (wrong.empty()) return {};
    return clamma::Status::Error(clamma::StatusCode::kIo, "%s", wrong.c_str());
  }
  static bool Report(void* self, size_t index, uint64_t done) {
    const Job& job = *static_cast<Job*>(self);
    job.progress->Show(Printable(job.quantizer->tensor(index).from.name, 60), done,
                       job.quantizer->source_bytes());
    return true;
  }
};

std::string Write(const Options& o, clamma::Quantizer& quantizer) {
  ProgressLine progress(o.quiet);
  Job job = {&quantizer, {}, &progress};
  if (std::string wrong = job.file.Create(o.out, quantizer.file_bytes()); !wrong.empty()) {
    return wrong;
  }
  const clamma::Status status =
      quantizer.Write({&Job::Write, &job}, {.report = &Job::Report, .context = &job});
  if (!status.ok()) return status.message();
  return job.file.Finish();
}

ProgressLine* evaluation_progress = nullptr;

std::string Score(const Options& o, const std::string& path, const std::string& text,
                  Evaluation* evaluation) {
  ProgressLine progress(o.quiet);
  evaluation_progress = &progress;
  const auto show = [](double share) { evaluation_progress->Show("perplexity", share); };
  return Evaluate(path, o.threads, text, show, evaluation);
}

void PrintEvaluation(const Evaluation& before, const Evaluation& after) {
  double mean = 0;
  double deviation = 0;
  Compare(before, after, &mean, &deviation);
  std::printf("perplexity over %zu tokens: %.4f +- %.4f before, %.4f +- %.4f after\n",
              before.logprobs.size(), before.perplexity(), before.perplexity_error(),
              after.perplexity(), after.perplexity_error());
  std::printf("loss a token: %+.6f +- %.6f nats\n", mean, deviation);
}

int Quantize(const Options& o, clamma::Quantizer& quantizer) {
  std::string text;
  Evaluation before;
  Evaluation after;
  if (!o.eval.empty()) {
    if (std::string wrong = ReadText(o.eval, &text); !wrong.empty()) return Fail(kExitSetup, wrong);
    if (std::string wrong = Score(o, o.in, text, &before); !wrong.empty()) {
      return Fail(kExitSetup, wrong);
    }
  }
  if (std::string wrong = Write(o, quantizer); !wrong.empty()) return Fail(kExitGeneration, wrong);
  PrintNotices(quantizer, !o.imatrix.empty(), true);
  if (!o.quiet) PrintTensors(quantizer, true);
  if (!o.quiet) PrintSummary(quantizer, true);
  if (!o.eval.empty()) {
    if (std::string wrong = Score(o, o.out, text, &after); !wrong.empty()) {
      return Fail(kExitGeneration, wrong);
    }
    PrintEvaluation(before, after);
  }
  return 0;
}

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();
  HandleSignals();

  clamma::Memory memory;
  clamma::ModelFiles files;
  if (const clamma::Status status = files.Open(memory, o.in.c_str(), LIBCLAMMA_MODEL_DIR, false);
      !status.ok()) {
    return Fail(kExitSetup, status.message());
  }
  if (std::string wrong = CheckSource(o, files); !wrong.empty()) return Fail(kExitSetup, wrong);
  if (std::string wrong = CheckTarget(o, files); !o.dry_run && !wrong.empty()) {
    return Fail(kExitSetup, wrong);
  }
  clamma::Imatrix imatrix;
  clamma::Quantizer::Options options = {.recipe = clamma::FindRecipe(o.type),
                                        .pure = o.pure,
                                        .imatrix = nullptr,
                                        .threads = o.threads};
  if (!o.imatrix.empty()) {
    const clamma::Status status = imatrix.Open(memory, o.imatrix.c_str());
    if (!status.ok()) return Fail(kExitSetup, status.message());
    options.imatrix = &imatrix;
  }
  const auto quantizer = std::make_unique<clamma::Quantizer>();
  if (const clamma::Status status = quantizer->Plan(memory, files, options); !status.ok()) {
    return Fail(kExitSetup, o.in + ": " + status.message());
  }
  int code = 0;
  if (o.dry_run) {
    PrintNotices(*quantizer, !o.imatrix.empty(), false);
    PrintTensors(*quantizer, false);
    PrintSummary(*quantizer, false);
  } else {
    code = Quantize(o, *quantizer);
  }
  if (code == 0 && std::fflush(stdout) != 0) return Fail(kExitGeneration, "cannot write to stdout");
  return code;
}

}  // namespace
}  // namespace quantize_app

int main(int argc, char** argv) {
  try {
    return quantize_app::Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-quantize: %s\n", e.what());
    return options::kExitSetup;
  }
}
