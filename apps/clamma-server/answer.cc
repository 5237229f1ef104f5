// SPDX-License-Identifier: MIT
#include "answer.h"

#include <algorithm>
#include <new>

namespace server {
namespace {

// An event as the HTML standard's "server-sent events" has it.
void AppendEvent(std::string* bytes, std::string_view event, std::string_view data) {
  if (!event.empty()) {
    *bytes += "event: ";
    *bytes += event;
    *bytes += '\n';
  }
  while (true) {
    const size_t end = std::min(data.find('\n'), data.size());
    *bytes += "data: ";
    *bytes += data.substr(0, end);
    *bytes += '\n';
    if (end == data.size()) break;
    data.remove_prefix(end + 1);
  }
  *bytes += '\n';
}

}  // namespace

void ReadyList::Add(uint64_t connection) noexcept {
  bool was_empty = true;
  {
    const std::lock_guard lock(mutex_);
    was_empty = ready_.empty() && !is_incomplete_;
    try {
      ready_.push_back(connection);
    } catch (const std::bad_alloc&) {
      is_incomplete_ = true;
    }
  }
  if (was_empty) wake_();
}

std::vector<uint64_t> ReadyList::Take(bool* is_incomplete) {
  const std::lock_guard lock(mutex_);
  *is_incomplete = std::exchange(is_incomplete_, false);
  return std::exchange(ready_, {});
}

void PendingAnswer::Notify() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (is_notified_) return;
    is_notified_ = true;
  }
  ready_->Add(connection_);
}

void PendingAnswer::Begin(int status, const std::vector<openai::Header>& headers,
                          bool streams) noexcept {
  {
    const std::lock_guard lock(mutex_);
    news_.has_begun = true;
    news_.status = status;
    news_.streams = streams;
    try {
      news_.headers = headers;
    } catch (const std::bad_alloc&) {
      news_.has_overrun = true;
    }
  }
  // A body follows at once, and the loop needs it for the head.
  if (streams) Notify();
}

bool PendingAnswer::Send(std::string_view event, std::string data) noexcept {
  bool is_kept = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_abandoned_ || news_.has_overrun) return false;
    const size_t before = news_.bytes.size();
    try {
      if (!news_.streams) {
        news_.bytes = std::move(data);
        is_kept = true;
      } else if (before - taken_ <= kMaxUnread + large_) {
        AppendEvent(&news_.bytes, event, data);
        is_kept = true;
        const size_t size = news_.bytes.size() - before;
        if (size > kMaxUnread) large_ = std::max(large_, size);
      }
    } catch (const std::bad_alloc&) {
      news_.bytes.resize(before);  // no part of an event
    }
    news_.has_overrun = !is_kept;
  }
  Notify();
  return is_kept;
}

void PendingAnswer::End(const openai::Usage& usage) noexcept {
  {
    const std::lock_guard lock(mutex_);
    news_.has_ended = true;
    news_.usage = usage;
  }
  Notify();
}

PendingAnswer::News PendingAnswer::Take(size_t most) {
  const std::lock_guard lock(mutex_);
  is_notified_ = false;
  News news = {.has_begun = news_.has_begun,
               .status = news_.status,
               .streams = news_.streams,
               .headers = {},
               .bytes = {},
               .has_overrun = news_.has_overrun,
               .has_ended = news_.has_ended,
               .usage = news_.usage};
  std::string& bytes = news_.bytes;
  if (!news_.streams) {
    if (news_.has_ended) news.bytes = std::exchange(bytes, {});
  } else if (taken_ == 0 && bytes.size() <= most) {
    news.bytes = std::exchange(bytes, {});
  } else {
    news.bytes = bytes.substr(taken_, most);
    taken_ += news.bytes.size();
    if (taken_ >= bytes.size() / 2) {  // so that bytes are moved seldom
      bytes.erase(0, taken_);
      taken_ = 0;
    }
  }
  if (bytes.size() == taken_) large_ = 0;
  news.has_ended = news_.has_ended && (!news_.streams || bytes.size() == taken_);
  if (news_.streams || news_.has_ended) news.headers = std::exchange(news_.headers, {});
  return news;
}

void PendingAnswer::Abandon() noexcept {
  const std::lock_guard lock(mutex_);
  is_abandoned_ = true;
  news_.bytes = {};
  taken_ = 0;
}

}  // namespace server
