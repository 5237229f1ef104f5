// SPDX-License-Identifier: MIT
#include "report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "kernels/weight_types.h"
#include "printable.h"

namespace quantize_app {
namespace {

using clamma::FactsOf;
using clamma::GgufTensor;
using clamma::QuantizedTensor;
using clamma::Quantizer;
using clamma::Treatment;

std::string NameOf(const QuantizedTensor& tensor) { return Printable(tensor.from.name, 120); }

std::string ShapeOf(const GgufTensor& tensor) {
  std::string shape;
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    shape += (i == 0 ? "" : " x ") + std::to_string(tensor.dims[i]);
  }
  return shape;
}

double Weights(const GgufTensor& tensor) {
  return static_cast<double>(tensor.bytes) / tensor.type->block_bytes * tensor.type->block_cols;
}

// Reports the features that a llama2.c checkpoint cannot express, and their replacements.
void PrintCheckpointNotices(const Quantizer& quantizer) {
  const auto print = [](const std::string& text) {
    std::fprintf(stderr, "clamma-quantize: %s\n", text.c_str());
  };
  const float factor = quantizer.checkpoint().stream_factor;
  if (factor != 1) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.6g", static_cast<double>(factor));
    print("the norms' epsilon is not the format's 1e-05: embedding, wo and w2 are scaled by " +
          std::string(text) + ", which gives the same logits");
  }
  const clamma::VocabularyLosses& losses = quantizer.vocabulary_losses();
  const std::string warning = "warning: the vocabulary ";
  if (losses.adds_bos) {
    print(warning + "puts no begin token before texts, but that of a checkpoint does");
  }
  if (losses.drops_eos) {
    print(warning + "puts an end token after texts, but that of a checkpoint does not");
  }
  if (losses.adds_prefix) {
    print(warning + "puts no space before texts, but that of a checkpoint does");
  }
  if (losses.lacks_bytes) {
    print(warning + "has no token for each byte: some characters become unknown");
  }
  if (losses.user_defined > 0) {
    print(warning + "has " + std::to_string(losses.user_defined) +
          " user-defined tokens: a checkpoint's vocabulary finds them only if merges lead to them");
  }
  if (losses.control > 0) {
    print(warning + "has " + std::to_string(losses.control) +
          " control tokens other than begin and end: they become plain text, and end no text");
  }
}

}  // namespace

std::string SizeText(uint64_t bytes) {
  char text[32];
  const auto n = static_cast<double>(bytes);
  if (bytes < 1000000) {
    std::snprintf(text, sizeof(text), "%.1f kB", n / 1e3);
  } else {
    std::snprintf(text, sizeof(text), bytes < 10000000 ? "%.2f MB" : "%.1f MB", n / 1e6);
  }
  return text;
}

ProgressLine::ProgressLine(bool quiet) : on_(!quiet && isatty(STDERR_FILENO) != 0) {}

void ProgressLine::Show(const std::string& what, uint64_t done, uint64_t total) {
  const auto now = Clock::now();
  if (!on_ || (shown_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  std::fprintf(stderr, "\r\033[K%3.0f%%  %s", 100 * share, what.c_str());
  if (seconds > 0.5 && rate > 0) {
    std::fprintf(stderr, "  %.1f MB/s  %.0f s left", rate / 1e6,
                 static_cast<double>(total - std::min(done, total)) / rate);
  }
  shown_ = true;
}

void ProgressLine::Show(const std::string& what, double share) {
  if (!on_) return;
  std::fprintf(stderr, "\r\033[K%3.0f%%  %s", 100 * share, what.c_str());
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void PrintTensors(const Quantizer& quantizer, bool written) {
  size_t width = 6;
  for (size_t i = 0; i < quantizer.count(); ++i) {
    width = std::max(width, NameOf(quantizer.tensor(i)).size());
  }
  for (size_t i = 0; i < quantizer.count(); ++i) {
    const QuantizedTensor& tensor = quantizer.tensor(i);
    std::printf("%-*s  %-20s  %-7s", static_cast<int>(width), NameOf(tensor).c_str(),
                ShapeOf(tensor.from).c_str(), tensor.from.type->name);
    if (tensor.plan.treatment == Treatment::kCopy) {
      std::printf("  copied\n");
      continue;
    }
    std::printf("  %-7s", tensor.to.type->name);
    if (written) std::printf("  error %.6f", tensor.error);
    if (written && tensor.weighted) std::printf("  weighted %.6f", tensor.weighted_error);
    std::printf("\n");
  }
}

void PrintSummary(const Quantizer& quantizer, bool written) {
  double weights = 0;
  double bytes = 0;
  double squares = 0;
  double encoded = 0;
  double worst = 0;
  std::string worst_name;
  for (size_t i = 0; i < quantizer.count(); ++i) {
    const QuantizedTensor& tensor = quantizer.tensor(i);
    weights += Weights(tensor.to);
    bytes += static_cast<double>(tensor.to.bytes);
    if (tensor.plan.treatment != Treatment::kEncode) continue;
    encoded += Weights(tensor.to);
    squares += Weights(tensor.to) * tensor.error * tensor.error;
    if (tensor.error < worst) continue;
    worst = tensor.error;
    worst_name = NameOf(tensor);
  }
  std::printf("%zu tensors, %.0f weights: %s to %s, %.2f bits per weight\n", quantizer.count(),
              weights, SizeText(quantizer.source_bytes()).c_str(),
              SizeText(quantizer.file_bytes()).c_str(), weights > 0 ? 8 * bytes / weights : 0);
  if (!written || encoded == 0) return;
  std::printf("error relative to the weights: %.6f on average, at most %.6f (%s)\n",
              std::sqrt(squares / encoded), worst, worst_name.c_str());
}

void PrintNotices(const Quantizer& quantizer, bool has_imatrix, bool written) {
  if (quantizer.source_is_quantised()) {
    std::fprintf(
        stderr,
        "clamma-quantize: warning: the source is already quantised, and its errors remain: "
        "a source in F32, F16 or BF16 gives better results\n");
  }
  if (quantizer.makes_checkpoint()) PrintCheckpointNotices(quantizer);
  std::map<std::pair<std::string, std::string>, size_t> others;
  size_t without = 0;
  for (size_t i = 0; i < quantizer.count(); ++i) {
    const QuantizedTensor& tensor = quantizer.tensor(i);
    if (tensor.plan.treatment != Treatment::kEncode) continue;
    if (tensor.plan.wanted != tensor.plan.type) {
      ++others[{FactsOf(tensor.plan.wanted).name, FactsOf(tensor.plan.type).name}];
    }
    without += has_imatrix && written && !tensor.weighted ? 1 : 0;
  }
  for (const auto& [types, count] : others) {
    std::fprintf(stderr,
                 "clamma-quantize: %zu %s %s in place of %s, whose blocks do not divide their "
                 "columns\n",
                 count, count == 1 ? "tensor is" : "tensors are", types.second.c_str(),
                 types.first.c_str());
  }
  if (without > 0) {
    std::fprintf(stderr, "clamma-quantize: the importance matrix does not contain %zu tensors\n",
                 without);
  }
}

}  // namespace quantize_app
