// SPDX-License-Identifier: MIT
// What was measured, and how it is shown.
#ifndef CLAMMA_BENCH_REPORT_H_
#define CLAMMA_BENCH_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shape.h"

namespace bench {

// A figure, measured several times.
struct Figure {
  std::string key;           // in JSON
  std::string fraction_key;  // "": it has no limit
  std::string label;
  std::string unit;
  std::string limit;              // what limits it, as text
  std::vector<double> values;     // one for each time
  std::vector<double> fractions;  // of the limit as it was at that time
};

// Of a list that is not empty; the mean of the middle two where the count is even.
double Median(std::vector<double> values);

struct Report {
  std::string cpu;
  std::string model;  // the shape's name, or the checkpoint's
  std::string type;
  std::string format;
  std::string kernels;
  std::string kv;
  unsigned threads = 0;
  Shape shape;
  std::string int8_instruction;
  std::string float_instruction;
  size_t prompt_tokens = 0;
  size_t repeats = 0;  // as many as were measured
  std::vector<Figure> figures;
  uint64_t file_bytes = 0;
  uint64_t peak_rss_one_session = 0;  // after loading, prompt and one session
  uint64_t peak_rss = 0;              // after all
};

// Lines on the machine and the model, known before anything is measured.
void PrintHeader(const Report& report);
void PrintTable(const Report& report);
void PrintJson(const Report& report);

}  // namespace bench

#endif  // CLAMMA_BENCH_REPORT_H_
