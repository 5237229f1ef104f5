// SPDX-License-Identifier: MIT
#include "report.h"

#include <clamma-extra.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "json.h"

namespace bench {
namespace {

double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

// Formats a number with about three digits.
std::string Number(double value) {
  char text[32];
  const int decimals = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 1 ? 2 : value >= 0.1 ? 3 : 5;
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

void PrintRow(const Figure& figure) {
  if (figure.values.empty()) {
    std::printf("%-28s %10s\n", figure.label.c_str(), "-");
    return;
  }
  const auto [least, most] = std::minmax_element(figure.values.begin(), figure.values.end());
  std::printf("%-28s %10s %10s %10s  %s", figure.label.c_str(), Number(*least).c_str(),
              Number(Median(figure.values)).c_str(), Number(*most).c_str(), figure.unit.c_str());
  if (!figure.fractions.empty()) {
    std::printf("  %3.0f%% of %s", 100 * Median(figure.fractions), figure.limit.c_str());
  }
  std::printf("\n");
}

// Prints a figure that is measured only once.
void PrintSingle(const char* label, double value, const char* unit) {
  std::printf("%-28s %10s %10s %10s  %s\n", label, "", Number(value).c_str(), "", unit);
}

Json NumberOrNull(const std::vector<double>& values) {
  return values.empty() ? Json() : Json(Median(values));
}

Json Numbers(const std::vector<double>& values) {
  return Json::Array({values.begin(), values.end()});
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void PrintHeader(const Report& report) {
  const Shape& s = report.shape;
  std::printf("clamma-bench %s: %s, %s kernels, %u thread%s, %s kv cache\n", clamma_version(),
              report.cpu.c_str(), report.kernels.c_str(), report.threads,
              report.threads == 1 ? "" : "s", report.kv.c_str());
  std::printf(
      "%s %s: dim %u, hidden %u, %u layers, %u heads, %u kv heads, vocabulary %u, context %u",
      report.model.c_str(), report.type.c_str(), s.dim, s.hidden_dim, s.layers, s.heads, s.kv_heads,
      s.vocab_size, s.context);
  if (s.group_size != 0) std::printf(", groups of %u", s.group_size);
  std::printf("\n\n");
  std::fflush(stdout);
}

void PrintTable(const Report& report) {
  std::printf("%-28s %10s %10s %10s\n", "", "min", "median", "max");
  for (const Figure& figure : report.figures) PrintRow(figure);
  PrintSingle("peak memory, 1 session", Megabytes(report.peak_rss_one_session), "MB");
  PrintSingle("peak memory, all sessions", Megabytes(report.peak_rss), "MB");
  PrintSingle("model file", Megabytes(report.file_bytes), "MB");
  const uint64_t weights = report.shape.layer_weights() + report.shape.classifier_weights();
  std::printf(
      "\nMeasured %zu time%s, the limits just before and after each. Peak memory includes the\n"
      "mapped model. A token takes %s MB of weights and %s G multiply-adds.\n",
      report.repeats, report.repeats == 1 ? "" : "s",
      Number(Megabytes(report.shape.bytes_per_token())).c_str(),
      Number(static_cast<double>(weights) / 1e9).c_str());
}

void PrintJson(const Report& report) {
  Json json = Json::Object();
  Json samples = Json::Object();
  for (const Figure& figure : report.figures) {
    json.Set(figure.key, NumberOrNull(figure.values));
    samples.Set(figure.key, Numbers(figure.values));
    if (figure.fraction_key.empty()) continue;
    json.Set(figure.fraction_key, NumberOrNull(figure.fractions));
    samples.Set(figure.fraction_key, Numbers(figure.fractions));
  }
  json.Set("peak_rss_mb", Megabytes(report.peak_rss));
  json.Set("peak_rss_1_session_mb", Megabytes(report.peak_rss_one_session));
  json.Set("file_mb", Megabytes(report.file_bytes));
  json.Set("version", clamma_version());
  json.Set("model", report.model);
  json.Set("type", report.type);
  json.Set("format", report.format);
  json.Set("threads", report.threads);
  json.Set("kernels", report.kernels);
  json.Set("cpu", report.cpu);
  json.Set("kv", report.kv);
  json.Set("int8_instruction", report.int8_instruction);
  json.Set("f32_instruction", report.float_instruction);
  json.Set("dim", report.shape.dim);
  json.Set("hidden_dim", report.shape.hidden_dim);
  json.Set("layers", report.shape.layers);
  json.Set("heads", report.shape.heads);
  json.Set("kv_heads", report.shape.kv_heads);
  json.Set("vocab_size", report.shape.vocab_size);
  json.Set("context", report.shape.context);
  json.Set("group_size", report.shape.group_size);
  json.Set("layer_weights", report.shape.layer_weights());
  json.Set("classifier_weights", report.shape.classifier_weights());
  json.Set("bytes_per_token", report.shape.bytes_per_token());
  json.Set("prompt_tokens", report.prompt_tokens);
  json.Set("repeats", report.repeats);
  json.Set("samples", std::move(samples));
  // Names and paths may contain any bytes.
  std::printf("%s\n", json.Text(2).c_str());
}

}  // namespace bench
