// SPDX-License-Identifier: MIT
// Parses any bytes as JSON, and writes the value with a template. The result must parse, and be
// written the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "chat/chat_template.h"
#include "chat/json.h"
#include "platform/memory.h"

namespace {

using clamma::Bump;
using clamma::Dict;
using clamma::Kind;
using clamma::Memory;
using clamma::Value;

void Demand(bool holds) {
  if (!holds) std::abort();
}

// Renders {{ x | tojson }} for the value.
void Write(Memory& memory, Bump& bump, const clamma::ChatTemplate& chat_template,
           const Value& value, clamma::RenderedText* out) {
  Dict* const dict = NewDict(bump);
  Demand(dict != nullptr && DictSet(bump, *dict, "x", value));
  const clamma::RenderOptions options;
  Demand(chat_template.Render(memory, Value::Of(Kind::kDict, dict), options, out).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  Memory memory;
  Bump bump(memory, size_t{64} << 20);
  Value value, again;
  const std::string_view text(reinterpret_cast<const char*>(bytes), n);
  if (!ParseJson(bump, text, clamma::Origin::kCaller, &value).ok()) return 0;
  clamma::ChatTemplate chat_template;
  Demand(chat_template.Parse(memory, "{{ x | tojson }}").ok());
  clamma::RenderedText first, second;
  Write(memory, bump, chat_template, value, &first);
  const std::string_view written(first.text.data(), first.text.size());
  Demand(ParseJson(bump, written, clamma::Origin::kCaller, &again).ok());
  Write(memory, bump, chat_template, again, &second);
  Demand(written == std::string_view(second.text.data(), second.text.size()));
  return 0;
}
