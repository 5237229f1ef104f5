// SPDX-License-Identifier: MIT
// Generates models that chat.
#ifndef CLAMMA_TESTS_SUPPORT_CHAT_MODELS_H_
#define CLAMMA_TESTS_SUPPORT_CHAT_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "clamma.h"
#include "gguf_models.h"
#include "tokenizer_vocabularies.h"

namespace clamma_test {

inline constexpr char kTemplate[] =
    "{%- if tools %}{{ '<|im_start|>tools\\n' ~ (tools | tojson) ~ '<|im_end|>\\n' }}{% endif %}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'nobody' %}{{ raise_exception('nobody may speak') }}{% endif -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"
    "{%- if mood %}{{ mood }}{% endif -%}";

inline constexpr tok_id_t kStart = kMore;
inline constexpr tok_id_t kEnd = kMore + 1;
inline constexpr tok_id_t kTwoA = kMore + 2;

// A random model with a byte-level vocabulary, ChatML's control tokens, and more tokens.
inline GgufBytes MakeChatModel(const std::string& chat_template, uint32_t context = 512,
                               const std::vector<GgufToken>& more = {}) {
  std::vector<GgufToken> added = {{"<|im_start|>", kControl}, {"<|im_end|>", kControl}, {"aa"}};
  added.insert(added.end(), more.begin(), more.end());
  GgufBytes file = ByteLevel(added, {"a a"}, "gpt-2");
  GgufSpec spec = {.vocab = static_cast<uint32_t>(kMore + added.size()), .context = context};
  AddKeys(spec, &file);
  file.Add("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(kEnd));
  if (!chat_template.empty()) file.Add("tokenizer.chat_template", chat_template);
  file.Add("general.license", "mit");
  file.Add("general.sampling.temp", 0.25f);
  for (const GgufTensorSpec& tensor : TensorsOf(spec)) {
    file.AddTensor(tensor.name, tensor.type, tensor.dims, BytesOf(spec, tensor));
  }
  return file;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_CHAT_MODELS_H_
