// SPDX-License-Identifier: MIT
// Compiles any bytes as a JSON schema, strictly or not, compact or indented. Random texts of the
// grammar must be JSON, and the automaton must accept them; all memory must be freed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "chat/json.h"
#include "engine/grammar/automaton.h"
#include "engine/grammar/json_schema.h"
#include "platform/memory.h"
#include "tests/support/grammar_matcher.h"

namespace {

constexpr int kWalks = 3;
constexpr size_t kWalkBytes = 100;

void Demand(bool holds) {
  if (!holds) std::abort();
}

void CheckText(clamma::Memory& memory, clamma::Automaton& automaton, std::string_view text) {
  clamma::MatchState state = automaton.start();
  for (const char c : text) {
    automaton.ResetWork();
    if (!automaton.Next(state, static_cast<uint8_t>(c), &state).ok()) return;
    Demand(state != clamma::kNoMatch);
  }
  Demand(automaton.CanEnd(state));
  clamma::Bump bump(memory, size_t{64} << 20);
  clamma::Value value;
  // The reader has limits of depth and of integers that a grammar does not have.
  const clamma::Status status = ParseJson(bump, text, clamma::Origin::kCaller, &value);
  const std::string_view reason = status.message();
  Demand(status.ok() || reason.find("too deeply") != std::string_view::npos ||
         reason.find("64 bits") != std::string_view::npos);
}

void CheckSchema(clamma::Memory& memory, std::string_view schema,
                 const clamma::JsonSchemaOptions& options) {
  clamma::Grammar grammar(memory);
  clamma::RuleId root = 0;
  clamma::DroppedConstraints dropped;
  if (!CompileJsonSchema(memory, schema, options, &grammar, &root, &dropped).ok()) return;
  clamma::Program program;
  clamma::Automaton automaton;
  if (!program.Compile(memory, grammar, nullptr).ok()) return;
  if (!automaton.Init(memory, program).ok()) return;
  clamma_test::GrammarWalker walker(grammar, schema.size());
  for (int i = 0; i < kWalks; ++i) CheckText(memory, automaton, walker.Walk(root, kWalkBytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  if (n == 0) return 0;
  clamma::Memory memory;
  const std::string_view schema(reinterpret_cast<const char*>(bytes) + 1, n - 1);
  CheckSchema(memory, schema, {.is_strict = (bytes[0] & 1) != 0, .indent = (bytes[0] & 2u)});
  Demand(memory.bytes_in_use() == 0);
  return 0;
}
