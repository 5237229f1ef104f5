// SPDX-License-Identifier: MIT
#include "stories.h"

#include <algorithm>
#include <new>

namespace demo {

std::string_view Name(Ending ending) {
  switch (ending) {
    case Ending::kEndOfText:
      return "end_of_text";
    case Ending::kLimit:
      return "limit";
    case Ending::kContextFull:
      return "context_full";
    case Ending::kStopped:
      return "stopped";
    case Ending::kTooSlow:
      return "too_slow";
    case Ending::kError:
      break;
  }
  return "error";
}

bool Stories::Freshen(Story& story) {
  const bool none = std::none_of(stories_.begin(), stories_.end(),
                                 [](const Story& other) { return other.fresh; });
  story.fresh = true;
  return none;
}

bool Stories::Add(size_t story, std::string_view text, const Progress& progress) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (text.size() > most_bytes_ - bytes_) return false;
    stories_[story].news.text += text;
    bytes_ += text.size();
    stories_[story].news.progress = progress;
    first = Freshen(stories_[story]);
  }
  if (first) on_news_();
  return true;
}

void Stories::End(size_t story, Ending ending, const Progress& progress, std::string_view reason) {
  {
    const std::lock_guard lock(mutex_);
    News& news = stories_[story].news;
    news.progress = progress;
    news.ending = ending;
    try {
      news.reason = reason;
    } catch (const std::bad_alloc&) {
      news.reason.clear();  // that it ended matters more than why
    }
    stories_[story].ended = true;
    Freshen(stories_[story]);
  }
  on_news_();  // always: an end makes room for others
}

std::vector<News> Stories::Fetch() {
  std::vector<News> all;
  all.reserve(kStories);
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < kStories; ++i) {
    Story& story = stories_[i];
    if (!story.fresh) continue;
    story.news.story = i;
    all.push_back(std::move(story.news));
    story.news = {};
    story.fresh = false;
  }
  bytes_ = 0;
  return all;
}

bool Stories::has_news() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(stories_.begin(), stories_.end(),
                     [](const Story& story) { return story.fresh; });
}

bool Stories::ended() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(stories_.begin(), stories_.end(),
                     [](const Story& story) { return story.ended; });
}

}  // namespace demo
