// SPDX-License-Identifier: MIT
#include "benchmark.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "compute_peak.h"
#include "first_token.h"
#include "machine.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kGenerationSeconds = 3;  // per measurement
constexpr unsigned kBatches[] = {4, 8, 16};
constexpr unsigned kTokensBehindPrompt = 8;  // room that the long prompt leaves in the context

// Indices of Report::figures.
enum : size_t { kRead, kInt8, kFloat, kLoad, kFirst, kProcess, kPrompt, kDecode, kFirstBatch };

const char* LimitName(Limit limit) {
  switch (limit) {
    case Limit::kRead:
      return "memory read";
    case Limit::kInt8:
      return "int8 peak";
    case Limit::kFloat:
      return "float peak";
  }
  return "";
}

std::vector<Figure> Figures(const Report& report) {
  const std::string peak = LimitName(report.shape.int8() ? Limit::kInt8 : Limit::kFloat);
  const std::string prompt = "prompt, " + std::to_string(report.prompt_tokens) + " tokens";
  const std::string int8 = "int8 peak (" + report.int8_instruction + ")";
  const std::string f32 = "float peak (" + report.float_instruction + ")";
  std::vector<Figure> figures = {
      {"read_gbs", "", "memory read", "GB/s", "", {}, {}},
      {"int8_gops", "", int8, "Gop/s", "", {}, {}},
      {"f32_gflops", "", f32, "Gop/s", "", {}, {}},
      {"load_s", "", "load", "s", "", {}, {}},
      {"ttft_s", "", "load and first text", "s", "", {}, {}},
      {"process_ttft_s", "", "first token of a process", "s", "", {}, {}},
      {"prefill_tok_s", "prefill_fraction", prompt, "tok/s", peak, {}, {}},
      {"decode_tok_s",
       "decode_fraction",
       "generation, 1 session",
       "tok/s",
       LimitName(Limit::kRead),
       {},
       {}},
  };
  for (const unsigned sessions : kBatches) {
    const std::string name = "batch" + std::to_string(sessions);
    figures.push_back({name + "_tok_s",
                       name + "_fraction",
                       "generation, " + std::to_string(sessions) + " sessions",
                       "tok/s",
                       "",
                       {},
                       {}});
  }
  return figures;
}

class Benchmark {
 public:
  Benchmark(const char* program, const Options& options, const Source& source, Probe& probe,
            Progress& progress, Report* report)
      : program_(program),
        options_(options),
        source_(source),
        probe_(probe),
        progress_(progress),
        report_(*report) {}

  int Run();

 private:
  bool Prepare();
  bool Repeat();
  bool MeasureLoading();
  bool MeasureProcess();
  bool MeasurePrompt();
  bool MeasureDecode();
  bool MeasureBatch(size_t index);

  Figure& figure(size_t index) { return report_.figures[index]; }
  void Show(const std::string& what);
  bool Fail(const std::string& what);
  double Look(Limit limit);
  Limit arithmetic() const { return report_.shape.int8() ? Limit::kInt8 : Limit::kFloat; }

  const char* const program_;
  const Options& options_;
  const Source& source_;
  Probe& probe_;
  Progress& progress_;
  Report& report_;
  std::unique_ptr<Workload> workload_;
  std::string short_prompt_;
  std::string process_prompt_;
  std::string long_prompt_;
  size_t wanted_repeats_ = 0;
  size_t steps_done_ = 0;
  double looked_[3] = {};  // the last measurement of each limit
};

void Benchmark::Show(const std::string& what) {
  constexpr size_t kStepsOfRepeat = 4 + std::size(kBatches);
  const auto steps = static_cast<double>(wanted_repeats_ * kStepsOfRepeat);
  progress_.Show(static_cast<double>(steps_done_++) / steps,
                 "round " + std::to_string(report_.repeats + 1) + " of " +
                     std::to_string(wanted_repeats_) + ": " + what);
}

bool Benchmark::Fail(const std::string& what) {
  progress_.Clear();
  std::fprintf(stderr, "clamma-bench: cannot measure: %s\n", what.c_str());
  return false;
}

// Measures a limit, in operations or bytes per second, and stores it; returns 0 on failure.
double Benchmark::Look(Limit limit) {
  const double rate = probe_.Measure(limit, report_.threads);
  const size_t index = limit == Limit::kRead ? kRead : limit == Limit::kInt8 ? kInt8 : kFloat;
  if (rate > 0) figure(index).values.push_back(rate / 1e9);
  looked_[index] = rate;
  return rate;
}

// Loads the model, and sets the facts about it and the values that depend on them.
bool Benchmark::Prepare() {
  double seconds = 0;
  const std::unique_ptr<Workload> workload = Workload::Load(source_, &seconds);
  if (workload == nullptr) return false;
  report_.shape = workload->shape();
  report_.type = workload->weight_type();
  report_.format = workload->facts().format;
  report_.kernels = workload->facts().kernels;
  report_.threads = workload->facts().threads;
  report_.cpu = CpuName();
  report_.kv = source_.kv;
  report_.int8_instruction = Int8PeakKernel().instruction;
  report_.float_instruction = FloatPeakKernel().instruction;

  const unsigned context = report_.shape.context;
  const unsigned most = context > 2 * kTokensBehindPrompt ? context - kTokensBehindPrompt : 2;
  if (options_.prompt > most) {
    std::fprintf(stderr, "clamma-bench: a prompt of %u tokens does not fit a context of %u\n",
                 options_.prompt, context);
    return false;
  }
  const unsigned wanted = options_.prompt != 0 ? options_.prompt : std::min(kDefaultPrompt, most);
  short_prompt_ = workload->MakePrompt(kShortPrompt, 1);
  process_prompt_ = workload->MakePrompt(std::min(kProcessPrompt, most), 3);
  long_prompt_ = workload->MakePrompt(wanted, 2);
  report_.prompt_tokens = wanted;
  report_.figures = Figures(report_);
  return true;
}

