// SPDX-License-Identifier: MIT
// Compares a receipt with a model, and with what it computes here.
#ifndef CLAMMA_VERIFY_VERIFICATION_H_
#define CLAMMA_VERIFY_VERIFICATION_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <cstddef>
#include <string>
#include <vector>

#include "options.h"
#include "receipt.h"

// Prints a line for each comparison.
class Report {
 public:
  explicit Report(bool quiet) : quiet_(quiet) {}
  void Equal(const std::string& what, const std::string& how);
  void Differs(const std::string& what, const std::string& how);
  // A field of a receipt, and what it is here. Returns whether they are equal.
  bool Compare(const std::string& what, const std::string& stated, const std::string& here);
  bool equal() const { return equal_; }

 private:
  bool quiet_;
  bool equal_ = true;
};

class Verification {
 public:
  // All must outlive this. `given` is the query as the user states it: a receipt that has only its
  // hash needs it.
  Verification(const receipt::Receipt& stated, const options::Model& o, const receipt::Query& given,
               Report& report)
      : stated_(stated), options_(o), given_(given), report_(report) {}

  // Compares files, before the model is opened; sets *equal. Returns "" or the reason of a failure.
  std::string CompareFiles(bool* equal);

  // Compares everything else with the model. Returns false if it could not be computed, or was
  // interrupted; the reason is in the log.
  bool CompareWith(const txf* model);

 private:
  void CompareFacts(const txf* model);
  bool FindPrompt(const txf* model);
  bool TokensFit(const txf* model);
  void CompareTokens(const txf* model, const std::vector<clamma_logit_hash_t>& hashes);
  std::string PlaceOf(const txf* model, size_t index) const;

  const receipt::Receipt& stated_;
  const options::Model& options_;
  const receipt::Query& given_;
  Report& report_;
  std::vector<tok_id_t> tokens_;  // of the prompt, and then those that were generated
  size_t n_prompt_ = 0;
};

#endif  // CLAMMA_VERIFY_VERIFICATION_H_
