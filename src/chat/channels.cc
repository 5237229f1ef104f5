// SPDX-License-Identifier: MIT
#include "chat/channels.h"

#include <algorithm>

#include "platform/text.h"

namespace clamma {

struct ChannelFormat {
  const char* start;
  const char* channel;
  const char* message;
  std::string_view model;      // the model's role
  std::string_view reasoning;  // the channel of its reasoning
};

namespace {

// How the marks are used is told by OpenAI's "harmony response format".
constexpr ChannelFormat kFormats[] = {
    {"<|start|>", "<|channel|>", "<|message|>", "assistant", "analysis"},
};

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kOpenMark = "<think>\n";
constexpr std::string_view kCloseMark = "\n</think>\n\n";
constexpr std::string_view kParting = "\n\n";
static_assert(kCloseMark.size() == ChannelReader::kMaxMark);

}  // namespace

ChannelMarks FindChannelMarks(const Tokenizer& tokenizer) {
  for (const ChannelFormat& format : kFormats) {
    const ChannelMarks marks = {&format, tokenizer.Find(format.start),
                                tokenizer.Find(format.channel), tokenizer.Find(format.message)};
    if (marks.start != kNoToken && marks.channel != kNoToken && marks.message != kNoToken) {
      return marks;
    }
  }
  return {};
}

ChannelReader::ChannelReader(const ChannelMarks& marks, const Tokenizer& tokenizer,
                             const TokenId* tokens, size_t n)
    : marks_(marks) {
  if (marks_.format == nullptr) return;
  for (size_t i = 0; i < n; ++i) {
    Read(tokens[i], tokenizer.Bytes(tokens[i]));
    if (!is_model_) in_think_ = false;  // its next answer is another
  }
}

void ChannelReader::BeginName(Part part) {
  part_ = part;
  name_size_ = 0;
  name_ended_ = false;
}

void ChannelReader::AddToName(std::string_view bytes) {
  for (const char byte : bytes) {
    name_ended_ = name_ended_ || byte == ' ' || byte == '\n';
    if (name_ended_ || name_size_ == sizeof(name_)) return;
    name_[name_size_++] = byte;
  }
}

// A role or a channel is complete.
void ChannelReader::EndName() {
  const std::string_view name(name_, name_size_);
  if (part_ == Part::kRole) is_model_ = name == marks_.format->model;
  const bool reasons = part_ == Part::kChannel && is_model_ && name == marks_.format->reasoning;
  part_ = reasons ? Part::kReasoning : Part::kSaid;
}

ChannelReader::Output ChannelReader::Read(TokenId token, std::string_view bytes) {
  if (marks_.format == nullptr) return {{}, bytes};
  if (token == marks_.start) {
    BeginName(Part::kRole);
  } else if (token == marks_.channel) {
    EndName();
    BeginName(Part::kChannel);
  } else if (token == marks_.message) {
    EndName();
    parts_ = in_think_;
  } else if (part_ == Part::kRole || part_ == Part::kChannel) {
    AddToName(bytes);
  } else if (!bytes.empty() && part_ == Part::kReasoning) {
    const std::string_view mark = !in_think_ ? kOpenMark : parts_ ? kParting : std::string_view();
    in_think_ = true;
    parts_ = false;
    return {mark, bytes};
  } else if (!bytes.empty()) {
    const std::string_view mark = in_think_ ? kCloseMark : std::string_view();
    in_think_ = false;
    return {mark, bytes};
  }
  return {};
}

bool PartReasoning(std::string_view answer, std::string_view* reasoning, std::string_view* said) {
  if (!StartsWith(answer, kOpen)) return false;
  answer.remove_prefix(kOpen.size());
  if (StartsWith(answer, "\n")) answer.remove_prefix(1);
  const size_t end = std::min(answer.find(kClose), answer.size());
  *reasoning = Front(answer, end);
  if (end < answer.size() && !reasoning->empty() && reasoning->back() == '\n') {
    reasoning->remove_suffix(1);
  }
  answer.remove_prefix(std::min(end + kClose.size(), answer.size()));
  *said = answer;
  for (int i = 0; i < 2 && StartsWith(*said, "\n"); ++i) said->remove_prefix(1);
  return true;
}

}  // namespace clamma
