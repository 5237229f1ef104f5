// SPDX-License-Identifier: MIT
// A service with models made for the test, and answers that record what they are given.
#ifndef CLAMMA_TESTS_OPENAI_SERVICE_FIXTURE_H_
#define CLAMMA_TESTS_OPENAI_SERVICE_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "chat_models.h"
#include "openai/json_value.h"
#include "openai/service.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace clamma_test {

// What came of a request, and a check that the calls came in order.
class RecordedAnswer : public openai::Answer {
 public:
  struct Event {
    std::string name, data;
  };

  void Begin(int status, const std::vector<openai::Header>& headers,
             bool streams) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(status_, 0) << "begins once";
    EXPECT_FALSE(ended_);
    status_ = status;
    headers_ = headers;
    streams_ = streams;
    changed_.notify_all();
  }
  bool Send(std::string_view event, std::string data) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_NE(status_, 0) << "begins before it sends";
    EXPECT_FALSE(ended_);
    EXPECT_TRUE(streams_ || events_.empty()) << "one body";
    events_.push_back({std::string(event), std::move(data)});
    changed_.notify_all();
    return on_send_ == nullptr || on_send_(events_.size());
  }
  void End(const openai::Usage& usage) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_NE(status_, 0) << "begins before it ends";
    EXPECT_FALSE(ended_) << "ends once";
    usage_ = usage;
    ended_ = true;
    changed_.notify_all();
  }

  // Called with the number of events so far; returns what Send() returns.
  void OnSend(std::function<bool(size_t)> on_send) { on_send_ = std::move(on_send); }

  bool WaitForEnd() {
    return WaitFor([this] { return ended_; });
  }
  bool WaitForEvents(size_t count) {
    return WaitFor([&] { return events_.size() >= count || ended_; });
  }
  bool WaitForBegin() {
    return WaitFor([this] { return status_ != 0; });
  }

  template <typename Get>
  auto Locked(const Get& get) const {
    const std::lock_guard lock(mutex_);
    return get();
  }
  int status() const {
    return Locked([this] { return status_; });
  }
  bool streams() const {
    return Locked([this] { return streams_; });
  }
  bool ended() const {
    return Locked([this] { return ended_; });
  }
  openai::Usage usage() const {
    return Locked([this] { return usage_; });
  }
  std::vector<Event> events() const {
    return Locked([this] { return events_; });
  }
  std::string HeaderOf(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    for (const openai::Header& header : headers_) {
      if (header.name == name) return header.value;
    }
    return "";
  }
  // The body, parsed.
  openai::Value body() const {
    const std::lock_guard lock(mutex_);
    openai::Value value;
    std::string reason = "there is none";
    EXPECT_TRUE(!events_.empty() && openai::ParseJson(events_.back().data, {}, &value, &reason))
        << reason;
    return value;
  }
  std::string raw() const {
    const std::lock_guard lock(mutex_);
    return events_.empty() ? "" : events_.back().data;
  }

 private:
  template <typename Condition>
  bool WaitFor(const Condition& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;
  bool streams_ = false, ended_ = false;
  std::vector<openai::Header> headers_;
  std::vector<Event> events_;
  openai::Usage usage_;
  std::function<bool(size_t)> on_send_;
};

using AnswerPtr = std::shared_ptr<RecordedAnswer>;

// A member of nested objects and arrays: At(body, "choices.0.message.content"). Null if there is
// none.
inline openai::Value At(const openai::Value& value, const std::string& path) {
  const size_t dot = path.find('.');
  const std::string name = path.substr(0, dot);
  const openai::Value* found = value.Find(name);
  if (const auto* array = value.array()) {
    const size_t index = std::stoul(name);
    found = index < array->size() ? &(*array)[index] : nullptr;
  }
  if (found == nullptr) return openai::Value();
  return dot == std::string::npos ? *found : At(*found, path.substr(dot + 1));
}
inline std::string TextAt(const openai::Value& value, const std::string& path) {
  const openai::Value found = At(value, path);
  return found.text() == nullptr ? "(" + std::string(found.KindName()) + ")" : *found.text();
}
inline std::vector<openai::Value> ItemsAt(const openai::Value& value, const std::string& path) {
  const openai::Value found = At(value, path);
  return found.array() == nullptr ? std::vector<openai::Value>() : *found.array();
}
inline int64_t WholeAt(const openai::Value& value, const std::string& path) {
  int64_t whole = -1;
  EXPECT_TRUE(At(value, path).Whole(&whole)) << path << " of " << value.Text();
  return whole;
}

// The chunks of a stream, parsed; its end is checked.
inline std::vector<openai::Value> ChunksOf(const AnswerPtr& answer) {
  std::vector<openai::Value> chunks;
  const auto events = answer->events();
  EXPECT_FALSE(events.empty());
  for (const auto& event : events) {
    if (&event == &events.back()) {
      EXPECT_EQ(event.data, "[DONE]");
      break;
    }
    openai::Value chunk;
    std::string reason;
    EXPECT_TRUE(openai::ParseJson(event.data, {}, &chunk, &reason)) << reason << event.data;
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

// The text of a choice, put together from chunks: "delta.content", "delta.reasoning_content" or
// "text".
inline std::string Joined(const std::vector<openai::Value>& chunks, const std::string& member,
                          int64_t index = 0) {
  std::string text;
  for (const openai::Value& chunk : chunks) {
    const openai::Value choices = At(chunk, "choices");
    for (const openai::Value& choice : *choices.array()) {
      const openai::Value piece = At(choice, member);
      if (WholeAt(choice, "index") == index && piece.text() != nullptr) text += *piece.text();
    }
  }
  return text;
}

class ServiceTest : public ::testing::Test {
 protected:
  std::string WriteChatModel(const std::string& chat_template = kTemplate, uint32_t context = 512) {
    return folder_.Write("chat.gguf", MakeChatModel(chat_template, context).Build());
  }

  void Start(std::vector<openai::Service::Model> models, openai::Service::Options options = {}) {
    options.threads = 1;
    std::string reason;
    service_ = openai::Service::Make(std::move(models), std::move(options), &reason);
    ASSERT_NE(service_, nullptr) << reason;
  }

  struct Sent {
    AnswerPtr answer;
    std::shared_ptr<openai::Service::Ticket> ticket;
  };
  Sent Submit(openai::Endpoint endpoint, const std::string& body, uint64_t salt = 0) {
    Sent sent = {std::make_shared<RecordedAnswer>(), nullptr};
    sent.ticket = service_->Submit({endpoint, "", body, salt}, sent.answer);
    return sent;
  }
  // Submits and waits for the end.
  AnswerPtr Ask(openai::Endpoint endpoint, const std::string& body) {
    const Sent sent = Submit(endpoint, body);
    EXPECT_TRUE(sent.answer->WaitForEnd()) << body.substr(0, 500);
    return sent.answer;
  }
  AnswerPtr Chat(const std::string& body) { return Ask(openai::Endpoint::kChatCompletions, body); }

  TemporaryFolder folder_;
  std::unique_ptr<openai::Service> service_;
};

// With stories260K as the only model.
class StoriesTest : public ServiceTest {
 protected:
  void SetUp() override {
    CLAMMA_NEED_FILE(ModelPath("stories260K.bin"));
    Start({{"stories", ModelPath("stories260K.bin"), ModelPath("tok512.bin")}});
  }
  AnswerPtr Complete(const std::string& body) { return Ask(openai::Endpoint::kCompletions, body); }
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_OPENAI_SERVICE_FIXTURE_H_
