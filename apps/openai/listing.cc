// SPDX-License-Identifier: MIT
#include "openai/listing.h"

#include "openai/json_text.h"
#include "openai/tools/tool_format.h"

namespace openai {
namespace {

const char* NameOf(clamma_kv_type_t type) {
  switch (type) {
    case CLAMMA_KV_F32:
      return "f32";
    case CLAMMA_KV_F16:
      return "f16";
    case CLAMMA_KV_Q8:
      return "q8";
    case CLAMMA_KV_AUTO:
      break;
  }
  return "auto";
}

void WriteOptional(const char* name, const char* text, JsonWriter* w) {
  if (text == nullptr) {
    w->Null(name);
  } else {
    w->Text(name, text);
  }
}

void WriteToken(const char* name, tok_id_t token, const Model& model, JsonWriter* w) {
  if (model.HasToken(token)) {
    w->Text(name, model.TokenBytes(token));
  } else {
    w->Null(name);
  }
}

void WriteProps(const Model& model, JsonWriter* w) {
  const clamma_txf_facts_t& facts = model.facts();
  w->OpenItem('{').Text("id", model.id()).Text("system_fingerprint", model.fingerprint());
  WriteOptional("architecture", facts.architecture, w);
  WriteOptional("file_type", facts.file_type, w);
  w->Number("parameters", facts.parameters).Number("model_bytes", facts.model_bytes);
  w->Number("context", facts.context).Number("trained_context", facts.trained_context);
  w->Number("vocabulary", facts.vocab_size).Text("kv_type", NameOf(facts.kv_type));
  w->Number("bos_token", facts.bos).Number("eos_token", facts.eos);
  WriteOptional("chat_format", facts.chat_format, w);
  w->Text("tool_format", NameOf(ToolFormatOf(model.chat_template())));
  w->Bool("chat_format_is_guessed", facts.chat_format_is_guessed != 0);
  w->Text("chat_template", model.chat_template());
  WriteOptional("warning", facts.warning, w);
  WriteOptional("kernels", facts.kernels, w);
  w->Number("threads", facts.threads).Close();
}

}  // namespace

std::string DescribeModel(const Model& model) {
  JsonWriter w;
  w.Open('{').Text("id", model.id()).Text("object", "model");
  w.Number("created", model.created()).Text("owned_by", "clamma");
  return w.Close().Take();
}

std::string ListModels(const std::vector<std::unique_ptr<Model>>& models) {
  JsonWriter w;
  w.Open('{').Text("object", "list").Open("data", '[');
  for (const auto& model : models) w.RawItem(DescribeModel(*model));
  return w.Close().Close().Take();
}

std::string DescribeTokenizer(const Model& model) {
  JsonWriter w;
  w.Open('{').Text("model", model.id());
  WriteToken("bos_token", model.facts().bos, model, &w);
  WriteToken("eos_token", model.facts().eos, model, &w);
  w.Null("pad_token").Text("chat_template", model.chat_template());
  w.Number("vocab_size", model.facts().vocab_size);
  return w.Number("model_max_length", model.facts().context).Close().Take();
}

std::string DescribeProps(const std::vector<std::unique_ptr<Model>>& models,
                          const Service::Options& options) {
  JsonWriter w;
  w.Open('{').Text("version", clamma_version()).Number("sum_order", clamma_sum_order_version());
  w.Number("sessions", options.sessions).Number("max_waiting", options.max_waiting);
  w.Number("max_body_bytes", options.max_body_bytes).Number("max_tokens", options.max_tokens);
  w.Number("prefix_cache_bytes", options.prefix_cache_bytes).Open("models", '[');
  for (const auto& model : models) WriteProps(*model, &w);
  return w.Close().Close().Take();
}

}  // namespace openai
