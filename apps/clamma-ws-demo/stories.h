// SPDX-License-Identifier: MIT
// The two stories that a visitor is told at once, on their way from the thread that generates to
// the one that serves. What has not been fetched yet is bounded.
#ifndef CLAMMA_WS_DEMO_STORIES_H_
#define CLAMMA_WS_DEMO_STORIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

inline constexpr size_t kStories = 2;

// What a visitor asks for.
struct Request {
  std::optional<std::string> prompt;  // none: the model opens a story of its own
  float temperature = 1.0f;
  float topp = 0.9f;
  uint64_t seed = 0;  // of the first story, the second has the next one; 0: from the clock
};

enum class Ending {
  kEndOfText,
  kLimit,
  kContextFull,
  kStopped,  // by the visitor, or because the server ends
  kTooSlow,  // the visitor did not fetch the text fast enough
  kError
};
inline constexpr size_t kEndings = 6;

// As the page and the metrics call it.
std::string_view Name(Ending ending);

// How far a story is.
struct Progress {
  size_t tokens = 0;             // generated so far
  double tokens_per_second = 0;  // since the first of them
  uint64_t seed = 0;
};

// What is new of a story since it was last fetched.
struct News {
  size_t story = 0;
  std::string text;
  Progress progress;
  std::optional<Ending> ending;
  std::string reason;  // of an error
};

// Add() and End() are the generating thread's, all else the serving thread's.
class Stories {
 public:
  // `on_news` is called, on the generating thread, when there was no news and now there is.
  Stories(Request request, size_t most_bytes, std::function<void()> on_news)
      : request_(std::move(request)), most_bytes_(most_bytes), on_news_(std::move(on_news)) {}

  const Request& request() const { return request_; }

  // Adds text to a story. Returns false, and adds nothing, if more than most_bytes would wait.
  bool Add(size_t story, std::string_view text, const Progress& progress);

  // No text of this story comes any more.
  void End(size_t story, Ending ending, const Progress& progress, std::string_view reason);

  // Takes what is new, in order of the stories; those that have nothing new are left out.
  std::vector<News> Fetch();

  bool has_news() const;
  bool ended() const;  // both of them, fetched or not

 private:
  struct Story {
    bool fresh = false;
    bool ended = false;
    News news;
  };

  // Notes that the story has news; returns whether there was none of either before. Needs the lock.
  bool Freshen(Story& story);

  const Request request_;
  const size_t most_bytes_;
  const std::function<void()> on_news_;
  mutable std::mutex mutex_;
  std::array<Story, kStories> stories_;  // under the lock
  size_t bytes_ = 0;                     // of text that waits, under the lock
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_STORIES_H_
