// SPDX-License-Identifier: MIT
#include "verification.h"

#include <cstdio>

#include "models.h"
#include "printable.h"
#include "receipt_facts.h"
#include "text_generation.h"

namespace {

constexpr size_t kMaxShown = 80;  // bytes of a text

std::string TextOf(const txf* model, tok_id_t id) {
  size_t size = 0;
  if (clamma_token_text(model, id, nullptr, 0, &size) != 0) return "";
  std::string text(size, '\0');
  clamma_token_text(model, id, text.data(), text.size(), &size);
  return "id " + std::to_string(id) + ", \"" + Printable(text, kMaxShown) + "\"";
}

}  // namespace

void Report::Equal(const std::string& what, const std::string& how) {
  if (!quiet_) std::printf("equal    %s: %s\n", what.c_str(), how.c_str());
}

void Report::Differs(const std::string& what, const std::string& how) {
  equal_ = false;
  std::printf("DIFFERS  %s: %s\n", what.c_str(), how.c_str());
}

bool Report::Compare(const std::string& what, const std::string& stated, const std::string& here) {
  if (stated == here) {
    Equal(what, Printable(here));
  } else {
    Differs(what, Printable(here) + " here, " + Printable(stated) + " in the receipt");
  }
  return stated == here;
}

std::string Verification::CompareFiles(bool* equal) {
  std::vector<receipt::File> files;
  if (std::string wrong = receipt::HashModel(options_.checkpoint, &files); !wrong.empty()) {
    return wrong;
  }
  *equal = files.size() == stated_.model.size();
  if (!*equal) {
    report_.Differs("model", std::to_string(files.size()) + " files here, " +
                                 std::to_string(stated_.model.size()) + " in the receipt");
    return "";
  }
  // Names are for people: they may differ.
  for (size_t i = 0; i < files.size(); ++i) {
    if (!report_.Compare("model " + files[i].name, stated_.model[i].sha256, files[i].sha256))
      *equal = false;
  }
  if (stated_.vocabulary.has_value() == options_.tokenizer.empty()) {
    *equal = false;
    report_.Differs("vocabulary", stated_.vocabulary
                                      ? "inside the model here, a file in the receipt"
                                      : "a file here, inside the model in the receipt");
  } else if (stated_.vocabulary) {
    receipt::File file;
    const std::string path = models::Found(options_.tokenizer);
    if (std::string wrong = receipt::HashFile(path, &file); !wrong.empty()) return wrong;
    if (!report_.Compare("vocabulary " + file.name, stated_.vocabulary->sha256, file.sha256))
      *equal = false;
  }
  return "";
}

void Verification::CompareFacts(const txf* model) {
  report_.Compare("order of sums", std::to_string(stated_.sum_order),
                  std::to_string(clamma_sum_order_version()));
  if (!stated_.chat_template) return;
  const receipt::Template here = receipt::DescribeTemplate(options_, model);
  report_.Compare("template", stated_.chat_template->format + " " + stated_.chat_template->sha256,
                  here.format + " " + here.sha256);
}

// Finds the tokens of the prompt. Returns false if they are not known.
bool Verification::FindPrompt(const txf* model) {
  const receipt::Query& query = stated_.query;
  tokens_ = stated_.prompt_ids;
  if (query.sha256) {
    if (given_.Hash() != *query.sha256) {
      const bool none = !given_.prompt && !given_.system;
      report_.Differs("prompt", none ? "the receipt has only its SHA-256: -i and -y give the texts"
                                     : "its SHA-256 is not the one in the receipt");
      return false;
    }
    if (!receipt::Encode(model, given_, &tokens_)) return false;
    report_.Equal("prompt", "its SHA-256 " + *query.sha256);
  } else if (query.chat && receipt::WritesDate(options_, model)) {
    report_.Equal("prompt", "not compared, as the chat template writes the date");
  } else {
    std::vector<tok_id_t> encoded;
    if (!receipt::Encode(model, query, &encoded) || encoded != tokens_) {
      report_.Differs("prompt", "its text is not what prompt_ids stand for");
    } else {
      report_.Equal("prompt", std::to_string(tokens_.size()) + " tokens");
    }
  }
  n_prompt_ = tokens_.size();
  tokens_.insert(tokens_.end(), stated_.ids.begin(), stated_.ids.end());
  return true;
}

bool Verification::TokensFit(const txf* model) {
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model, &facts);
  if (tokens_.size() > size_t{facts.context} + 1) {
    report_.Differs("tokens", std::to_string(tokens_.size()) + ", more than the context of " +
                                  std::to_string(facts.context));
    return false;
  }
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (static_cast<unsigned>(tokens_[i]) < facts.vocab_size) continue;
    const bool in_prompt = i < n_prompt_;
    report_.Differs(in_prompt ? "prompt" : "tokens",
                    "the id " + std::to_string(tokens_[i]) + " at " +
                        std::to_string(in_prompt ? i : i - n_prompt_) + " is not a token");
    return false;
  }
  return true;
}

std::string Verification::PlaceOf(const txf* model, size_t index) const {
  return "token " + std::to_string(index) + " (position " + std::to_string(n_prompt_ + index) +
         ", " + TextOf(model, stated_.ids[index]) + ")";
}

void Verification::CompareTokens(const txf* model, const std::vector<clamma_logit_hash_t>& hashes) {
  size_t parts = 0;
  while (parts < hashes.size() && hashes[parts].hash == stated_.hashes[parts]) ++parts;
  if (parts == hashes.size()) {
    report_.Equal("logits", std::to_string(parts) + " tokens");
  } else {
    report_.Differs("logits", "they differ from " + PlaceOf(model, parts) +
                                  " on: " + receipt::Hex(hashes[parts].hash) + " here, " +
                                  receipt::Hex(stated_.hashes[parts]) + " in the receipt");
  }
  size_t other = 0;
  while (other < hashes.size() && hashes[other].sampled == stated_.ids[other]) ++other;
  if (other == hashes.size()) {
    report_.Equal("sampling", std::to_string(other) + " tokens");
  } else {
    report_.Differs("sampling", PlaceOf(model, other) + " is not what is sampled: that is " +
                                    TextOf(model, hashes[other].sampled));
  }
}

bool Verification::CompareWith(const txf* model) {
  CompareFacts(model);
  if (!FindPrompt(model) || !TokensFit(model)) return true;
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  options::Apply(receipt::ToOptions(stated_.sampling), info);
  info.rng_seed = stated_.seed;
  std::vector<clamma_logit_hash_t> hashes(stated_.ids.size());
  const auto progress = [](void*, size_t, size_t) { return interrupted != 0 ? 1 : 0; };
  if (clamma_hash_logits(model, &info, tokens_.data(), tokens_.size(), n_prompt_, hashes.data(),
                         progress) != 0) {
    return false;
  }
  CompareTokens(model, hashes);
  return true;
}
