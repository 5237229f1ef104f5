// SPDX-License-Identifier: MIT
// Chats: convert messages, forward them, and turn a Status into a value and a message.
#include <algorithm>
#include <string_view>

#include "api/convert.h"
#include "api/handles.h"
#include "chat/chat_format.h"
#include "clamma-extra.h"
#include "engine/scheduler.h"

namespace clamma {
namespace {

std::string_view View(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// Converts messages to the types of the layers below.
Status ReadMessages(Memory& memory, const clamma_message_t* messages, size_t count,
                    Array<ChatMessage>* out) {
  CLAMMA_RETURN_IF_ERROR(out->Resize(memory, count));
  for (size_t i = 0; i < count; ++i) {
    const clamma_message_t& m = messages[i];
    if (m.role == nullptr) {
      return Status::Error(StatusCode::kInvalidArgument, "message %zu has no role", i);
    }
    if (m.content != nullptr && m.content_parts != nullptr) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "message %zu has content and content_parts, of which one counts", i);
    }
    (*out)[i] = {.role = View(m.role),
                 .content = View(m.content),
                 .content_parts = View(m.content_parts),
                 .name = View(m.name),
                 .reasoning_content = View(m.reasoning),
                 .tool_calls = View(m.tool_calls),
                 .tool_call_id = View(m.tool_call_id)};
  }
  return Status();
}

ChatRequest MakeRequest(const clamma_txf_info_t* info, const Array<ChatMessage>& messages,
                        bool opens_answer) {
  ChatRequest request;
  request.messages = messages.data();
  request.n_messages = messages.size();
  request.add_generation_prompt = opens_answer;
  if (info != nullptr) {
    request.tools = View(info->chat_tools);
    request.arguments = View(info->chat_arguments);
    request.time = info->chat_time;
  }
  return request;
}

Status StartChat(Session& session, const clamma_txf_info_t& info, const clamma_message_t* messages,
                 size_t count, uint64_t* seed) {
  if (messages == nullptr || count == 0) {
    return Status::Error(StatusCode::kInvalidArgument, "a chat needs messages");
  }
  Query query;
  CLAMMA_RETURN_IF_ERROR(ReadQuery(info, &query));
  query.texts = PromptTexts();
  Array<ChatMessage> list;
  CLAMMA_RETURN_IF_ERROR(ReadMessages(session.transformer().memory, messages, count, &list));
  const ChatRequest request = MakeRequest(&info, list, true);
  query.chat = &request;
  const Status status = TheScheduler().Query(&session, &query);
  *seed = query.seed;
  return status;
}

Status Render(Transformer& transformer, const clamma_txf_info_t* info,
              const clamma_message_t* messages, size_t count, bool opens_answer,
              RenderedText* rendered) {
  if (transformer.chat_format == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "this build has no chat templates");
  }
  Array<ChatMessage> list;
  CLAMMA_RETURN_IF_ERROR(ReadMessages(transformer.memory, messages, count, &list));
  return transformer.chat_format->Render(transformer.memory, MakeRequest(info, list, opens_answer),
                                         rendered);
}

}  // namespace
}  // namespace clamma

using clamma::FromHandle;
using clamma::RenderedText;
using clamma::Status;

int clamma_chat_query(struct txf_session* session, const clamma_txf_info_t* info,
                      const clamma_message_t* messages, size_t count) {
  if (session == nullptr || info == nullptr) {
    return clamma::ReportMissing(session, info, "clamma_chat_query");
  }
  uint64_t seed = 0;
  const Status status = clamma::StartChat(*FromHandle(session), *info, messages, count, &seed);
  return clamma::ReportQuery(*FromHandle(session), *info, status, seed);
}

int clamma_chat_render(const struct txf* txf, const clamma_txf_info_t* info,
                       const clamma_message_t* messages, size_t count, int opens_answer, char* text,
                       size_t max, size_t* size) {
  if (txf == nullptr || size == nullptr || (messages == nullptr && count > 0) ||
      (text == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_chat_render");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  RenderedText rendered;
  const Status status =
      clamma::Render(transformer, info, messages, count, opens_answer != 0, &rendered);
  if (status.ok()) {
    *size = rendered.text.size();
    if (*size <= max) std::copy_n(rendered.text.data(), *size, text);
  }
  return clamma::Return(transformer.log, status);
}

int clamma_chat_encode(const struct txf* txf, const clamma_txf_info_t* info,
                       const clamma_message_t* messages, size_t count, int opens_answer,
                       tok_id_t* tokens, size_t max, size_t* n_tokens) {
  if (txf == nullptr || n_tokens == nullptr || (messages == nullptr && count > 0) ||
      (tokens == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_chat_encode");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  RenderedText rendered;
  Status status = clamma::Render(transformer, info, messages, count, opens_answer != 0, &rendered);
  clamma::Array<clamma::TokenId> encoded;
  if (status.ok()) {
    status = transformer.chat_format->Encode(transformer.memory, rendered, nullptr, 0, &encoded,
                                             n_tokens);
  }
  if (status.ok() && *n_tokens <= max) std::copy_n(encoded.data(), *n_tokens, tokens);
  return clamma::Return(transformer.log, status);
}