bool Benchmark::MeasureLoading() {
  Show("loading");
  workload_.reset();
  double load = 0;
  const Clock::time_point start = Clock::now();
  workload_ = Workload::Load(source_, &load);
  if (workload_ == nullptr) return Fail("the model cannot be loaded again");
  if (workload_->FirstText(short_prompt_) <= 0) return Fail("no text was generated");
  const double first = std::chrono::duration<double>(Clock::now() - start).count();
  figure(kLoad).values.push_back(load);
  figure(kFirst).values.push_back(first);
  return true;
}

bool Benchmark::MeasureProcess() {
  Show("the first token of a process");
  const double seconds = FirstTokenOfProcess(program_, source_, process_prompt_);
  if (seconds <= 0) return Fail("the first token of a process");
  figure(kProcess).values.push_back(seconds);
  return true;
}

bool Benchmark::MeasurePrompt() {
  Show("prompt");
  const double before = Look(arithmetic());
  const double rate = workload_->PromptRate(long_prompt_, &report_.prompt_tokens);
  const double limit = std::max(before, Look(arithmetic()));
  if (rate <= 0 || limit <= 0) return Fail("prompt");
  // Only the last position needs the classifier.
  const double ops = 2 * static_cast<double>(report_.shape.layer_weights());
  figure(kPrompt).values.push_back(rate);
  figure(kPrompt).fractions.push_back(rate * ops / limit);
  return true;
}

bool Benchmark::MeasureDecode() {
  Show("generation, 1 session");
  const double before = Look(Limit::kRead);
  const double rate = workload_->GenerationRate(1, kGenerationSeconds);
  const double limit = std::max(before, Look(Limit::kRead));
  if (rate <= 0 || limit <= 0) return Fail("generation");
  figure(kDecode).values.push_back(rate);
  figure(kDecode).fractions.push_back(rate * static_cast<double>(report_.shape.bytes_per_token()) /
                                      limit);
  return true;
}

bool Benchmark::MeasureBatch(size_t index) {
  const unsigned sessions = kBatches[index];
  Show("generation, " + std::to_string(sessions) + " sessions");
  if (sessions > workload_->facts().max_sessions) return true;  // the limit of this build
  // The limit measured after one measurement is the one before the next.
  const double read_before = looked_[kRead];
  const double peak_before = Look(arithmetic());
  const double rate = workload_->GenerationRate(sessions, kGenerationSeconds);
  const double read = std::max(read_before, Look(Limit::kRead));
  const double peak = std::max(peak_before, Look(arithmetic()));
  if (rate <= 0 || read <= 0 || peak <= 0) return Fail("generation");
  const Shape& shape = report_.shape;
  const double by_read = sessions * read / static_cast<double>(shape.bytes_per_token());
  const double by_peak =
      peak / (2 * static_cast<double>(shape.layer_weights() + shape.classifier_weights()));
  Figure& batch = figure(kFirstBatch + index);
  batch.limit = LimitName(by_read < by_peak ? Limit::kRead : arithmetic());
  batch.values.push_back(rate);
  batch.fractions.push_back(rate / std::min(by_read, by_peak));
  return true;
}

bool Benchmark::Repeat() {
  // Measure also the peak that is not a limit of this model: all are reported.
  Look(report_.shape.int8() ? Limit::kFloat : Limit::kInt8);
  if (!MeasureLoading() || !MeasureProcess() || !MeasurePrompt() || !MeasureDecode()) return false;
  if (report_.repeats == 0) report_.peak_rss_one_session = PeakRssBytes();
  for (size_t i = 0; i < std::size(kBatches); ++i) {
    if (!MeasureBatch(i)) return false;
  }
  return true;
}

int Benchmark::Run() {
  progress_.Show(0, "loading the model");
  if (!Prepare()) return kExitSetup;
  progress_.Clear();
  if (!options_.json) PrintHeader(report_);
  const Clock::time_point start = Clock::now();
  wanted_repeats_ = options_.repeats != 0 ? options_.repeats : kDefaultRepeats;
  while (report_.repeats < wanted_repeats_) {
    if (!Repeat()) return kExitMeasurement;
    ++report_.repeats;
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    const double next = spent + spent / static_cast<double>(report_.repeats);
    if (options_.repeats == 0 && next > kMaxSeconds) break;
  }
  report_.peak_rss = PeakRssBytes();
  workload_.reset();
  progress_.Clear();
  return 0;
}

}  // namespace

int RunBenchmark(const char* program, const Options& options, const Source& source, Probe& probe,
                 Progress& progress, Report* report) {
  return Benchmark(program, options, source, probe, progress, report).Run();
}

}  // namespace bench
