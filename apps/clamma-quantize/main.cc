// SPDX-License-Identifier: MIT
// clamma-quantize: writes a model with weights of another type.
//
// Exit codes: 0 done; 1 the source cannot be read, or the target is refused; 2 the command line is
// wrong; 3 writing or evaluating failed; 130 interrupted.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "engine/vocabulary_search.h"
#include "evaluation.h"
#include "models.h"
#include "options.h"
#include "output_file.h"
#include "printable.h"
#include "quantize/imatrix.h"
#include "quantize/quantizer.h"
#include "report.h"
#include "standard_streams.h"
#include "targets.h"
#include "text_file.h"

namespace quantize_app {
namespace {

using options::kExitGeneration;
using options::kExitSetup;

constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;

int Fail(int code, const std::string& reason) {
  std::fprintf(stderr, "clamma-quantize: %s\n", reason.c_str());
  return code;
}

// The reason not to quantise the source; "": none.
std::string CheckSource(const Arguments& o, const clamma::ModelFiles& files) {
  if (files.gguf() == nullptr) {
    clamma::ModelFile model;
    const clamma::Status status = files.ReadModel(&model);
    return status.ok() ? "" : o.in + ": " + status.message();
  }
  std::string_view type;
  if (files.gguf()->GetString("general.type", clamma::Gguf::Presence::kOptional, &type).ok() &&
      type == "imatrix") {
    return o.in + ": an importance matrix, not a model: use it with --imatrix";
  }
  if (!o.tokenizer.empty()) {
    return o.in + ": its vocabulary is inside: -z is for llama2.c checkpoints";
  }
  for (size_t i = 0; i < files.count(); ++i) {
    if (files.gguf(i)->n_tensors() > 0) return "";
  }
  return o.in + ": it contains no weights, perhaps only a vocabulary";
}

std::string ReadText(const std::string& path, std::string* text) {
  if (std::string wrong = ReadTextFile(path, kMaxTextBytes, text); !wrong.empty()) return wrong;
  if (text->size() > kMaxTextBytes) return path + ": longer than 64 MB";
  return text->empty() ? path + ": the text is empty" : "";
}

// The state of writing, for the progress line.
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

std::string WriteVocabulary(const std::string& path, const clamma::Array<uint8_t>& bytes) {
  OutputFile file;
  std::string wrong = file.Create(path, bytes.size());
  if (wrong.empty()) wrong = file.Write(bytes.data(), bytes.size());
  return wrong.empty() ? file.Finish() : wrong;
}

std::string Write(const Arguments& o, clamma::Quantizer& quantizer) {
  ProgressLine progress(o.quiet);
  Job job = {&quantizer, {}, &progress};
  if (std::string wrong = job.file.Create(o.out, quantizer.file_bytes()); !wrong.empty()) {
    return wrong;
  }
  const clamma::Status status =
      quantizer.Write({&Job::Write, &job}, {.report = &Job::Report, .context = &job});
  if (!status.ok()) return status.message();
  if (std::string wrong = job.file.Finish(); !wrong.empty()) return wrong;
  if (quantizer.vocabulary().size() == 0) return "";
  return WriteVocabulary(VocabularyBeside(o.out), quantizer.vocabulary());
}

ProgressLine* evaluation_progress = nullptr;

std::string Score(const Arguments& o, const std::string& path, const std::string& tokenizer,
                  const std::string& text, Evaluation* evaluation) {
  ProgressLine progress(o.quiet);
  evaluation_progress = &progress;
  const auto show = [](double share) { evaluation_progress->Show("perplexity", share); };
  options::Model model;
  model.checkpoint = path;
  model.tokenizer = tokenizer;
  model.threads = o.threads;
  return Evaluate(model, text, show, evaluation);
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

// The vocabulary file of the output; "": the vocabulary is inside, or the source's is used.
std::string NewTokenizer(const Arguments& o, const clamma::Quantizer& quantizer) {
  if (!quantizer.makes_checkpoint()) return "";
  return quantizer.vocabulary().size() == 0 ? o.tokenizer : VocabularyBeside(o.out);
}

int Quantize(const Arguments& o, clamma::Quantizer& quantizer) {
  std::string text;
  Evaluation before;
  Evaluation after;
  if (!o.eval.empty()) {
    if (std::string wrong = ReadText(o.eval, &text); !wrong.empty()) return Fail(kExitSetup, wrong);
    if (std::string wrong = Score(o, o.in, o.tokenizer, text, &before); !wrong.empty()) {
      return Fail(kExitSetup, wrong);
    }
  }
  if (std::string wrong = Write(o, quantizer); !wrong.empty()) return Fail(kExitGeneration, wrong);
  PrintNotices(quantizer, !o.imatrix.empty(), true);
  if (!o.quiet) PrintTensors(quantizer, true);
  if (!o.quiet) PrintSummary(quantizer, true);
  if (!o.eval.empty()) {
    if (std::string wrong = Score(o, o.out, NewTokenizer(o, quantizer), text, &after);
        !wrong.empty()) {
      return Fail(kExitGeneration, wrong);
    }
    PrintEvaluation(before, after);
  }
  return 0;
}

// The input files, which stay open during the work.
struct Sources {
  clamma::ModelFiles files;
  clamma::Imatrix imatrix;
  clamma::File vocabulary;
};

// Searches for a checkpoint's vocabulary as the library does, and stores its path in `o`.
std::string FindVocabulary(Arguments& o, Sources* sources) {
  clamma::ModelFile model;
  clamma::Status status = sources->files.ReadModel(&model);
  if (!status.ok()) return o.in + ": " + status.message();
  const clamma::VocabularySearch search = {.checkpoint_path = o.in.c_str(),
                                           .checkpoint_place = sources->files.place(),
                                           .model_dir = LIBCLAMMA_MODEL_DIR,
                                           .vocab_size = model.config.vocab_size};
  char path[clamma::kMaxPathBytes];
  status = clamma::OpenVocabulary(search, &sources->vocabulary, path);
  if (!status.ok()) return status.message() + std::string("; -z names another");
  o.tokenizer = path;
  return "";
}

// Opens the vocabulary of a llama2.c checkpoint. If the output is a checkpoint too, it is opened
// only if it was named.
std::string TakeVocabulary(Arguments& o, Sources* sources, clamma::Quantizer::Options* options) {
  const bool makes_gguf = options->recipe->type != clamma::WeightType::kInt8Groups;
  if (sources->files.gguf() != nullptr || (o.tokenizer.empty() && !makes_gguf)) return "";
  clamma::Status status;
  if (!o.tokenizer.empty()) {
    status = sources->vocabulary.Open(o.tokenizer.c_str(), LIBCLAMMA_MODEL_DIR);
    if (!status.ok()) return status.message();
  } else if (std::string wrong = FindVocabulary(o, sources); !wrong.empty()) {
    return wrong;
  }
  const std::string& path = o.tokenizer;
  options->vocabulary_bytes = sources->vocabulary.size();
  if (options->vocabulary_bytes == 0) return path + ": the file is empty";
  status = sources->vocabulary.Map(&options->vocabulary);
  return status.ok() ? "" : path + ": " + status.message();
}

// Opens all inputs, and plans. Returns "" on success, else the reason.
std::string Prepare(Arguments& o, clamma::Memory& memory, Sources* sources,
                    clamma::Quantizer* quantizer) {
  clamma::Status status = sources->files.Open(memory, o.in.c_str(), LIBCLAMMA_MODEL_DIR, false);
  if (!status.ok()) return status.message();
  if (std::string wrong = CheckSource(o, sources->files); !wrong.empty()) return wrong;
  clamma::Quantizer::Options options;
  options.recipe = clamma::FindRecipe(o.type);
  options.pure = o.pure;
  options.threads = o.threads;
  if (std::string wrong = TakeVocabulary(o, sources, &options); !wrong.empty()) return wrong;
  const auto check_target = [&](const std::string& target) {
    return o.dry_run ? "" : CheckTarget(o, sources->files, target);
  };
  if (std::string wrong = check_target(o.out); !wrong.empty()) return wrong;
  if (!o.imatrix.empty()) {
    if (options.recipe->type == clamma::WeightType::kInt8Groups) {
      return "q80 does not use an importance matrix: leave out --imatrix";
    }
    status = sources->imatrix.Open(memory, o.imatrix.c_str());
    if (!status.ok()) return status.message();
    options.imatrix = &sources->imatrix;
  }
  status = quantizer->Plan(memory, sources->files, options);
  if (!status.ok()) return o.in + ": " + status.message();
  return quantizer->vocabulary().size() == 0 ? "" : check_target(VocabularyBeside(o.out));
}

int Run(int argc, char** argv) {
  Arguments o;
  if (const int code = Parse(argc, argv, o); code >= 0) return code;
  KeepStandardStreams();
  HandleSignals();

  clamma::Memory memory;
  Sources sources;
  const auto quantizer = std::make_unique<clamma::Quantizer>();
  if (std::string wrong = Prepare(o, memory, &sources, quantizer.get()); !wrong.empty()) {
    return Fail(kExitSetup, wrong);
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
