// SPDX-License-Identifier: MIT
// clamma-verify: checks that a receipt of clamma-gen states what its model computes on this
// machine.
//
// Exit codes: 0 equal; 1 the receipt or the model could not be read; 2 the command line is wrong; 3
// something differs; 130 interrupted.
#include <clamma-extra.h>
#include <clamma.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include "chat_setup.h"
#include "command_line.h"
#include "receipt.h"
#include "receipt_facts.h"
#include "standard_streams.h"
#include "text_file.h"
#include "text_generation.h"
#include "verification.h"

namespace {

using options::kExitInterrupted;
using options::kExitSetup;

constexpr int kExitDiffers = 3;

struct Options {
  std::string path;  // of the receipt
  options::Model model;
  options::Prompt prompt;
  bool quiet = false;
};

void Declare(options::CommandLine& line, Options& o) {
  line.Add("receipt", o.path, "Receipt that clamma-gen --receipt wrote").Required();
  line.FindModel(o.model.checkpoint, o.model.tokenizer);
  line.Add("checkpoint", o.model.checkpoint,
           "Model: a file, or a name of clamma-get's (default: the file that the receipt names)");
  line.Add("-z,--tokenizer", o.model.tokenizer,
           "Vocabulary (default: the file that the receipt names)");
  line.Add("-h,--threads", o.model.threads, "Compute threads, 0 = all usable cores")
      .WholeNumber()
      .ShowDefault();
  line.Add("-m,--mode", o.model.mode, "Weights: 0 = mmap, 1 = malloc cache").In(0, 1).ShowDefault();
  line.Add("--cache-limit", o.model.cache_limit, "With -m 1: most bytes of weights held, 0 = all")
      .Size()
      .ShowDefault();
  options::AddTemplate(line, o.model);
  line.Add(o.prompt);
  line.Find("--prompt").Describe("The prompt, for a receipt that has only its hash");
  line.Find("--system").Describe("The system prompt, likewise");
  line.Add("-q,--quiet", o.quiet, "Print only what differs");
}

void OnLog(void*, const char* message) { std::fprintf(stderr, "clamma-verify: %s\n", message); }

int Fail(const std::string& why) {
  OnLog(nullptr, why.c_str());
  return kExitSetup;
}

// Returns "" or the reason of a failure.
std::string ReadReceipt(const std::string& path, receipt::Receipt* receipt) {
  std::string text;
  std::string wrong = ReadTextFile(path, receipt::kMaxBytes, &text);
  if (!wrong.empty()) return wrong;
  wrong = receipt::Read(text, receipt);
  return wrong.empty() ? "" : path + ": " + wrong;
}

// The file of this name beside the receipt, if there is one; else the library looks for the name.
std::string BesideReceipt(const Options& o, const std::string& name) {
  const std::filesystem::path beside = std::filesystem::path(o.path).parent_path() / name;
  std::error_code none_there;
  return std::filesystem::exists(beside, none_there) ? beside.string() : name;
}

// Sets the options of the model that the receipt states.
void TakeFromReceipt(const receipt::Receipt& receipt, Options* o) {
  if (o->model.checkpoint.empty()) {
    o->model.checkpoint = BesideReceipt(*o, receipt.model.front().name);
  }
  if (o->model.tokenizer.empty() && receipt.vocabulary) {
    o->model.tokenizer = BesideReceipt(*o, receipt.vocabulary->name);
  }
  o->model.kv = receipt.kv;
  o->model.context = receipt.context;
  o->model.pre_tokenizer = receipt.pre_tokenizer;
}

// Prints the last line.
int Finish(const receipt::Receipt& receipt, const Report& report) {
  if (report.equal()) {
    std::printf("equal: %zu tokens, %s, by clamma %s\n", receipt.ids.size(), receipt.date.c_str(),
                receipt.library.c_str());
  } else {
    std::printf("not equal\n");
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return Fail("cannot write to stdout");
  return report.equal() ? 0 : kExitDiffers;
}

int Verify(Options* o) {
  receipt::Receipt receipt;
  if (const std::string wrong = ReadReceipt(o->path, &receipt); !wrong.empty()) return Fail(wrong);
  TakeFromReceipt(receipt, o);
  Report report(o->quiet);
  if (receipt.checksum_holds) {
    report.Equal("receipt", "its checksum");
  } else {
    report.Differs("receipt", "its checksum is wrong: it was changed after it was written");
  }
  const receipt::Query given = receipt::QueryOf(o->prompt, receipt.query.chat);
  Verification verification(receipt, o->model, given, report);
  bool same_files = false;
  if (const std::string wrong = verification.CompareFiles(&same_files); !wrong.empty()) {
    return Fail(wrong);
  }
  if (!same_files) return Finish(receipt, report);
  std::string desc;
  const options::ModelPtr model = options::Open(o->model, OnLog, &desc);
  if (model == nullptr) return kExitSetup;  // OnLog() has printed the reason
  if (!verification.CompareWith(model.get())) {
    return interrupted != 0 ? kExitInterrupted : kExitSetup;
  }
  return Finish(receipt, report);
}

int Run(int argc, char** argv) {
  Options o;
  options::CommandLine line(
      "clamma-verify", "Checks that a receipt states what its model computes on this machine.",
      "Files are looked for beside the receipt, in the working directory, then in the model\n"
      "directory.\n"
      "Exit codes: 0 equal, 1 set-up failed, 2 wrong command line, 3 something differs,\n"
      "130 interrupted.");
  Declare(line, o);
  if (const int code = line.Parse(argc, argv); code >= 0) return code;
  if (const std::string wrong = options::ReadTemplate(&o.model); !wrong.empty()) {
    OnLog(nullptr, wrong.c_str());
    return options::kExitUsage;
  }
  KeepStandardStreams();
  HandleSignals();
  return Verify(&o);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-verify: %s\n", e.what());
    return kExitSetup;
  }
}
