// SPDX-License-Identifier: MIT
// The receipt of a generated text.
#ifndef CLAMMA_GEN_RECEIPT_OUTPUT_H_
#define CLAMMA_GEN_RECEIPT_OUTPUT_H_

#include <clamma.h>

#include <cstdint>
#include <string>

#include "command_line.h"
#include "receipt.h"

struct ReceiptOptions {
  std::string path;  // "": there is no receipt
  std::string date;  // "": now
  bool only_hash = false;
};

void Declare(options::CommandLine& line, ReceiptOptions& o);

// Collects what a receipt states. Functions that return text return "" or the reason of a failure.
class ReceiptOutput {
 public:
  explicit ReceiptOutput(const ReceiptOptions& o) : options_(o) {}

  bool wanted() const { return !options_.path.empty(); }

  // Before the query: collects what is known, so that an impossible receipt is refused at once.
  std::string Prepare(const options::Model& o, const txf* model, const receipt::Query& query,
                      const options::Sampling& sampling);
  // After the start of the query, before its first step.
  void Begin(const txf_session* session);
  void Add(tok_id_t id, uint64_t hash);
  std::string Write(const std::string& path);

 private:
  const ReceiptOptions& options_;
  receipt::Receipt receipt_;
};

#endif  // CLAMMA_GEN_RECEIPT_OUTPUT_H_
