// SPDX-License-Identifier: MIT
// Separates a model's reasoning, between <think> and </think> at the beginning of an answer, from
// its content.
#ifndef CLAMMA_APPS_OPENAI_REASONING_SPLIT_H_
#define CLAMMA_APPS_OPENAI_REASONING_SPLIT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace openai {

class ReasoningSplit {
 public:
  // `begins_inside`: the prompt has opened the reasoning already.
  explicit ReasoningSplit(bool begins_inside)
      : place_(begins_inside ? Place::kInside : Place::kBeginning) {}

  // Of a text whose reasoning has ended.
  static ReasoningSplit Ended() {
    ReasoningSplit split(false);
    split.place_ = Place::kContent;
    return split;
  }

  // Adds a piece, and appends what is known to be reasoning, or content. The marks belong to
  // neither, nor does the white space at the marks' inner sides and before the content behind them.
  void Add(std::string_view piece, std::string* reasoning, std::string* content);

  // The text has ended: what was held back is what it looked like.
  void Finish(std::string* reasoning, std::string* content);

  // Whether what follows is content for sure.
  bool in_content() const { return place_ == Place::kContent; }
  // Whether the reasoning has begun, and no content behind it.
  bool in_reasoning() const { return place_ == Place::kInside || place_ == Place::kBehind; }
  // Whether nothing is known yet.
  bool at_beginning() const { return place_ == Place::kBeginning; }

 private:
  enum class Place : uint8_t { kBeginning, kInside, kBehind, kContent };

  bool AddInside(std::string* reasoning);

  Place place_;
  bool has_reasoning_ = false;
  std::string held_;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_REASONING_SPLIT_H_
