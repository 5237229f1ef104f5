// SPDX-License-Identifier: MIT
#include "chat_family.h"

namespace info {
namespace {

// A template of a family contains all of `marks`. The first row that matches is used, so rows with
// rarer marks come first.
struct Family {
  const char* name;
  const char* marks[2];
};
constexpr Family kFamilies[] = {
    {"kimi", {"<|im_middle|>", nullptr}},
    {"phi4", {"<|im_start|>", "<|im_sep|>"}},
    {"chatml", {"<|im_start|>", nullptr}},
    {"llama3", {"<|start_header_id|>", nullptr}},
    {"llama4", {"<|header_start|>", nullptr}},
    {"gemma", {"<start_of_turn>", nullptr}},
    {"command-r", {"<|START_OF_TURN_TOKEN|>", nullptr}},
    {"granite", {"<|start_of_role|>", nullptr}},
    {"harmony", {"<|channel|>", "<|message|>"}},
    {"deepseek", {"<\xef\xbd\x9cUser\xef\xbd\x9c>", nullptr}},
    {"chatglm", {"[gMASK]", nullptr}},
    {"exaone", {"[|user|]", nullptr}},
    {"exaone", {"[|assistant|]", nullptr}},
    {"llama2", {"[INST]", "<<SYS>>"}},
    {"mistral", {"[INST]", nullptr}},
    {"phi3", {"<|user|>", "<|end|>"}},
    {"phi3", {"<|end|>", "'<|' +"}},
    {"zephyr", {"<|user|>", nullptr}},
    {"zephyr", {"<|assistant|>", nullptr}},
    {"alpaca", {"### Instruction:", nullptr}},
    {"vicuna", {"USER: ", "ASSISTANT:"}},
};

}  // namespace

const char* ChatFamilyOf(std::string_view text) {
  for (const Family& family : kFamilies) {
    bool fits = true;
    for (const char* mark : family.marks) {
      fits = fits && (mark == nullptr || text.find(mark) != std::string_view::npos);
    }
    if (fits) return family.name;
  }
  return "unknown";
}

}  // namespace info
