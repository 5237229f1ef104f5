// SPDX-License-Identifier: MIT
// The output of clamma-quantize: a line with the progress, and a table of the tensors.
#ifndef CLAMMA_QUANTIZE_REPORT_H_
#define CLAMMA_QUANTIZE_REPORT_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "quantize/quantizer.h"

namespace quantize_app {

// A line that is updated in place if stderr is a terminal; otherwise nothing is written.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const std::string& what, uint64_t done, uint64_t total);  // bytes
  void Show(const std::string& what, double share);
  void Clear();  // call it before writing anything else to the terminal

 private:
  using Clock = std::chrono::steady_clock;

  const bool on_;
  bool shown_ = false;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point last_;
};

std::string SizeText(uint64_t bytes);  // "1.23 MB"

// Prints a line for each tensor to stdout; with its error if the file is `written`.
void PrintTensors(const clamma::Quantizer& quantizer, bool written);

// Prints the sizes before and after, the bits per weight, and the error of all converted tensors.
void PrintSummary(const clamma::Quantizer& quantizer, bool written);

// Prints warnings and notices to stderr: tensors with a different type than requested, and tensors
// that the importance matrix does not contain.
void PrintNotices(const clamma::Quantizer& quantizer, bool has_imatrix, bool written);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_REPORT_H_
