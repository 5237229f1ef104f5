// SPDX-License-Identifier: MIT
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind.h"

namespace nb = nanobind;

namespace clamma_python {
namespace {

using ModelPtr = std::shared_ptr<clamma::Model>;

void Construct(PyModel* self, const std::string& checkpoint, const std::string& tokenizer,
               unsigned threads, unsigned context, int kv_type, unsigned max_sessions,
               const std::string& chat_template, const std::string& pre_tokenizer,
               uint64_t prefix_cache_bytes, std::optional<size_t> cache_limit) {
  clamma::ModelOptions options;
  options.checkpoint = checkpoint;
  options.tokenizer = tokenizer;
  options.threads = threads;
  options.context = context;
  options.kv_type = static_cast<clamma_kv_type_t>(kv_type);
  options.max_sessions = max_sessions;
  options.chat_template = chat_template;
  options.pre_tokenizer = pre_tokenizer;
  options.prefix_cache_bytes = prefix_cache_bytes;
  if (cache_limit.has_value()) {
    options.access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    options.cache_limit = *cache_limit;
  }
  std::shared_ptr<Engine> engine;
  {
    const Released released;
    engine = MakeShared<Engine>(options);
  }
  new (self) PyModel(std::move(engine));
}

// Calls use(const clamma::Model&) without the interpreter's lock.
template <typename Use>
auto With(const PyModel& self, const Use& use) {
  const std::shared_ptr<Engine>& engine = self.get();
  const Released released;
  const ModelPtr model = engine->model();
  return use(*model);
}

const char* OrEmpty(const char* text) { return text == nullptr ? "" : text; }

nb::dict Facts(const PyModel& self) {
  const clamma_txf_facts_t facts =
      With(self, [](const clamma::Model& model) { return model.Facts(); });
  const ModelPtr model = self.get()->model();  // for the texts
  nb::dict dict;
  dict["format"] = OrEmpty(facts.format);
  dict["architecture"] = OrEmpty(facts.architecture);
  dict["file_type"] = OrEmpty(facts.file_type);
  dict["kernels"] = OrEmpty(facts.kernels);
  dict["chat_format"] = OrEmpty(facts.chat_format);
  dict["chat_format_is_guessed"] = facts.chat_format_is_guessed != 0;
  dict["warning"] = OrEmpty(facts.warning);
  dict["parameters"] = facts.parameters;
  dict["bits_per_weight"] = facts.bits_per_weight;
  dict["dim"] = facts.dim;
  dict["layers"] = facts.layers;
  dict["heads"] = facts.heads;
  dict["kv_heads"] = facts.kv_heads;
  dict["vocab_size"] = facts.vocab_size;
  dict["context"] = facts.context;
  dict["trained_context"] = facts.trained_context;
  dict["bos"] = facts.bos;
  dict["eos"] = facts.eos;
  dict["threads"] = facts.threads;
  dict["sessions"] = facts.sessions;
  dict["max_sessions"] = facts.max_sessions;
  dict["model_bytes"] = facts.model_bytes;
  dict["memory_bytes"] = facts.memory_bytes;
  dict["kv_bytes"] = facts.kv_bytes;
  dict["prefix_hits"] = facts.prefix_hits;
  return dict;
}

std::vector<tok_id_t> Encode(const PyModel& self, const std::string& text, unsigned flags) {
  return With(self, [&](const clamma::Model& model) { return model.Encode(text, flags); });
}

nb::bytes Decode(const PyModel& self, const std::vector<tok_id_t>& tokens) {
  const std::string text =
      With(self, [&](const clamma::Model& model) { return model.Decode(tokens); });
  return nb::bytes(text.data(), text.size());
}

nb::bytes TokenText(const PyModel& self, tok_id_t token) {
  const std::string text =
      With(self, [&](const clamma::Model& model) { return model.TokenText(token); });
  return nb::bytes(text.data(), text.size());
}

// The value of a key as bytes; None: there is no such key.
nb::object Metadata(const PyModel& self, const std::string& key) {
  const std::optional<std::string> value =
      With(self, [&](const clamma::Model& model) { return model.Metadata(key); });
  if (!value.has_value()) return nb::none();
  return nb::bytes(value->data(), value->size());
}

nb::str RenderChat(const PyModel& self, const Request& request, bool opens) {
  const std::string text =
      With(self, [&](const clamma::Model& model) { return model.RenderChat(request.chat, opens); });
  return nb::str(text.data(), text.size());
}

std::vector<tok_id_t> EncodeChat(const PyModel& self, const Request& request, bool opens) {
  return With(self,
              [&](const clamma::Model& model) { return model.EncodeChat(request.chat, opens); });
}

std::vector<std::string> CheckGrammar(const PyModel& self, const Request& request) {
  return With(self, [&](const clamma::Model& model) { return model.CheckGrammar(request.query); });
}

// The natural logarithms of the probabilities of all tokens but the first.
std::vector<float> ScoreTokens(const PyModel& self, const std::vector<tok_id_t>& tokens) {
  std::vector<float> logprobs(tokens.empty() ? 0 : tokens.size() - 1);
  const ModelPtr model = self.get()->model();
  RunReleased([&](Released* released) {
    return clamma_score_tokens(model->handle(), tokens.data(), tokens.size(), logprobs.data(), 0,
                               nullptr, nullptr, StopOnSignal, released) == 0;
  });
  return logprobs;
}

// (tokens, log likelihood, is greedy) of each continuation.
nb::list ScoreContinuations(const PyModel& self, const std::string& context,
                            const std::vector<std::string>& continuations) {
  const clamma_text_t before = clamma::detail::TextOf(context);
  const std::vector<clamma_text_t> texts = clamma::detail::TextsOf(continuations);
  std::vector<clamma_continuation_score_t> scores(texts.size());
  const ModelPtr model = self.get()->model();
  RunReleased([&](Released* released) {
    return clamma_score_continuations(model->handle(), &before, texts.data(), texts.size(),
                                      StopOnSignal, released, scores.data()) == 0;
  });
  nb::list list;
  for (const clamma_continuation_score_t& score : scores) {
    list.append(nb::make_tuple(score.tokens, score.log_likelihood, score.is_greedy != 0));
  }
  return list;
}

// Floats (texts, dim) as bytes.
nb::bytes Embed(const PyModel& self, const std::vector<std::string>& texts, bool raw) {
  const std::vector<clamma_text_t> list = clamma::detail::TextsOf(texts);
  const ModelPtr model = self.get()->model();
  std::vector<float> floats;
  RunReleased([&](Released* released) {
    floats.resize(list.size() * model->Facts().dim);
    return clamma_embed(model->handle(), list.data(), list.size(), raw ? CLAMMA_EMBED_RAW : 0U,
                        StopOnSignal, released, floats.data(), floats.size(), nullptr) == 0;
  });
  return nb::bytes(reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float));
}

void Close(const PyModel& self) {
  const std::shared_ptr<Engine>& engine = self.get();
  const Released released;
  engine->Close();
}

}  // namespace

void BindModel(nb::module_& m) {
  nb::class_<PyModel>(m, "Model")
      .def("__init__", &Construct)
      .def("close", &Close)
      .def("check", [](const PyModel& self) { self.get()->model(); })
      .def("description", [](const PyModel& self) { return self.get()->model()->description(); })
      .def("facts", &Facts)
      .def("encode", &Encode)
      .def("decode", &Decode)
      .def("token_text", &TokenText)
      .def("metadata", &Metadata)
      .def("render_chat", &RenderChat)
      .def("encode_chat", &EncodeChat)
      .def("check_grammar", &CheckGrammar)
      .def("score_tokens", &ScoreTokens)
      .def("score_continuations", &ScoreContinuations)
      .def("embed", &Embed);
}

}  // namespace clamma_python
