// SPDX-License-Identifier: MIT
#include "receipt_output.h"

#include <clamma-extra.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "receipt_facts.h"

void Declare(options::CommandLine& line, ReceiptOptions& o) {
  line.Add("--receipt", o.path, "File for a receipt of the text, which clamma-verify checks");
  line.Add("--date", o.date, "Date in the receipt, as 2026-12-01T06:00:00Z (default: now)")
      .Check([](const std::string& date) { return receipt::CheckDate(date); })
      .Needs(line.Find("--receipt"));
  line.Add("--hash-prompt", o.only_hash, "The receipt contains only a hash of the prompt")
      .Needs(line.Find("--receipt"));
}

std::string ReceiptOutput::Prepare(const options::Model& o, const txf* model,
                                   const receipt::Query& query, const options::Sampling& sampling) {
  receipt_.date = options_.date.empty() ? receipt::Now() : options_.date;
  receipt_.sampling = receipt::FromOptions(sampling);
  receipt_.query = query;
  if (options_.only_hash) {
    if (query.chat && receipt::WritesDate(o, model)) {
      return "--hash-prompt: the chat template writes the date, so the prompt alone is not enough "
             "to verify the receipt";
    }
    receipt_.query = {.chat = query.chat, .sha256 = query.Hash()};
  }
  if (std::string wrong = receipt::Describe(o, model, query.chat, &receipt_); !wrong.empty()) {
    return wrong;
  }
  std::string text;
  return receipt::Write(receipt_, &text);
}

void ReceiptOutput::Begin(const txf_session* session) {
  clamma_session_facts_t facts = {};
  clamma_session_facts(session, &facts);
  receipt_.seed = facts.rng_seed;
  if (options_.only_hash) return;
  size_t count = 0;
  clamma_session_get_tokens(session, nullptr, 0, &count);
  receipt_.prompt_ids.resize(count);
  clamma_session_get_tokens(session, receipt_.prompt_ids.data(), count, &count);
}

void ReceiptOutput::Add(tok_id_t id, uint64_t hash) {
  receipt_.ids.push_back(id);
  receipt_.hashes.push_back(hash);
}

std::string ReceiptOutput::Write(const std::string& path) {
  std::string text;
  if (std::string wrong = receipt::Write(receipt_, &text); !wrong.empty()) return wrong;
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return path + ": " + std::strerror(errno);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int error = written ? 0 : errno;
  if (std::fclose(file) == 0 && written) return "";
  return path + ": " + std::strerror(error != 0 ? error : errno);
}
