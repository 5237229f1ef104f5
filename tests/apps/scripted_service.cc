// SPDX-License-Identifier: MIT
// A service for the tests of clamma-server's HTTP: it does what the body of a request says, so that
// every order of events can be brought about, and no model is needed. The body is an object:
//   status   of the answer (200)
//   wait     milliseconds before the answer begins
//   events   0: a body; else a stream of so many events, which are numbered
//   bytes    of each event beside its number, or of the body
//   silence  milliseconds after the beginning, before the first event
//   pause    milliseconds between events
//   fail     true: the stream ends with an error event, without [DONE]
//   header   a value for x-clamma-loosened
// The body of an answer tells the request's endpoint, model, salt and size. CLAMMA_SCRIPTED_LOAD is
// how many milliseconds it takes to load the models; with CLAMMA_SCRIPTED_FAILURE that fails.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "json.h"
#include "openai/service.h"

namespace openai {
namespace {

using std::chrono::milliseconds;

struct Script {
  int status = 200;
  uint64_t wait = 0, events = 0, bytes = 0, silence = 0, pause = 0;
  bool fail = false;
  std::string header;
};

Script Read(const std::string& body) {
  Script script;
  const std::optional<Json> json = Json::Parse(body);
  if (!json || !json->is_object()) return script;
  const auto number = [&json](const char* name, uint64_t value) {
    const Json* found = json->Find(name);
    return found == nullptr ? value : found->whole();
  };
  script.status = static_cast<int>(number("status", 200));
  script.wait = number("wait", 0);
  script.events = number("events", 0);
  script.bytes = number("bytes", 0);
  script.silence = number("silence", 0);
  script.pause = number("pause", 0);
  if (const Json* fail = json->Find("fail")) script.fail = fail->boolean();
  if (const Json* header = json->Find("header")) script.header = header->text();
  return script;
}

class ScriptedTicket : public Service::Ticket {
 public:
  void Cancel() noexcept override {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    changed_.notify_all();
  }

  // Returns false if it is cancelled before.
  bool Sleep(uint64_t time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, milliseconds(time), [this] { return is_cancelled_; });
    return !is_cancelled_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_cancelled_ = false;
};

class ScriptedService : public Service {
 public:
  explicit ScriptedService(size_t sessions) { counts_.sessions = sessions; }

  ~ScriptedService() override {
    for (const auto& ticket : tickets_) ticket->Cancel();
    for (std::thread& thread : threads_) thread.join();
  }

  std::shared_ptr<Ticket> Submit(Request request,
                                 std::shared_ptr<Answer> answer) noexcept override {
    auto ticket = std::make_shared<ScriptedTicket>();
    const std::lock_guard lock(mutex_);
    tickets_.push_back(ticket);
    ++counts_.running;
    threads_.emplace_back([this, ticket, request = std::move(request), answer = std::move(answer)] {
      const Usage usage = Play(request, *ticket, *answer);
      {
        const std::lock_guard counting(mutex_);
        counts_.generated_tokens += usage.completion_tokens;
        counts_.cancelled += ticket->Sleep(0) ? 0 : 1;
        --counts_.running;
      }
      answer->End(usage);
    });
    return ticket;
  }

  void Drain() noexcept override {}
  bool idle() const noexcept override { return counts().running == 0; }
  Counts counts() const override {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  static Usage Play(const Request& request, ScriptedTicket& ticket, Answer& answer) {
    const Script script = Read(request.body);
    Usage usage = {.prompt_tokens = 10, .cached_tokens = 4, .completion_tokens = 0};
    if (!ticket.Sleep(script.wait)) {
      answer.Begin(499, {}, false);
      return usage;
    }
    std::vector<Header> headers;
    if (!script.header.empty()) headers.push_back({"x-clamma-loosened", script.header});
    answer.Begin(script.status, headers, script.events > 0);
    if (script.events == 0) {
      const Json body = Json::Object({{"endpoint", NameOf(request.endpoint)},
                                      {"model", request.model},
                                      {"salt", std::to_string(request.salt)},
                                      {"size", uint64_t{request.body.size()}},
                                      {"fill", std::string(script.bytes, 'x')}});
      answer.Send("", body.Text());
      usage.completion_tokens = 1;
      return usage;
    }
    if (!ticket.Sleep(script.silence)) return usage;
    for (uint64_t i = 0; i < script.events; ++i) {
      if (i > 0 && !ticket.Sleep(script.pause)) return usage;
      const std::string event = request.endpoint == Endpoint::kResponses ? "response.delta" : "";
      const Json data = Json::Object({{"number", i}, {"fill", std::string(script.bytes, 'x')}});
      if (!answer.Send(event, data.Text())) return usage;
      ++usage.completion_tokens;
    }
    answer.Send("", script.fail ? "{\"error\":{\"message\":\"scripted\"}}" : "[DONE]");
    return usage;
  }

  mutable std::mutex mutex_;
  Counts counts_;
  std::vector<std::shared_ptr<ScriptedTicket>> tickets_;
  std::vector<std::thread> threads_;
};

}  // namespace

const char* NameOf(Endpoint endpoint) {
  static constexpr std::array<const char*, kEndpoints> kNames = {
      "models",   "model",      "chat_completions", "completions", "responses",     "embeddings",
      "tokenize", "detokenize", "apply_template",   "props",       "tokenizer_info"};
  return kNames[static_cast<size_t>(endpoint)];
}

std::unique_ptr<Service> Service::Make(std::vector<Model>, Options options,
                                       std::string* reason) noexcept {
  if (const char* load = std::getenv("CLAMMA_SCRIPTED_LOAD")) {
    std::this_thread::sleep_for(milliseconds(std::atoi(load)));
  }
  if (std::getenv("CLAMMA_SCRIPTED_FAILURE") != nullptr) {
    *reason = "the models cannot be loaded";
    return nullptr;
  }
  return std::make_unique<ScriptedService>(options.sessions);
}

}  // namespace openai
