// SPDX-License-Identifier: MIT
#include "engine.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

namespace clamma_python {
namespace {

using clamma::detail::Check;

// Threads that are started meanwhile take no signals: those are for Python's threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_ = {};
};

}  // namespace

std::shared_ptr<clamma::Model> Engine::Open(const clamma::ModelOptions& options) {
  const SignalsBlocked blocked;  // for the compute threads, which inherit it
  return std::make_shared<clamma::Model>(options);
}

Engine::~Engine() {
  Unregister();
  Close();
}

std::shared_ptr<clamma::Model> Engine::model() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (model_ == nullptr) throw clamma::Error("the model is closed");
  return model_;
}

void Engine::EnsureThread() {
  if (thread_.joinable()) return;
  const SignalsBlocked blocked;
  thread_ = std::thread(&Engine::Loop, this);
}

void Engine::Loop() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  const std::shared_ptr<clamma::Model> model = model_;
  size_t seen = 0;
  while (!stop_) {
    if (seen == starts_) {
      work_.wait(lock);
      continue;
    }
    seen = starts_;
    while (!stop_) {
      lock.unlock();
      const bool served = clamma_txf_step_next(model->handle()) != 0;
      lock.lock();
      if (!served) break;
    }
  }
}

void Engine::Start(const std::shared_ptr<SessionHandle>& session, const Request& request,
                   const Engine* draft, const std::shared_ptr<RunningQuery>& running) {
  const std::shared_ptr<clamma::Model> model = this->model();
  const std::shared_ptr<clamma::Model> draft_model = draft == nullptr ? nullptr : draft->model();
  const clamma::Query& query = request.query;
  const clamma::detail::ChatList chat(request.chat);
  std::vector<const char*> stop_strings;
  for (const std::string& text : query.stop_strings) {
    stop_strings.push_back(clamma::detail::NoNul(text));
  }
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = clamma::detail::Prompt(query);
  info.system = clamma::detail::System(query);
  info.limit = query.limit;
  clamma::detail::SetSampling(query, &info);
  clamma::detail::SetGrammar(query, &info);
  info.prefix_salt = query.prefix_salt;
  info.draft_tokens = query.draft_tokens;
  if (draft_model != nullptr) info.draft_txf = draft_model->handle();
  info.stop_strings = stop_strings.data();
  info.stop_string_count = stop_strings.size();
  info.stop_tokens = query.stop_tokens.data();
  info.stop_token_count = query.stop_tokens.size();
  info.chat_tools = chat.info.chat_tools;
  info.chat_arguments = chat.info.chat_arguments;
  running->Attach(query, request.wants_logprobs, request.wants_progress, &info);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) throw clamma::Error("the model is closed");
    EnsureThread();
    running_.push_back(running);  // before the query starts, and so may end
  }
  const int failed = request.is_chat
                         ? clamma_chat_query(session->get(), &info, chat.data(), chat.size())
                         : clamma_session_query(session->get(), &info);
  if (failed != 0) Forget(running.get());
  Check(failed == 0);
  const std::lock_guard<std::mutex> lock(mutex_);
  ++starts_;
  work_.notify_one();
}

void Engine::Forget(RunningQuery* query) noexcept {
  std::shared_ptr<RunningQuery> forgotten;  // destroyed without the mutex
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [query](const auto& running) { return running.get() == query; });
  if (found == running_.end()) return;
  forgotten = std::move(*found);
  running_.erase(found);
}

// Ends the thread after its step, and then all queries.
void Engine::End(const char* reason) noexcept {
  const std::lock_guard<std::mutex> one(end_mutex_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  std::vector<std::shared_ptr<RunningQuery>> left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    left.swap(running_);
  }
  for (const auto& query : left) query->Abandon(reason);
}

void Engine::Stop() noexcept { End("the interpreter is exiting"); }

void Engine::Close() noexcept {
  End("the model was closed");
  std::shared_ptr<clamma::Model> closed;  // destroyed without the mutex
  const std::lock_guard<std::mutex> lock(mutex_);
  closed = std::move(model_);
}

SessionHandle::SessionHandle(Engine* engine) : engine_(engine), model_(engine->weak_model()) {
  const std::shared_ptr<clamma::Model> model = engine->model();
  char reason[clamma::detail::kMaxReason] = "";
  session_ = clamma_session_construct_desc(model->handle(), reason, sizeof(reason));
  if (session_ == nullptr) throw clamma::Error(reason);
}

SessionHandle::~SessionHandle() {
  const std::shared_ptr<clamma::Model> model = model_.lock();
  if (model != nullptr) clamma_session_destroy(session_);
}

void SessionHandle::GetFacts(clamma_session_facts_t* session, clamma_query_facts_t* query,
                             std::vector<tok_id_t>* tokens) const {
  Check(clamma_session_facts(session_, session) == 0);
  Check(clamma_query_facts(session_, query) == 0);
  *tokens = ContextOf(session_);
  const size_t before = std::min(tokens->size(), query->prompt_tokens);
  tokens->erase(tokens->begin(), tokens->begin() + static_cast<ptrdiff_t>(before));
}

std::vector<tok_id_t> ContextOf(const txf_session* session) {
  return clamma::detail::All<std::vector<tok_id_t>>(
      [session](tok_id_t* tokens, size_t max, size_t* count) {
        return clamma_session_get_tokens(session, tokens, max, count);
      });
}

}  // namespace clamma_python
