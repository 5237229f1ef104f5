// SPDX-License-Identifier: MIT
// A model with the thread that steps its queries, and sessions on it. The thread never takes the
// interpreter's lock: callbacks put what is generated into the RunningQuery.
#ifndef CLAMMA_PYTHON_ENGINE_H_
#define CLAMMA_PYTHON_ENGINE_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <clamma.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "interpreter.h"
#include "running_query.h"

namespace clamma_python {

// The texts and options of a query.
struct Request {
  clamma::Query query = {};
  clamma::Chat chat = {};
  bool is_chat = false;
  bool wants_logprobs = false;
  bool wants_progress = false;
};

class Engine final : public StoppedAtExit {
 public:
  explicit Engine(const clamma::ModelOptions& options) : model_(Open(options)) {}
  ~Engine() override;

  // Throws if the model is closed. While the result is held, the model is not destroyed.
  std::shared_ptr<clamma::Model> model() const;
  std::weak_ptr<clamma::Model> weak_model() const { return model(); }

  // Starts a query. The RunningQuery lives until it has ended.
  void Start(const std::shared_ptr<SessionHandle>& session, const Request& request,
             const Engine* draft, const std::shared_ptr<RunningQuery>& running);
  // Ends all queries, and frees the memory of the model when no other call uses it.
  void Close() noexcept;
  void Stop() noexcept override;
  // A query has ended. Called by the stepping thread.
  void Forget(RunningQuery* query) noexcept;

 private:
  static std::shared_ptr<clamma::Model> Open(const clamma::ModelOptions& options);
  void EnsureThread();
  void Loop() noexcept;
  void End(const char* reason) noexcept;

  mutable std::mutex mutex_;              // guards all below
  std::shared_ptr<clamma::Model> model_;  // nullptr once closed
  std::condition_variable work_;
  size_t starts_ = 0;  // number of queries that were started
  bool stop_ = false;
  std::vector<std::shared_ptr<RunningQuery>> running_;
  std::mutex end_mutex_;  // held by the one call that ends the thread
  std::thread thread_;
};

// A session of the library, which is destroyed with this object or with its model.
class SessionHandle {
 public:
  explicit SessionHandle(Engine* engine);
  SessionHandle(const SessionHandle&) = delete;
  SessionHandle& operator=(const SessionHandle&) = delete;
  ~SessionHandle();

  txf_session* get() const { return session_; }
  Engine* engine() const { return engine_; }
  // `tokens` receives those that the last query generated.
  void GetFacts(clamma_session_facts_t* session, clamma_query_facts_t* query,
                std::vector<tok_id_t>* tokens) const;

 private:
  Engine* engine_;  // valid while the model is
  std::weak_ptr<clamma::Model> model_;
  txf_session* session_ = nullptr;
};

// All tokens of a session's context.
std::vector<tok_id_t> ContextOf(const txf_session* session);

}  // namespace clamma_python

#endif  // CLAMMA_PYTHON_ENGINE_H_
