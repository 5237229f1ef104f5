// SPDX-License-Identifier: MIT
// The requests of the OpenAI API, without HTTP: JSON in, events out. A Service owns its models, one
// thread that steps them, and a few workers that parse, render, tokenise and compile, so that
// neither a step nor the caller waits for that. Nothing throws across this interface.
#ifndef CLAMMA_APPS_OPENAI_SERVICE_H_
#define CLAMMA_APPS_OPENAI_SERVICE_H_

#include <clamma.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace openai {

enum class Endpoint : uint8_t {
  kModels,           // GET /v1/models
  kModel,            // GET /v1/models/{id}
  kChatCompletions,  // POST /v1/chat/completions
  kCompletions,      // POST /v1/completions
  kResponses,        // POST /v1/responses
  kEmbeddings,       // POST /v1/embeddings
  kTokenize,         // POST /tokenize
  kDetokenize,       // POST /detokenize
  kApplyTemplate,    // POST /apply-template
  kProps,            // GET /props
  kTokenizerInfo     // GET /tokenizer_info
};
inline constexpr size_t kEndpoints = 11;

// For logs and the labels of metrics: "chat_completions".
const char* NameOf(Endpoint endpoint);

struct Request {
  Endpoint endpoint = Endpoint::kModels;
  std::string model;  // kModel: the id in the path, with percent signs decoded
  std::string body;   // JSON; empty for what GET asks for
  uint64_t salt = 0;  // of the prefix cache, such as a hash of the key. The request's cache_salt is
                      // combined with it
};

struct Usage {
  size_t prompt_tokens = 0;
  size_t cached_tokens = 0;      // of the prompt: those that were not computed again
  size_t completion_tokens = 0;  // of all choices
  size_t reasoning_tokens = 0;   // of these, those of the reasoning and its marks
};

struct Header {
  std::string name;  // in lower case
  std::string value;
};

// Receives the answer to a request. Called on the service's threads, one call at a time for one
// answer. The functions must return at once and must not call the service; none may throw: where
// memory is short, Send() returns false. The service keeps the object until End() has returned.
class Answer {
 public:
  Answer() = default;
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  virtual ~Answer() = default;

  // First, exactly once. `streams`: events follow, any number of them; else one Send() with the
  // body, which is JSON. If the request was cancelled before anything was known of it, the status
  // is 499, and no Send() follows.
  virtual void Begin(int status, const std::vector<Header>& headers, bool streams) noexcept = 0;

  // An event of a stream, whose name may be empty, and whose data may be "[DONE]"; or the body.
  // Returns false if the reader is gone or too slow: the request then ends as cancelled.
  virtual bool Send(std::string_view event, std::string data) noexcept = 0;

  // Last, exactly once, unless the Service is destroyed first.
  virtual void End(const Usage& usage) noexcept = 0;
};

class Service {
 public:
  struct Model {
    std::string id;               // what clients call it
    std::string path;             // a path or a name, as apps/common/models.h resolves it
    std::string vocabulary = "";  // its path; "": the one that belongs to the model
  };

  struct Options {
    unsigned sessions = 16;  // texts that are generated at the same time, of all models together
    unsigned threads = 0;    // compute threads of each model, which take turns; 0: all cores
    unsigned context = 0;    // positions of a session; 0: the model's
    clamma_kv_type_t kv_type = CLAMMA_KV_AUTO;
    uint64_t prefix_cache_bytes = 0;  // of each model
    unsigned workers = 2;             // threads that parse and compile; at least 2
    size_t max_waiting = 64;          // requests that wait for a session; more get 429
    size_t max_body_bytes = size_t{4} << 20;
    unsigned max_json_depth = 64;
    size_t max_tokens = 0;  // of an answer; 0: as many as the context has positions
    int64_t date = 0;  // local, in seconds since 1970-01-01: what templates see; 0: the clock's
    // A text that is no secret, such as a system prompt: as far as prompts begin like it, all
    // salts share the prefix cache. "": none.
    std::string shared_prefix;
    // The log of what an operator should know, one line a call, without the contents of requests.
    // Called on any thread; nullptr: dropped.
    std::function<void(std::string_view line)> log;
  };

  // Opens the models. Returns nullptr and a reason if one cannot be opened.
  static std::unique_ptr<Service> Make(std::vector<Model> models, Options options,
                                       std::string* reason) noexcept;

  // Cancels what runs; the answers of requests that have not ended get no further call.
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  class Ticket {
   public:
    Ticket() = default;
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    virtual ~Ticket() = default;
    // Any thread; returns at once. The request ends within a step, even in the middle of its
    // prompt: its answer gets no further event, only Begin(), if that is due, and End().
    virtual void Cancel() noexcept = 0;
  };

  // Takes a request and returns at once. The answer may begin, and end, before this returns.
  // (Where there is no memory to take the request at all, the answer, 503, is given on the caller's
  // thread, and the result is nullptr.)
  virtual std::shared_ptr<Ticket> Submit(Request request,
                                         std::shared_ptr<Answer> answer) noexcept = 0;

  // From now on requests are answered by 503 with Retry-After; what was taken goes on.
  virtual void Drain() noexcept = 0;
  // Whether no request waits or runs.
  virtual bool idle() const noexcept = 0;

  // A histogram of seconds: entry i counts values up to kBuckets[i], the last one all others.
  struct Histogram {
    static constexpr std::array<double, 14> kBuckets = {
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
    std::array<uint64_t, kBuckets.size() + 1> counts = {};
    double sum = 0;
    uint64_t count = 0;
    void Add(double seconds);
  };

  struct ModelCounts {
    std::string id;
    uint64_t model_bytes = 0;
    uint64_t kv_bytes = 0, kv_idle_bytes = 0;  // of all contexts; of those, the prefix cache
    uint64_t prefix_hits = 0, prefix_tokens_saved = 0;
  };

  // Since the service was made, unless "now" is said.
  struct Counts {
    // By endpoint, and by the hundreds of the status: requests[e][4] were answered by 4xx.
    std::array<std::array<uint64_t, 6>, kEndpoints> requests = {};
    uint64_t cancelled = 0;  // requests, whatever their status
    size_t parsing = 0;      // now: requests that no worker has finished with
    size_t waiting = 0;      // now: requests that wait for a session
    size_t running = 0;      // now: texts that are generated
    size_t sessions = 0;     // of Options
    uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
    Histogram first_token;     // from Submit() to the first token
    Histogram between_tokens;  // of one text
    std::vector<ModelCounts> models;
  };
  virtual Counts counts() const = 0;

 protected:
  Service() = default;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_SERVICE_H_
