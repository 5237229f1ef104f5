// SPDX-License-Identifier: MIT
// clamma-selftest: checks that the library computes the same bits on this machine as on others. It
// needs no file, and only the library, so that it can be built wherever the library is.
//
// Exit codes: 0 all checks passed; 1 the model could not be opened; 2 the command line is wrong; 3
// a check failed.
#include <clamma-extra.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "compare_kernels.h"
#include "kept_receipts.h"
#include "machine.h"
#include "made_models.h"
#include "receipt.h"

namespace {

using clamma::Kernels;

constexpr int kExitSetup = 1;
constexpr int kExitUsage = 2;
constexpr int kExitFailed = 3;
constexpr size_t kMaxFailuresShown = 5;  // per table

constexpr char kHelp[] =
    "Checks that the library computes the same results on this machine as on others.\n"
    "Usage: clamma-selftest [OPTIONS] [checkpoint]\n"
    "\n"
    "Positionals:\n"
    "  checkpoint TEXT             Model to compute the receipt of as well (GGUF, or llama2.c's\n"
    "                              formats)\n"
    "\n"
    "Options:\n"
    "  --help                      Print this help and exit\n"
    "  --receipt TEXT              The receipt that the model must have\n"
    "  --write-receipts            Print the receipts of the made models in the form of\n"
    "                              kept_receipts.h\n"
    "  -V,-v,--version             Display program version information and exit\n"
    "\n"
    "Exit codes: 0 all checks passed, 1 the model could not be opened, 2 wrong command line,\n"
    "3 a check failed.\n";

struct Options {
  std::string checkpoint;
  std::string receipt;  // the expected receipt of the checkpoint
  bool writes = false;
};

int Misused(const std::string& what) {
  std::fprintf(stderr, "clamma-selftest: %s (see clamma-selftest --help)\n", what.c_str());
  return kExitUsage;
}

// Returns -1 to continue, else the exit code. Written by hand, because the program must not need
// CLI11.
int Parse(int argc, char** argv, Options* o) {
  bool only_names = false;  // after --
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!only_names && argument == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (!only_names && (argument == "--version" || argument == "-V" || argument == "-v")) {
      std::printf("clamma-selftest %s\n", clamma_version());
      return 0;
    }
    if (!only_names && argument == "--receipt") {
      if (i + 1 == argc) return Misused("--receipt: 1 required TEXT missing");
      o->receipt = argv[++i];
    } else if (!only_names && argument == "--write-receipts") {
      o->writes = true;
    } else if (!only_names && argument == "--") {
      only_names = true;
    } else if (!only_names && argument.size() > 1 && argument[0] == '-') {
      return Misused("there is no option " + argument);
    } else if (!o->checkpoint.empty()) {
      return Misused("only one model is expected: " + argument + " is another one");
    } else {
      o->checkpoint = argument;
    }
  }
  if (!o->receipt.empty() && o->checkpoint.empty()) return Misused("--receipt needs a checkpoint");
  return -1;
}

// Counts checks, and prints a line with the name and the result of each.
class Report {
 public:
  void Holds(const std::string& what, const std::string& result) {
    ++checks_;
    std::printf("ok      %s: %s\n", what.c_str(), result.c_str());
    std::fflush(stdout);
  }
  void Fails(const std::string& what, const std::string& result) {
    ++checks_;
    ++failures_;
    std::printf("FAILED  %s: %s\n", what.c_str(), result.c_str());
    std::fflush(stdout);
  }
  // Prints the last line.
  bool End() const {
    std::printf(
        "%zu checks, %zu failed: %s\n", checks_, failures_,
        failures_ == 0 ? "this machine computes what others do" : "please report this output");
    return failures_ == 0;
  }

 private:
  size_t checks_ = 0;
  size_t failures_ = 0;
};

void CheckTables(const std::vector<const Kernels*>& tables, Report* report) {
  for (const Kernels* table : tables) {
    if (table == &clamma::kScalarKernels) continue;
    const selftest::Comparison comparison =
        selftest::CompareKernels(*table, clamma::kScalarKernels);
    const size_t n_failures = comparison.failures.size();
    if (n_failures == 0) {
      report->Holds(table->name, std::to_string(comparison.results) +
                                     " results equal those of the plain kernels");
    }
    for (size_t i = 0; i < std::min(n_failures, kMaxFailuresShown); ++i) {
      report->Fails(table->name, comparison.failures[i]);
    }
    if (n_failures > kMaxFailuresShown) {
      report->Fails(table->name, std::to_string(n_failures - kMaxFailuresShown) + " more differ");
    }
  }
}

std::string KeptReceiptOf(const std::string& name) {
  for (const selftest::KeptReceipt& kept : selftest::kMadeReceipts) {
    if (kept.name == name) return std::string(kept.receipt);
  }
  return "";
}

