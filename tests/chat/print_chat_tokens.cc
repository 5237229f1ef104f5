// SPDX-License-Identifier: MIT
// Encodes chats as tokens, for chat_tokens_test.py.
//
// print_chat_tokens FILE: uses the vocabulary and the chat template of a GGUF file, which needs no
// tensors. Reads chats from standard input: two numbers, the number of messages and whether to end
// with the beginning of an answer; the tools and the template's arguments, texts in JSON; and the
// seven texts of each message in the order of ChatMessage. A number is an int32, and a text is its
// length and its bytes, or length -1 if there is none; all are little-endian. For each chat, writes
// a line "ok TEXT_BYTES DECODED_BYTES ID..." to standard output, followed by the rendered text and
// the text that the ids decode to; or "raised TEXT_BYTES 0" or "failed TEXT_BYTES 0", followed by
// the message.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_format.h"
#include "model/model_files.h"
#include "platform/endian.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

constexpr size_t kTextsOfMessage = 7;

class Input {
 public:
  bool ReadNumber(int32_t* number) {
    uint8_t bytes[4];
    if (fread(bytes, 1, sizeof(bytes), stdin) != sizeof(bytes)) return false;
    *number = static_cast<int32_t>(ReadLe32(bytes));
    return true;
  }

  // The text's bytes are valid until the next chat.
  bool ReadText(std::string_view* text) {
    int32_t length = 0;
    *text = {};
    if (!ReadNumber(&length)) return false;
    if (length < 0) return true;
    texts_.push_back(std::make_unique<std::string>(static_cast<size_t>(length), '\0'));
    std::string& kept = *texts_.back();
    *text = kept;
    return fread(kept.data(), 1, kept.size(), stdin) == kept.size();
  }

  void Clear() { texts_.clear(); }

 private:
  std::vector<std::unique_ptr<std::string>> texts_;
};

struct Chat {
  std::vector<ChatMessage> messages;
  ChatRequest request;
};

// Returns false if there are no more.
bool ReadChat(Input* input, Chat* chat) {
  input->Clear();
  int32_t n_messages = 0;
  int32_t opens_answer = 0;
  if (!input->ReadNumber(&n_messages) || !input->ReadNumber(&opens_answer)) return false;
  chat->messages.assign(static_cast<size_t>(n_messages), {});
  chat->request = {};
  bool complete =
      input->ReadText(&chat->request.tools) && input->ReadText(&chat->request.arguments);
  for (ChatMessage& m : chat->messages) {
    std::string_view* const texts[kTextsOfMessage] = {
        &m.role,       &m.content,     &m.content_parts, &m.name, &m.reasoning_content,
        &m.tool_calls, &m.tool_call_id};
    for (std::string_view* text : texts) complete = complete && input->ReadText(text);
  }
  chat->request.messages = chat->messages.data();
  chat->request.n_messages = chat->messages.size();
  chat->request.add_generation_prompt = opens_answer != 0;
  return complete;
}

void Print(const std::string& head, std::string_view text, std::string_view decoded,
           const std::string& ids) {
  printf("%s %zu %zu%s\n", head.c_str(), text.size(), decoded.size(), ids.c_str());
  fwrite(text.data(), 1, text.size(), stdout);
  fwrite(decoded.data(), 1, decoded.size(), stdout);
  fflush(stdout);
}

void PrintChat(const ChatFormat& format, const ChatRequest& request) {
  Memory memory;
  RenderedText rendered;
  Array<TokenId> tokens;
  size_t count = 0;
  Status status = format.Render(memory, request, &rendered);
  const bool raised = rendered.was_raised;
  if (status.ok()) status = format.Encode(memory, rendered, nullptr, 0, &tokens, &count);
  if (!status.ok()) return Print(raised ? "raised" : "failed", status.message(), "", "");
  const Tokenizer& tokenizer = format.tokenizer();
  std::string decoded;
  std::string ids;
  for (size_t i = 0; i < count; ++i) {
    const TokenId id = tokens[i];
    decoded += tokenizer.IsSilent(id) ? tokenizer.Piece(id) : tokenizer.Bytes(id);
    ids += ' ' + std::to_string(id);
  }
  Print("ok", {rendered.text.data(), rendered.text.size()}, decoded, ids);
}

Status Run(const char* path) {
  Memory memory;
  ModelFiles files;
  CLAMMA_RETURN_IF_ERROR(files.Open(memory, path, "", true));
  if (files.gguf() == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "not a GGUF file");
  }
  Tokenizer tokenizer;
  CLAMMA_RETURN_IF_ERROR(tokenizer.Open(memory, *files.gguf(), 0, nullptr));
  if (tokenizer.warning() != nullptr) fprintf(stderr, "%s\n", tokenizer.warning());
  ChatFormat format;
  CLAMMA_RETURN_IF_ERROR(format.Open(memory, files.gguf(), tokenizer, ""));
  Input input;
  for (Chat chat; ReadChat(&input, &chat);) PrintChat(format, chat.request);
  return Status();
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: print_chat_tokens FILE\n");
    return 2;
  }
  const clamma::Status status = clamma::Run(argv[1]);
  if (!status.ok()) fprintf(stderr, "print_chat_tokens: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
