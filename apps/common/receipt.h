// SPDX-License-Identifier: MIT
// A receipt: the text that a model generated, with everything that anybody who has the model needs
// to compute it again. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_RECEIPT_H_
#define CLAMMA_APPS_COMMON_RECEIPT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace receipt {

constexpr size_t kMaxBytes = size_t{32} << 20;       // of a receipt
constexpr size_t kMaxValues = size_t{1} << 20;       // of its JSON
constexpr size_t kMaxTokens = kMaxValues / 2 - 100;  // generated ones, and half of the prompt's

struct File {
  std::string name;    // without a folder
  std::string sha256;  // 64 hexadecimal digits
};

struct Template {
  std::string format;  // clamma_txf_facts_t.chat_format
  std::string sha256;  // of its text
};

// What the user asked: the texts, or only their hash.
struct Query {
  bool chat = false;                       // a user's turn, not the beginning of a text
  std::optional<std::string> sha256 = {};  // if set, there are no texts
  std::optional<std::string> system = {};  // nothing: none was given
  std::optional<std::string> prompt = {};  // likewise

  std::string Hash() const;  // of the texts
};

struct Sampling {
  float temperature = 0, top_p = 0, min_p = 0;
  float repetition_penalty = 0, frequency_penalty = 0, presence_penalty = 0;
  uint32_t top_k = 0;
};

struct Receipt {
  std::string library;     // its version
  uint32_t sum_order = 0;  // clamma_sum_order_version()
  std::string date;        // "2026-12-01T06:00:00Z"
  std::vector<File> model;
  std::optional<File> vocabulary;  // nothing: the one inside the model
  std::string pre_tokenizer;       // "": the one that the model names
  std::string kv;                  // f32, f16, q8
  uint32_t context = 0;
  std::optional<Template> chat_template;  // of a chat
  Query query;
  Sampling sampling;
  uint64_t seed = 0;
  std::vector<int32_t> prompt_ids;  // empty if the query is only a hash
  std::vector<int32_t> ids;         // of the generated tokens
  std::vector<uint64_t> hashes;     // (ids): see clamma_logit_hash_cb_t
  bool checksum_holds = true;       // set by Read(): nothing was changed since Write()
};

// Returns "" or why the receipt cannot be written: a text that is not UTF-8, too many tokens.
std::string Write(const Receipt& receipt, std::string* text);

// Reads untrusted text. Returns "" or the reason of its refusal. What is accepted has, apart from
// the checksum, exactly the bytes that Write() gives.
std::string Read(std::string_view text, Receipt* receipt);

// The present time as in Receipt::date.
std::string Now();
// Returns "", or what is wrong with a date.
std::string CheckDate(const std::string& date);

std::string Hex(uint64_t number);  // 16 digits

}  // namespace receipt

#endif  // CLAMMA_APPS_COMMON_RECEIPT_H_
