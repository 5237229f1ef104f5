// SPDX-License-Identifier: MIT
// The measurements, and their output.
#ifndef CLAMMA_BENCH_REPORT_H_
#define CLAMMA_BENCH_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shape.h"

namespace bench {

// A figure that is measured several times.
struct Figure {
  std::string key;           // in JSON
  std::string fraction_key;  // "": it has no limit
  std::string label;
  std::string unit;
  std::string limit;              // the name of its limit
  std::vector<double> values;     // one per repeat
  std::vector<double> fractions;  // of the limit at the time of the measurement
};

// The median of a list, which must not be empty; for an even count, the mean of the middle two.
double Median(std::vector<double> values);

struct Report {
  std::string cpu;
  std::string model;  // name of the shape or the checkpoint
  std::string type;
  std::string format;
  std::string kernels;
  std::string kv;
  unsigned threads = 0;
  Shape shape;
  std::string int8_instruction;
  std::string float_instruction;
  size_t prompt_tokens = 0;
  size_t repeats = 0;  // number of measured repeats
  std::vector<Figure> figures;
  uint64_t file_bytes = 0;
  uint64_t peak_rss_one_session = 0;  // after loading, prompt and one session
  uint64_t peak_rss = 0;              // after all measurements
};

// Prints lines about the machine and the model, which are known before anything is measured.
void PrintHeader(const Report& report);
void PrintTable(const Report& report);
void PrintJson(const Report& report);

}  // namespace bench

#endif  // CLAMMA_BENCH_REPORT_H_
