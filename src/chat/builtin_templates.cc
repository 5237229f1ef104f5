// SPDX-License-Identifier: MIT
// The model cards of the models named here describe the format of each family.
#include "chat/builtin_templates.h"

namespace clamma {
namespace {

// meta-llama/Llama-2-7b-chat
constexpr char kLlama2[] = R"({%- set ns = namespace(system='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set ns.system = '<<SYS>>\n' + message.content + '\n<</SYS>>\n\n' -%}
{%- elif message.role == 'user' -%}
{{- bos_token + '[INST] ' + ns.system + message.content + ' [/INST]' -}}
{%- set ns.system = '' -%}
{%- elif message.role == 'assistant' -%}
{{- ' ' + message.content + ' ' + eos_token -}}
{%- else -%}
{{- raise_exception('The chat format llama2 has no role ' + message.role) -}}
{%- endif -%}
{%- endfor -%})";

// meta-llama/Meta-Llama-3-8B-Instruct
constexpr char kLlama3[] = R"({{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' -}}
{{- message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%})";

// The Chat Markup Language of OpenAI, used by Qwen, SmolLM and many others
constexpr char kChatMl[] = R"({%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- endif -%})";

// HuggingFaceH4/zephyr-7b-beta, TinyLlama/TinyLlama-1.1B-Chat-v1.0
constexpr char kZephyr[] = R"({%- for message in messages -%}
{{- '<|' + message.role + '|>\n' + message.content + eos_token + '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\n' -}}
{%- endif -%})";

// mistralai/Mistral-7B-Instruct-v0.3: the system prompt goes before the last question
constexpr char kMistral[] = R"({{- bos_token -}}
{%- set ns = namespace(system='', last=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set ns.system = message.content + '\n\n' -%}
{%- elif message.role == 'user' -%}
{%- set ns.last = loop.index0 -%}
{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- '[INST] ' + (ns.system if loop.index0 == ns.last else '') + message.content + '[/INST]' -}}
{%- elif message.role == 'assistant' -%}
{{- ' ' + message.content + eos_token -}}
{%- elif message.role != 'system' -%}
{{- raise_exception('The chat format mistral has no role ' + message.role) -}}
{%- endif -%}
{%- endfor -%})";

// google/gemma-2-2b-it: there is no system turn; the system prompt goes before the first question
constexpr char kGemma[] = R"({{- bos_token -}}
{%- set ns = namespace(system='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set ns.system = message.content | trim + '\n\n' -%}
{%- else -%}
{%- set role = 'model' if message.role == 'assistant' else message.role -%}
{{- '<start_of_turn>' + role + '\n' -}}
{{- (ns.system if role == 'user' else '') + message.content | trim + '<end_of_turn>\n' -}}
{%- if role == 'user' -%}
{%- set ns.system = '' -%}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<start_of_turn>model\n' -}}
{%- endif -%})";

// microsoft/Phi-3-mini-4k-instruct
constexpr char kPhi3[] = R"({%- for message in messages -%}
{{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\n' -}}
{%- endif -%})";

// deepseek-ai/DeepSeek-V3
constexpr char kDeepseek[] = R"({{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{{- message.content -}}
{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- '<｜User｜>' + message.content -}}
{%- elif message.role == 'assistant' -%}
{{- '<｜Assistant｜>' + message.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' -}}
{%- elif message.role != 'system' -%}
{{- raise_exception('The chat format deepseek has no role ' + message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<｜Assistant｜>' -}}
{%- endif -%})";

}  // namespace

const BuiltinTemplate kBuiltinTemplates[] = {
    {"deepseek", kDeepseek, {"<｜User｜>", "<｜Assistant｜>"}, nullptr},
    {"llama3", kLlama3, {"<|start_header_id|>", "<|eot_id|>"}, nullptr},
    {"chatml", kChatMl, {"<|im_start|>", "<|im_end|>"}, nullptr},
    {"gemma", kGemma, {"<start_of_turn>", "<end_of_turn>"}, nullptr},
    {"phi3", kPhi3, {"<|user|>", "<|assistant|>", "<|end|>"}, nullptr},
    {"zephyr", kZephyr, {"<|user|>", "<|assistant|>", "</s>"}, nullptr},
    {"mistral", kMistral, {"[INST]", "[/INST]"}, nullptr},
    // The turns of Llama 2 have no special tokens, so this template is never guessed.
    {"llama2", kLlama2, {}, nullptr},
};
const size_t kBuiltinTemplateCount = sizeof(kBuiltinTemplates) / sizeof(kBuiltinTemplates[0]);

const BuiltinTemplate* FindBuiltinTemplate(std::string_view name) {
  for (const BuiltinTemplate& known : kBuiltinTemplates) {
    if (name == known.name) return &known;
  }
  return nullptr;
}

const BuiltinTemplate* GuessTemplate(std::string_view architecture,
                                     bool (*has_piece)(void* opaque, std::string_view piece),
                                     void* opaque) {
  for (const BuiltinTemplate& known : kBuiltinTemplates) {
    bool has_all = known.tokens[0] != nullptr;
    if (known.architecture != nullptr && architecture != known.architecture) continue;
    for (const char* token : known.tokens) {
      has_all = has_all && (token == nullptr || has_piece(opaque, token));
    }
    if (has_all) return &known;
  }
  return nullptr;
}

}  // namespace clamma
