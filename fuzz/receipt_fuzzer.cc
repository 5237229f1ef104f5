// SPDX-License-Identifier: MIT
// Reads any bytes as a receipt. What is accepted must be written the same again, but for its
// checksum; what is refused has a reason that is safe to print.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "receipt.h"

namespace {

// An assert that is on in every build.
void Demand(bool holds) {
  if (!holds) std::abort();
}

void CheckAccepted(const receipt::Receipt& r, std::string_view text) {
  Demand(r.ids.size() == r.hashes.size() && !r.model.empty() && r.seed != 0 && r.context != 0);
  Demand(r.query.sha256.has_value() == r.prompt_ids.empty());
  for (const receipt::File& file : r.model) Demand(file.name.find('/') == std::string::npos);
  for (const int32_t id : r.ids) Demand(id >= 0);
  std::string again;
  const std::string wrong = receipt::Write(r, &again);
  Demand(wrong.empty() || r.ids.size() + r.prompt_ids.size() / 2 > receipt::kMaxTokens);
  if (r.checksum_holds && wrong.empty()) Demand(again == text);
  Demand(r.query.Hash().size() == 64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), n);
  receipt::Receipt r;
  const std::string wrong = receipt::Read(text, &r);
  if (wrong.empty()) {
    CheckAccepted(r, text);
    return 0;
  }
  for (const char c : wrong) Demand(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  return 0;
}
