// SPDX-License-Identifier: MIT
// The answers of the service on their way to the loop: the service's threads write, the loop reads.
#ifndef CLAMMA_SERVER_ANSWER_H_
#define CLAMMA_SERVER_ANSWER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openai/service.h"

namespace server {

// The connections whose answers have something new. Any thread may add.
class ReadyList {
 public:
  // `wake` is called when the list was empty; it must not block.
  explicit ReadyList(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Add(uint64_t connection) noexcept;
  // Sets *is_incomplete if there was no memory for some: then any connection may be ready.
  std::vector<uint64_t> Take(bool* is_incomplete);

 private:
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<uint64_t> ready_;
  bool is_incomplete_ = false;
};

// An answer, as openai::Answer, whose bytes are kept until the loop takes them.
class PendingAnswer : public openai::Answer {
 public:
  // Bytes of events behind which no further one is kept. A larger event is kept whole, and does not
  // count.
  static constexpr size_t kMaxUnread = size_t{1} << 20;

  PendingAnswer(std::shared_ptr<ReadyList> ready, uint64_t connection)
      : ready_(std::move(ready)), connection_(connection) {}

  void Begin(int status, const std::vector<openai::Header>& headers,
             bool streams) noexcept override;
  bool Send(std::string_view event, std::string data) noexcept override;
  void End(const openai::Usage& usage) noexcept override;

  struct News {
    bool has_begun = false;
    int status = 0;
    bool streams = false;
    std::vector<openai::Header> headers;  // once: of a stream at its beginning, else at the end
    std::string bytes;                    // events of a stream as they are sent, or the body
    bool has_overrun = false;  // bytes were lost: the reader is too slow, or memory short
    bool has_ended = false;
    openai::Usage usage;
  };
  // What has come since the last call, of the bytes at most about so many.
  News Take(size_t most);

  // The reader is gone: Send() fails from now on.
  void Abandon() noexcept;

 private:
  void Notify() noexcept;

  const std::shared_ptr<ReadyList> ready_;
  const uint64_t connection_;
  std::mutex mutex_;  // protects the members below
  News news_;
  size_t taken_ = 0;  // of news_.bytes
  size_t large_ =
      0;  // the bytes of the largest event, if it alone exceeds kMaxUnread, until it is taken
  bool is_notified_ = false;
  bool is_abandoned_ = false;
};

}  // namespace server

#endif  // CLAMMA_SERVER_ANSWER_H_