// Checks that all tables give `expected` or, if that is "", the result of the plain one, the last.
void CheckReceipt(const std::string& name, std::string expected, selftest::Model* model,
                  std::vector<const Kernels*> tables, Report* report) {
  std::reverse(tables.begin(), tables.end());
  std::string agreeing;
  for (const Kernels* table : tables) {
    std::string receipt;
    std::string wrong = model->Compute(*table, &receipt);
    if (expected.empty()) expected = receipt;
    if (wrong.empty() && receipt != expected) {
      wrong = "the receipt is ";
      wrong.append(receipt).append(", not ").append(expected);
    }
    if (!wrong.empty()) {
      std::string what = name;
      report->Fails(what.append(", ").append(table->name), wrong);
      continue;
    }
    agreeing.append(agreeing.empty() ? " by " : ", ").append(table->name);
  }
  if (!agreeing.empty()) report->Holds(name, expected + agreeing);
}

void CheckMadeModels(const std::vector<const Kernels*>& tables, Report* report) {
  for (const selftest::MadeModel& made : selftest::MakeModels()) {
    selftest::Model model;
    const std::string wrong = model.OpenAt(made.bytes);
    const std::string kept = KeptReceiptOf(made.name);
    if (!wrong.empty() || kept.empty()) {
      report->Fails(made.name, wrong.empty() ? "no receipt is kept" : wrong);
      continue;
    }
    CheckReceipt(made.name, kept, &model, tables, report);
  }
}

// Returns -1, or the exit code if the model cannot be opened.
int CheckModel(const Options& o, const std::vector<const Kernels*>& tables, Report* report) {
  selftest::Model model;
  uint64_t fingerprint = 0;
  std::string wrong = model.Open(o.checkpoint, LIBCLAMMA_MODEL_DIR);
  if (wrong.empty()) wrong = model.Fingerprint(&fingerprint);
  if (!wrong.empty()) {
    std::fprintf(stderr, "clamma-selftest: %s\n", wrong.c_str());
    return kExitSetup;
  }
  std::string expected = o.receipt;
  std::string name = o.checkpoint;
  for (const selftest::KnownModel& known : selftest::kKnownModels) {
    if (known.fingerprint != fingerprint) continue;
    name += " (" + std::string(known.name) + ")";
    if (expected.empty()) expected = known.receipt;
  }
  if (expected.empty()) name += ", of which no receipt is kept";
  CheckReceipt(name, expected, &model, tables, report);
  return -1;
}

// Prints receipts in the form of kept_receipts.h; for a model on the command line also its
// fingerprint.
int WriteReceipts(const Options& o) {
  for (const selftest::MadeModel& made : selftest::MakeModels()) {
    selftest::Model model;
    std::string receipt;
    std::string wrong = model.OpenAt(made.bytes);
    if (wrong.empty()) wrong = model.Compute(clamma::kScalarKernels, &receipt);
    if (!wrong.empty()) {
      std::fprintf(stderr, "clamma-selftest: %s: %s\n", made.name.c_str(), wrong.c_str());
      return kExitFailed;
    }
    std::printf("    {\"%s\", \"%s\"},\n", made.name.c_str(), receipt.c_str());
  }
  if (o.checkpoint.empty()) return 0;
  selftest::Model model;
  std::string receipt;
  uint64_t fingerprint = 0;
  std::string wrong = model.Open(o.checkpoint, LIBCLAMMA_MODEL_DIR);
  if (wrong.empty()) wrong = model.Fingerprint(&fingerprint);
  if (wrong.empty()) wrong = model.Compute(clamma::kScalarKernels, &receipt);
  if (!wrong.empty()) {
    std::fprintf(stderr, "clamma-selftest: %s\n", wrong.c_str());
    return kExitSetup;
  }
  std::printf("    {0x%016llx, \"%s\", \"%s\"},\n", static_cast<unsigned long long>(fingerprint),
              o.checkpoint.c_str(), receipt.c_str());
  return 0;
}

int Run(int argc, char** argv) {
  Options o;
  if (const int code = Parse(argc, argv, &o); code >= 0) return code;
  if (o.writes) return WriteReceipts(o);
  const std::vector<const Kernels*> tables = selftest::UsableTables();
  std::printf("clamma-selftest %s: %s\n", clamma_version(), selftest::DescribeSystem().c_str());
  std::printf("CPU: %s\nCPU features: %s\n", selftest::DescribeCpu().c_str(),
              selftest::DescribeFeatures().c_str());
  std::string names;
  for (const Kernels* table : tables) names.append(names.empty() ? "" : ", ").append(table->name);
  std::printf("kernel tables that run here: %s; in use: %s\n", names.c_str(),
              clamma::SelectKernels().name);
  Report report;
  CheckTables(tables, &report);
  CheckMadeModels(tables, &report);
  if (!o.checkpoint.empty()) {
    if (const int code = CheckModel(o, tables, &report); code >= 0) return code;
  }
  const bool all_hold = report.End();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "clamma-selftest: cannot write to stdout\n");
    return kExitFailed;
  }
  return all_hold ? 0 : kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clamma-selftest: %s\n", e.what());
    return kExitSetup;
  }
}
