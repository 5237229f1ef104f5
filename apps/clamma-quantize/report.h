// SPDX-License-Identifier: MIT
// What clamma-quantize prints: a line that shows how far it is, and a table of what became of each
// tensor.
#ifndef CLAMMA_QUANTIZE_REPORT_H_
#define CLAMMA_QUANTIZE_REPORT_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "quantize/quantizer.h"

namespace quantize_app {

// One line on a terminal; nothing where stderr is none.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const std::string& what, uint64_t done, uint64_t total);  // bytes
  void Show(const std::string& what, double share);
  void Clear();  // before anything else goes to the terminal

 private:
  using Clock = std::chrono::steady_clock;

  const bool on_;
  bool shown_ = false;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point last_;
};

std::string SizeText(uint64_t bytes);  // "1.23 MB"

// A line a tensor on stdout; with its error where it is `written`.
void PrintTensors(const clamma::Quantizer& quantizer, bool written);

// Sizes before and after, bits a weight, and the error of all converted tensors.
void PrintSummary(const clamma::Quantizer& quantizer, bool written);

// Warnings and notices on stderr: tensors that got another type than was wanted, and those of which
// the importance matrix has nothing.
void PrintNotices(const clamma::Quantizer& quantizer, bool has_imatrix, bool written);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_REPORT_H_
