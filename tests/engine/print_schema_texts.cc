// SPDX-License-Identifier: MIT
// For json_schema_test.py. Reads requests, one JSON object a line:
//   {"schema": TEXT, "strict": BOOL, "indent": N, "texts": [TEXT ...], "walks": N, "seed": N}
// and answers each with one line: {"error": TEXT}, or what is matched, as
//   {"accepted": [BOOL ...], "walks": [TEXT ...], "dropped": TEXT, "nodes": N, "microseconds": N}.
// The automaton and the reference (grammar_matcher.h) must agree about each text, or the error says
// so.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "chat/json.h"
#include "engine/grammar/automaton.h"
#include "engine/grammar/json_schema.h"
#include "grammar_matcher.h"

namespace {

constexpr size_t kWalkBytes = 120;

void PrintString(std::string_view text) {
  std::putchar('"');
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') {
      std::printf("\\u%04x", static_cast<unsigned>(c));
    } else {
      std::putchar(c);
    }
  }
  std::putchar('"');
}

std::string_view TextOf(const clamma::Dict& request, const char* key) {
  return DictFind(request, key)->str->view();
}

int64_t NumberOf(const clamma::Dict& request, const char* key) {
  return DictFind(request, key)->AsInt();
}

void PrintError(std::string_view reason) {
  std::printf("{\"error\": ");
  PrintString(reason);
  std::printf("}\n");
}

// Whether the automaton accepts a text.
clamma::Status Run(clamma::Automaton& automaton, std::string_view text, bool* accepts) {
  clamma::MatchState state = automaton.start();
  automaton.ResetWork();
  for (const char c : text) {
    if (state == clamma::kNoMatch) break;
    CLAMMA_RETURN_IF_ERROR(automaton.Next(state, static_cast<uint8_t>(c), &state));
  }
  *accepts = state != clamma::kNoMatch && automaton.CanEnd(state);
  return clamma::Status();
}

// Sets *accepted to which of the texts are matched.
clamma::Status Match(clamma::Memory& memory, const clamma::Grammar& grammar, clamma::RuleId root,
                     const clamma::List& texts, std::vector<bool>* accepted) {
  clamma::Program program;
  clamma::Automaton automaton;
  CLAMMA_RETURN_IF_ERROR(program.Compile(memory, grammar, nullptr));
  CLAMMA_RETURN_IF_ERROR(automaton.Init(memory, program));
  for (size_t i = 0; i < texts.size; ++i) {
    const std::string_view text = texts.items[i].str->view();
    bool accepts = false;
    CLAMMA_RETURN_IF_ERROR(Run(automaton, text, &accepts));
    if (accepts != clamma_test::GrammarMatcher(grammar, text).Matches(root)) {
      return clamma::Status::Error(clamma::StatusCode::kCorrupt,
                                   "the automaton and the reference disagree about text %zu", i);
    }
    accepted->push_back(accepts);
  }
  return clamma::Status();
}

void Answer(clamma::Memory& memory, const clamma::Dict& request) {
  clamma::Grammar grammar(memory);
  clamma::RuleId root = 0;
  clamma::DroppedConstraints dropped;
  const clamma::JsonSchemaOptions options = {
      .is_strict = NumberOf(request, "strict") != 0,
      .indent = static_cast<unsigned>(NumberOf(request, "indent"))};
  const auto start = std::chrono::steady_clock::now();
  const clamma::Status status =
      CompileJsonSchema(memory, TextOf(request, "schema"), options, &grammar, &root, &dropped);
  const auto time = std::chrono::steady_clock::now() - start;
  if (!status.ok()) return PrintError(status.message());
  std::vector<bool> accepted;
  const clamma::Status matched =
      Match(memory, grammar, root, *DictFind(request, "texts")->list, &accepted);
  if (!matched.ok()) return PrintError(matched.message());
  std::printf("{\"accepted\": [");
  for (size_t i = 0; i < accepted.size(); ++i) {
    std::printf("%s%s", i == 0 ? "" : ", ", accepted[i] ? "true" : "false");
  }
  std::printf("], \"walks\": [");
  const int64_t n_walks = NumberOf(request, "walks");
  clamma_test::GrammarWalker walker(grammar, static_cast<uint64_t>(NumberOf(request, "seed")));
  for (int64_t i = 0; i < n_walks; ++i) {
    if (i > 0) std::printf(", ");
    PrintString(walker.Walk(root, i % 2 == 0 ? kWalkBytes : kWalkBytes / 8));
  }
  std::printf("], \"dropped\": ");
  PrintString({dropped.paths.data(), dropped.n_bytes});
  std::printf(
      ", \"nodes\": %u, \"microseconds\": %lld}\n", grammar.n_nodes(),
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(time).count()));
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    clamma::Memory memory;
    clamma::Bump bump(memory, size_t{64} << 20);
    clamma::Value request;
    const clamma::Status status = clamma::ParseJson(bump, line, clamma::Origin::kCaller, &request);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.message());
      return 1;
    }
    Answer(memory, *request.dict);
    std::fflush(stdout);
  }
  return 0;
}
