// SPDX-License-Identifier: MIT
#include "receipt_facts.h"

#include <clamma-extra.h>

#include "models.h"
#include "sha256.h"

namespace receipt {
namespace {

// A value of the model's metadata; "" if there is none.
std::string Metadata(const txf* model, const char* key) {
  size_t size = 0;
  if (clamma_txf_metadata(model, key, nullptr, 0, &size) != 0) return "";
  std::string text(size, '\0');
  clamma_txf_metadata(model, key, text.data(), text.size(), &size);
  return text;
}

// The template that the user gave or that is in the model's file; "": a family's.
std::string TemplateText(const options::Model& o, const txf* model) {
  return o.chat_template.empty() ? Metadata(model, "tokenizer.chat_template") : o.chat_template;
}

const char* NameOf(clamma_kv_type_t type) {
  if (type == CLAMMA_KV_F16) return "f16";
  return type == CLAMMA_KV_Q8 ? "q8" : "f32";
}

}  // namespace

std::string HashFile(const std::string& path, File* file) {
  file->name = path.substr(path.rfind('/') + 1);
  return Sha256OfFile(path, &file->sha256);
}

std::string HashModel(const std::string& checkpoint, std::vector<File>* files) {
  for (const std::string& part : models::PartsOf(models::Found(checkpoint))) {
    File file;
    if (std::string wrong = HashFile(part, &file); !wrong.empty()) return wrong;
    files->push_back(std::move(file));
  }
  return "";
}

std::string Describe(const options::Model& o, const txf* model, bool chat, Receipt* receipt) {
  clamma_txf_facts_t facts = {};
  if (clamma_txf_facts(model, &facts) != 0) return "the model reports no facts";
  receipt->library = clamma_version();
  receipt->sum_order = clamma_sum_order_version();
  receipt->pre_tokenizer = o.pre_tokenizer;
  receipt->kv = NameOf(facts.kv_type);
  receipt->context = facts.context;
  if (chat) receipt->chat_template = DescribeTemplate(o, model);
  if (std::string wrong = HashModel(o.checkpoint, &receipt->model); !wrong.empty()) return wrong;
  if (!o.tokenizer.empty()) {
    receipt->vocabulary.emplace();
    return HashFile(models::Found(o.tokenizer), &*receipt->vocabulary);
  }
  const bool has_vocabulary = !Metadata(model, "tokenizer.ggml.model").empty();
  return has_vocabulary ? "" : "the receipt of a model without a vocabulary in it needs -z";
}

Template DescribeTemplate(const options::Model& o, const txf* model) {
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model, &facts);
  const std::string text = TemplateText(o, model);
  Sha256 sum;
  sum.Add(text.data(), text.size());
  return {facts.chat_format == nullptr ? "llama2" : facts.chat_format, sum.Hex()};
}

bool WritesDate(const options::Model& o, const txf* model) {
  return TemplateText(o, model).find("strftime_now") != std::string::npos;
}

std::vector<clamma_message_t> Messages(const Query& query) {
  std::vector<clamma_message_t> messages(query.system ? 2 : 1);
  messages[0].role = "system";
  messages[0].content = query.system ? query.system->c_str() : "";
  messages.back() = {};
  messages.back().role = "user";
  messages.back().content = query.prompt ? query.prompt->c_str() : "";
  return messages;
}

bool Encode(const txf* model, const Query& query, std::vector<tok_id_t>* tokens) {
  const std::vector<clamma_message_t> messages = Messages(query);
  size_t count = 0;
  do {
    tokens->resize(count);
    const int failed =
        query.chat ? clamma_chat_encode(model, nullptr, messages.data(), messages.size(), 1,
                                        tokens->data(), tokens->size(), &count)
                   : clamma_encode_query(model, query.system ? query.system->c_str() : nullptr,
                                         query.prompt ? query.prompt->c_str() : nullptr, 1,
                                         tokens->data(), tokens->size(), &count);
    if (failed != 0) return false;
  } while (count != tokens->size());
  return true;
}

Query QueryOf(const options::Prompt& prompt, bool chat) {
  Query query = {.chat = chat};
  if (!prompt.system.empty()) query.system = prompt.system;
  if (prompt.given) query.prompt = prompt.text;
  return query;
}

options::Sampling ToOptions(const Sampling& sampling) {
  options::Sampling o;
  o.temperature = sampling.temperature;
  o.topp = sampling.top_p;
  o.top_k = sampling.top_k;
  o.min_p = sampling.min_p;
  o.repetition_penalty = sampling.repetition_penalty;
  o.frequency_penalty = sampling.frequency_penalty;
  o.presence_penalty = sampling.presence_penalty;
  return o;
}

Sampling FromOptions(const options::Sampling& o) {
  return {.temperature = o.temperature,
          .top_p = o.topp,
          .min_p = o.min_p,
          .repetition_penalty = o.repetition_penalty,
          .frequency_penalty = o.frequency_penalty,
          .presence_penalty = o.presence_penalty,
          .top_k = o.top_k};
}

}  // namespace receipt
