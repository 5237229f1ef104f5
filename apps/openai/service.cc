// SPDX-License-Identifier: MIT
#include "openai/service.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "openai/call.h"
#include "openai/chat_request.h"
#include "openai/completion_request.h"
#include "openai/counters.h"
#include "openai/embedding.h"
#include "openai/errors.h"
#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/json_value.h"
#include "openai/listing.h"
#include "openai/model.h"
#include "openai/responses_request.h"
#include "openai/token_endpoints.h"
#include "openai/work_queue.h"

namespace openai {

const char* NameOf(Endpoint endpoint) {
  static constexpr std::array<const char*, kEndpoints> kNames = {
      "models",   "model",      "chat_completions", "completions", "responses",     "embeddings",
      "tokenize", "detokenize", "apply_template",   "props",       "tokenizer_info"};
  return kNames[static_cast<size_t>(endpoint)];
}

namespace {

// Requests that wait for a worker, those of clients that have left among them, may have as many
// bytes as so many of the largest bodies, but at least so many.
constexpr size_t kQueuedBodies = 16;
constexpr size_t kMinQueuedBytes = size_t{16} << 20;

// Says which constraints of a schema were dropped.
void AddLoosened(const Plan& plan, std::vector<Header>* headers) {
  const std::string dropped = Generation::CheckConstraint(plan);
  if (!dropped.empty()) headers->push_back({"x-clamma-loosened", dropped});
}

class ServiceOfModels : public Service {
 public:
  ServiceOfModels(Options options, std::vector<std::unique_ptr<openai::Model>> models)
      : options_(std::move(options)),
        models_(std::move(models)),
        queue_({options_.sessions, options_.workers, options_.max_waiting,
                std::max(kMinQueuedBytes, kQueuedBodies * options_.max_body_bytes)},
               Handles(models_), [this](const std::shared_ptr<Call>& call) { Prepare(call); }) {}

  std::shared_ptr<Ticket> Submit(Request request, std::shared_ptr<Answer> answer) noexcept override;
  void Drain() noexcept override { is_draining_ = true; }
  bool idle() const noexcept override { return queue_.idle(); }
  Counts counts() const override;

 private:
  static std::vector<const txf*> Handles(
      const std::vector<std::unique_ptr<openai::Model>>& models) {
    std::vector<const txf*> handles;
    handles.reserve(models.size());
    for (const auto& model : models) handles.push_back(model->handle());
    return handles;
  }

  void Prepare(const std::shared_ptr<Call>& call) noexcept;
  void Serve(const std::shared_ptr<Call>& call);
  void ServeBody(const std::shared_ptr<Call>& call);
  openai::Model& ModelOf(Fields& fields);
  void LogUnknown(const Fields& fields, Endpoint endpoint) const;
  template <typename Request>
  void Chat(const std::shared_ptr<Call>& call, const Fields& fields, Request request);
  void Complete(const std::shared_ptr<Call>& call, Fields& fields, openai::Model& model);
  void Continue(const std::shared_ptr<Call>& call, CompletionRequest request,
                std::vector<EchoedPrompt> echoes);
  void EmbedLater(const std::shared_ptr<Call>& call, Fields& fields, openai::Model& model);
  void Admit(const std::shared_ptr<Generation>& generation, bool streams);
  template <typename Work>
  void Guarded(const std::shared_ptr<Call>& call, const Work& work) noexcept;
  RequestLimits limits() const { return {options_.sessions, options_.max_tokens}; }

