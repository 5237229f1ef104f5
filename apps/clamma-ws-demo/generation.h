// SPDX-License-Identifier: MIT
// The text that is generated for a visitor, two stories or the answer of a chat. It passes text
// from the generating thread to the serving thread. The size of text that is not fetched yet is
// bounded.
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
  kStories,  // two texts side by side continue a prompt
  kChat      // one text answers a conversation
};

// Each text is a stream, with its own session.
inline constexpr size_t kMaxStreams = 2;
constexpr size_t StreamsOf(Mode mode) { return mode == Mode::kStories ? 2 : 1; }

struct ChatMessage {
  bool is_answer = false;  // of the model, not of the user
  std::string content;
};

// A visitor's request.
struct Request {
  Mode mode = Mode::kStories;
  std::optional<std::string> prompt;  // kStories; no value: the model begins a story of its own
  std::vector<ChatMessage> messages;  // kChat: alternating, the user's first and last
  float temperature = 1.0f;
  float topp = 0.9f;
  size_t length = 0;      // most tokens of a text; 0: max_length
  size_t max_length = 0;  // the limit for all visitors; 0: until the context is full
  uint64_t seed = 0;      // of the first stream, the second has seed + 1; 0: from the clock
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

// The name for the page and the metrics.
std::string_view Name(Ending ending);

// The progress of a stream.
struct Progress {
  size_t tokens = 0;             // generated so far
  double tokens_per_second = 0;  // since the first token
  uint64_t seed = 0;
  size_t forgotten = 0;      // number of oldest messages for which the context has no room
  size_t prompt_tokens = 0;  // while the prompt is processed: its length
  size_t read_tokens = 0;    // ... and the number of processed tokens
};

// The changes of a stream since the last fetch.
struct StreamUpdate {
  size_t stream = 0;
  std::string text;
  Progress progress;
  std::optional<Ending> ending;
  std::string reason;  // of an error
};

// The generating thread calls Add(), Report(), End(), abandoned() and TakeStop(); the serving
// thread calls the other functions.
class Generation {
 public:
  // `on_update` is called on the generating thread when there is something to fetch again.
  Generation(Request request, size_t max_bytes, std::function<void()> on_update)
      : request_(std::move(request)), max_bytes_(max_bytes), on_update_(std::move(on_update)) {}

  const Request& request() const { return request_; }
  size_t n_streams() const { return StreamsOf(request_.mode); }

  // Adds text to a stream. Returns false, and adds nothing, if more than max_bytes would wait.
  bool Add(size_t stream, std::string_view text, const Progress& progress);

  // Reports the progress of a stream that has no text yet.
  void Report(size_t stream, const Progress& progress);

  // Ends a stream: no text follows.
  void End(size_t stream, Ending ending, const Progress& progress, std::string_view reason);

  // Takes the changes, in order of the streams; streams without changes are left out.
  std::vector<StreamUpdate> Fetch();

  // Requests to the generating thread, which checks them between two steps. They are flags, not
  // queued commands, so that they need no memory.
  void Stop() { stop_wanted_ = true; }
  void Abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }
  bool TakeStop() { return stop_wanted_.exchange(false); }  // whether Stop() was called since

  bool has_updates() const;
  bool ended() const;  // all streams, fetched or not

 private:
  struct Pending {
    bool is_new = false;
    bool ended = false;
    StreamUpdate update;
  };

  // Marks a stream as changed; returns whether no stream had changes before. Needs the lock.
  bool MarkNew(Pending& pending);

  const Request request_;
  const size_t max_bytes_;
  const std::function<void()> on_update_;
  std::atomic<bool> stop_wanted_ = false;
  std::atomic<bool> abandoned_ = false;
  mutable std::mutex mutex_;
  std::array<Pending, kMaxStreams> pending_;  // needs the lock
  size_t bytes_ = 0;                          // of text not fetched yet; needs the lock
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_GENERATION_H_
