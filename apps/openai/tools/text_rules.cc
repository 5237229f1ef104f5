// SPDX-License-Identifier: MIT
#include "openai/tools/text_rules.h"

#include <algorithm>
#include <iterator>

#include "openai/tools/tool_format.h"

namespace openai {
namespace {

// A class of GBNF: any character but these.
std::string AllBut(const std::string& characters) {
  std::string out = "[^";
  for (const char c : characters) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == ']' || c == '^' || c == '-') out += '\\';
    out += c;
  }
  return out + "]";
}

std::string State(const std::string& name, size_t i) {
  return i == 0 ? name : name + "-" + std::to_string(i);
}

// How much of the mark a text ends with that is the first `n` of its characters and then `c`.
size_t Matched(std::string_view mark, size_t n, char c) {
  const std::string text = std::string(mark.substr(0, n)) + c;
  size_t length = std::min(text.size(), mark.size());
  while (!text.ends_with(mark.substr(0, length))) --length;
  return length;
}

// Words, all of which have the same first `depth` characters.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the longest word, a name of ours
void AddWords(const std::string& name, const std::vector<std::string>& words, size_t depth,
              std::string* rules) {
  std::string next;
  bool may_end = false;
  for (const std::string& word : words) {
    if (word.size() == depth) {
      may_end = true;
    } else if (next.find(word[depth]) == std::string::npos) {
      next += word[depth];
    }
  }
  std::string rule = name + " ::= \"\" | " + AllBut(may_end ? next + '"' : next) + " c-any";
  for (const char c : next) {
    rule += " | " + Literal({&c, 1}) + " " + name + c;
  }
  *rules += rule + "\n";
  for (const char c : next) {
    std::vector<std::string> longer;
    std::copy_if(words.begin(), words.end(), std::back_inserter(longer),
                 [&](const std::string& word) { return word.size() > depth && word[depth] == c; });
    AddWords(name + c, longer, depth + 1, rules);
  }
}

}  // namespace

std::string UntilRules(const std::string& name, std::string_view mark) {
  std::string characters;
  for (const char c : mark) {
    if (characters.find(c) == std::string::npos) characters += c;
  }
  std::string rules;
  for (size_t n = 0; n < mark.size(); ++n) {
    std::string elsewhere = characters;  // those that do not lead back to the beginning
    rules += State(name, n) + " ::= ";
    for (const char c : characters) {
      const size_t matched = Matched(mark, n, c);
      if (matched == 0) {
        std::erase(elsewhere, c);
        continue;
      }
      rules += Literal({&c, 1});
      if (matched < mark.size()) rules += " " + State(name, matched);
      rules += " | ";
    }
    rules += AllBut(elsewhere) + " " + name + "\n";
  }
  return rules;
}

std::string OtherKeyRules(const std::string& name, const std::vector<std::string>& words) {
  std::string rules;
  AddWords(name, words, 0, &rules);
  return rules;
}

std::string ToolUri(const Tool& tool) { return "https://tools.invalid/" + tool.name; }

}  // namespace openai