  const Options options_;
  const std::vector<std::unique_ptr<openai::Model>> models_;
  Counters counters_;
  std::atomic<bool> is_draining_{false};
  WorkQueue queue_;  // last: its threads use the other members
};

std::shared_ptr<Service::Ticket> ServiceOfModels::Submit(Request request,
                                                         std::shared_ptr<Answer> answer) noexcept {
  const Endpoint endpoint = request.endpoint;
  try {
    auto call = std::make_shared<Call>(std::move(request), answer, counters_);
    if (!queue_.Push(call)) call->Fail(QueueFull());
    return call;
  } catch (const std::exception&) {
    counters_.AddAnswer(endpoint, 503);
    answer->Begin(503, {}, false);
    answer->Send("", R"({"error":{}})");  // so short that it needs no memory
    answer->End({});
    return nullptr;
  }
}

Service::Counts ServiceOfModels::counts() const {
  Counts counts = counters_.Copy();
  const WorkQueue::Numbers numbers = queue_.numbers();
  counts.parsing = numbers.parsing;
  counts.waiting = numbers.waiting;
  counts.running = numbers.running;
  counts.sessions = options_.sessions;
  for (const auto& model : models_) {
    clamma_txf_facts_t facts = {};
    if (clamma_txf_facts(model->handle(), &facts) != 0) continue;
    counts.models.push_back({model->id(), facts.model_bytes, facts.kv_bytes, facts.kv_idle_bytes,
                             facts.prefix_hits, facts.prefix_tokens_saved});
  }
  return counts;
}

// Runs work that answers a call, and answers by what it throws.
template <typename Work>
void ServiceOfModels::Guarded(const std::shared_ptr<Call>& call, const Work& work) noexcept {
  try {
    if (call->cancelled()) return call->EndCancelled({});
    work();
  } catch (const ApiError& error) {
    call->Fail(error);
  } catch (const std::bad_alloc&) {
    call->Fail(NoMemory());
  } catch (const std::exception& error) {
    try {
      call->Fail(Failed(error.what()));
    } catch (const std::exception&) {
      call->Fail(NoMemory());
    }
  }
}

void ServiceOfModels::Prepare(const std::shared_ptr<Call>& call) noexcept {
  Guarded(call, [&] {
    if (is_draining_ && !call->request().body.empty()) throw Draining();
    Serve(call);
  });
}

void ServiceOfModels::Serve(const std::shared_ptr<Call>& call) {
  switch (call->request().endpoint) {
    case Endpoint::kModels:
      return call->Reply(200, {}, ListModels(models_), {});
    case Endpoint::kModel:
      for (const auto& model : models_) {
        if (model->id() != call->request().model) continue;
        return call->Reply(200, {}, DescribeModel(*model), {});
      }
      throw ModelNotFound(call->request().model);
    case Endpoint::kProps:
      return call->Reply(200, {}, DescribeProps(models_, options_), {});
    case Endpoint::kTokenizerInfo:
      return call->Reply(200, {}, DescribeTokenizer(*models_.front()), {});
    default:
      return ServeBody(call);
  }
}

void ServiceOfModels::ServeBody(const std::shared_ptr<Call>& call) {
  const std::string& text = call->request().body;
  if (text.size() > options_.max_body_bytes) {
    throw ApiError(413, "invalid_request_error",
                   "The body has more than " + std::to_string(options_.max_body_bytes) + " bytes");
  }
  Value body;
  std::string reason;
  if (!ParseJson(text, {options_.max_json_depth}, &body, &reason)) {
    throw InvalidRequest("The body cannot be read: " + reason, "", "invalid_json");
  }
  call->DropBody();
  Fields fields(body, "");
  openai::Model& model = ModelOf(fields);
  const uint64_t salt = call->request().salt;
  switch (call->request().endpoint) {
    case Endpoint::kChatCompletions:
      return Chat(call, fields, ReadChatRequest(fields, model, salt, limits()));
    case Endpoint::kCompletions:
      return Complete(call, fields, model);
    case Endpoint::kResponses:
      return Chat(call, fields, ReadResponsesRequest(fields, model, salt, limits()));
    case Endpoint::kEmbeddings:
      return EmbedLater(call, fields, model);
    case Endpoint::kTokenize:
      return call->Reply(200, {}, Tokenize(fields, model), {});
    case Endpoint::kDetokenize:
      return call->Reply(200, {}, Detokenize(fields, model), {});
    case Endpoint::kApplyTemplate:
      return call->Reply(200, {}, ApplyTemplate(fields, model), {});
    default:
      throw Failed("This endpoint has no body");
  }
}

// With one model, any name stands for it; with several, a request without a name gets the first.
openai::Model& ServiceOfModels::ModelOf(Fields& fields) {
  const std::string* const name = fields.Text("model");
  if (models_.size() == 1 || name == nullptr) return *models_.front();
  for (const auto& model : models_) {
    if (model->id() == *name) return *model;
  }
  throw ModelNotFound(*name);
}

void ServiceOfModels::LogUnknown(const Fields& fields, Endpoint endpoint) const {
  if (options_.log == nullptr) return;
  constexpr size_t kMaxNames = 8;
  constexpr size_t kMaxName = 64;
  const std::vector<std::string> unknown = fields.Unknown();
  if (unknown.empty()) return;
  std::string line = std::string(NameOf(endpoint)) + ": ignored, as unknown:";
  for (size_t i = 0; i < std::min(unknown.size(), kMaxNames); ++i) {
    line += ' ';
    const std::string_view name = unknown[i];
    AppendQuoted(name.substr(0, kMaxName), &line);
  }
  if (unknown.size() > kMaxNames) {
    line += " and " + std::to_string(unknown.size() - kMaxNames) + " more";
  }
  options_.log(line);
}

template <typename Request>
void ServiceOfModels::Chat(const std::shared_ptr<Call>& call, const Fields& fields,
                           Request request) {
  LogUnknown(fields, call->request().endpoint);
  AddLoosened(request.plan, &request.answer.headers);
  const bool streams = request.answer.streams;
  auto output = std::make_unique<typename Request::Output>(call, *request.plan.model,
                                                           std::move(request.answer));
  Admit(std::make_shared<Generation>(call, std::move(request.plan), std::move(output), queue_,
                                     counters_),
        streams);
}

void ServiceOfModels::Complete(const std::shared_ptr<Call>& call, Fields& fields,
                               openai::Model& model) {
  CompletionRequest request = ReadCompletionRequest(fields, model, call->request().salt, limits());
  LogUnknown(fields, call->request().endpoint);
  if (!request.answer.echo) return Continue(call, std::move(request), {});
  if (!request.plan.wants_logprobs) {
    std::vector<EchoedPrompt> echoes = EchoPrompts(request.plan, *call);
    if (call->cancelled()) return call->EndCancelled({});  // some prompts may have no echo
    return Continue(call, std::move(request), std::move(echoes));
  }
  auto later = std::make_shared<CompletionRequest>(std::move(request));
  const bool admitted = queue_.AdmitLong([this, call, later] {
    Guarded(call, [&] {
      std::vector<EchoedPrompt> echoes = EchoPrompts(later->plan, *call);
      if (call->cancelled()) return call->EndCancelled({});
      Continue(call, std::move(*later), std::move(echoes));
    });
  });
  if (!admitted) throw QueueFull();
}

// Generates behind the prompts, unless "max_tokens" is 0.
void ServiceOfModels::Continue(const std::shared_ptr<Call>& call, CompletionRequest request,
                               std::vector<EchoedPrompt> echoes) {
  const bool streams = request.answer.streams;
  const size_t choices = request.answer.choices;
  auto output = std::make_unique<CompletionAnswer>(call, *request.plan.model,
                                                   std::move(request.answer), std::move(echoes));
  if (request.generates) {
    return Admit(std::make_shared<Generation>(call, std::move(request.plan), std::move(output),
                                              queue_, counters_),
                 streams);
  }
  Usage usage;
  for (const Prompt& prompt : request.plan.prompts) usage.prompt_tokens += prompt.tokens.size();
  output->Begin();
  for (size_t i = 0; i < choices; ++i) output->EndChoice(i, Ending::kLength);
  output->Finish(usage);
}

void ServiceOfModels::EmbedLater(const std::shared_ptr<Call>& call, Fields& fields,
                                 openai::Model& model) {
  auto request = std::make_shared<EmbeddingRequest>(ReadEmbeddingRequest(fields, model));
  LogUnknown(fields, call->request().endpoint);
  const bool admitted =
      queue_.AdmitLong([this, call, request] { Guarded(call, [&] { Embed(*request, *call); }); });
  if (!admitted) throw QueueFull();
}

void ServiceOfModels::Admit(const std::shared_ptr<Generation>& generation, bool streams) {
  generation->call().SetCancellable(generation);
  const bool waits = queue_.MustWait();
  if (waits) generation->CheckPrompts();
  if (!queue_.Admit(generation)) throw QueueFull();
  if (waits && streams) generation->BeginEarly();
}

}  // namespace

std::unique_ptr<Service> Service::Make(std::vector<Model> models, Options options,
                                       std::string* reason) noexcept {
  try {
    if (models.empty()) {
      *reason = "no model is named";
      return nullptr;
    }
    options.sessions = std::max(options.sessions, 1u);
    options.workers = std::max(options.workers, 2u);
    NoMemory();  // makes it while there is memory
    std::vector<std::unique_ptr<openai::Model>> opened;
    for (const Model& model : models) {
      opened.push_back(openai::Model::Open(model, options, reason));
      if (opened.back() == nullptr) return nullptr;
    }
    return std::make_unique<ServiceOfModels>(std::move(options), std::move(opened));
  } catch (const std::exception& error) {
    try {
      *reason = error.what();
    } catch (const std::exception&) {
      reason->clear();
    }
    return nullptr;
  }
}

}  // namespace openai
