// SPDX-License-Identifier: MIT
// Renders templates for chat_templates_test.py. Reads records from standard input: a line
// "SOURCE_BYTES CONTEXT_BYTES SECONDS", then the template and the context (a JSON object, whose
// strings are the caller's). For each, writes a line "ok TEXT_BYTES RANGES" (begin-end,...),
// "raised TEXT_BYTES" or "failed TEXT_BYTES" to standard output, then the text or the message. With
// two arguments, the files of a template and a context, renders them and prints the text.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "chat/chat_template.h"
#include "chat/json.h"

namespace {

using clamma::Bump;
using clamma::ChatTemplate;
using clamma::Memory;
using clamma::RenderedText;
using clamma::Status;
using clamma::Value;

struct Result {
  std::string head;
  std::string text;
};

Result Render(const std::string& source, const std::string& context, int64_t seconds) {
  Memory memory;
  Bump bump(memory, size_t{64} << 20);
  Value root;
  ChatTemplate chat_template;
  RenderedText out;
  clamma::RenderOptions options;
  options.seconds = seconds;
  Status status = ParseJson(bump, context, clamma::Origin::kCaller, &root);
  if (status.ok()) status = chat_template.Parse(memory, source);
  if (status.ok()) status = chat_template.Render(memory, root, options, &out);
  if (!status.ok()) return {out.was_raised ? "raised" : "failed", status.message()};
  std::string ranges;
  for (size_t i = 0; i < out.caller.size(); ++i) {
    ranges += ' ' + std::to_string(out.caller[i].begin) + '-' + std::to_string(out.caller[i].end);
  }
  return {"ok" + ranges, {out.text.data(), out.text.size()}};
}

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    const Result result = Render(ReadFile(argv[1]), ReadFile(argv[2]), 0);
    std::cout << result.head << '\n' << result.text << '\n';
    return 0;
  }
  size_t source_bytes = 0, context_bytes = 0;
  int64_t seconds = 0;
  while (std::cin >> source_bytes >> context_bytes >> seconds) {
    std::cin.get();
    std::string source(source_bytes, '\0'), context(context_bytes, '\0');
    std::cin.read(source.data(), static_cast<std::streamsize>(source_bytes));
    std::cin.read(context.data(), static_cast<std::streamsize>(context_bytes));
    const Result result = Render(source, context, seconds);
    std::cout << result.text.size() << ' ' << result.head << '\n' << result.text;
    std::cout.flush();
  }
  return 0;
}
