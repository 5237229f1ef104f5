// SPDX-License-Identifier: MIT
// What is generated for a visitor, two stories or the answer of a chat, on its way from the thread
// that generates to the one that serves. What has not been fetched yet is bounded.
#ifndef CLAMMA_WS_DEMO_GENERATION_H_
#define CLAMMA_WS_DEMO_GENERATION_H_

#include <array>
#include <atomic>
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

enum class Mode : uint8_t {
  kStories,  // two texts at once go on from a prompt
  kChat      // one text answers a conversation
};

// Each text is a stream, which takes a session.
inline constexpr size_t kMaxStreams = 2;
constexpr size_t StreamsOf(Mode mode) { return mode == Mode::kStories ? 2 : 1; }

struct ChatMessage {
  bool is_answer = false;  // the model's, not the user's
  std::string content;
};

// What a visitor asks for.
struct Request {
  Mode mode = Mode::kStories;
  std::optional<std::string> prompt;  // kStories; none: the model opens a story of its own
  std::vector<ChatMessage> messages;  // kChat: in turns, the user's first and last
  float temperature = 1.0f;
  float topp = 0.9f;
  size_t length = 0;      // most tokens of a text; 0: max_length
  size_t max_length = 0;  // ... of any visitor's; 0: until the context is full
  uint64_t seed = 0;      // of the first stream, the second has the next one; 0: from the clock
};

enum class Ending : uint8_t {
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

// How far a stream is.
struct Progress {
  size_t tokens = 0;             // generated so far
  double tokens_per_second = 0;  // since the first of them
  uint64_t seed = 0;
  size_t forgotten = 0;      // oldest messages of a chat for which the context has no room
  size_t prompt_tokens = 0;  // while the prompt is processed: how many it has, and
  size_t read_tokens = 0;    // ... how many of them are done
};

// What is new of a stream since it was last fetched.
struct StreamUpdate {
  size_t stream = 0;
  std::string text;
  Progress progress;
  std::optional<Ending> ending;
  std::string reason;  // of an error
};

// Add(), Report(), End(), abandoned() and TakeStop() are the generating thread's, all else the
// serving thread's.
class Generation {
 public:
  // `on_update` is called, on the generating thread, when there was nothing to fetch and now there
  // is.
  Generation(Request request, size_t max_bytes, std::function<void()> on_update)
      : request_(std::move(request)), max_bytes_(max_bytes), on_update_(std::move(on_update)) {}

  const Request& request() const { return request_; }
  size_t n_streams() const { return StreamsOf(request_.mode); }

  // Adds text to a stream. Returns false, and adds nothing, if more than max_bytes would wait.
  bool Add(size_t stream, std::string_view text, const Progress& progress);

  // Tells how far a stream is that has no text yet.
  void Report(size_t stream, const Progress& progress);

  // No text of this stream comes any more.
  void End(size_t stream, Ending ending, const Progress& progress, std::string_view reason);

  // Takes what is new, in order of the streams; those that have nothing new are left out.
  std::vector<StreamUpdate> Fetch();

  // What the visitor wants of the generating thread, which looks at it between two steps: flags and
  // not commands, as there is always memory for them.
  void Stop() { stop_wanted_ = true; }
  void Abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }
  bool TakeStop() { return stop_wanted_.exchange(false); }  // whether it was called since

  bool has_updates() const;
  bool ended() const;  // all streams, fetched or not

 private:
  struct Pending {
    bool is_new = false;
    bool ended = false;
    StreamUpdate update;
  };

  // Notes that there is something of it to fetch; returns whether there was nothing of any stream
  // before. Needs the lock.
  bool MarkNew(Pending& pending);

  const Request request_;
  const size_t max_bytes_;
  const std::function<void()> on_update_;
  std::atomic<bool> stop_wanted_ = false;
  std::atomic<bool> abandoned_ = false;
  mutable std::mutex mutex_;
  std::array<Pending, kMaxStreams> pending_;  // under the lock
  size_t bytes_ = 0;                          // of text that waits, under the lock
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_GENERATION_H_
