/* SPDX-License-Identifier: MIT
 *
 * clamma.h and clamma-extra.h for C++20: handles that clean up after themselves, functions as
 * callbacks, reasons as exceptions. Header-only; link what you link for the C API.
 *
 *     clamma::Model model({.checkpoint = "stories260K.bin", .tokenizer = "tok512.bin"});
 *     clamma::Session session(model);
 *     std::cout << session.Generate({.prompt = "Once upon a time", .limit = 50});
 *
 * What the calls do, and the values' ranges, are said in the C headers. Beyond that:
 *
 * Errors: a call that fails throws Error with the library's reason. Nothing is printed.
 *
 * Callbacks may throw: the query is then cancelled, and Step(), Run() or Generate() throws the same
 * exception once the step is over. (So step by these, not by the C call.)
 *
 * Lifetime: a session keeps its model alive, and callbacks live until their query has ended. Model
 * and Session can be moved at any time, while a query runs and from inside its callbacks, too; what
 * was moved from can only be assigned to or destroyed, else Error.
 *
 * Threads: as in C, but one object of these is for one thread at a time, except that Cancel() may
 * come from any. Stepping, also while others use their objects, is for any thread; an exception
 * goes to the thread whose step called the callback.
 */
#ifndef CLAMMA_HPP
#define CLAMMA_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clamma-extra.h"
#include "clamma.h"

// The library's own classes are in namespace clamma, too, some by the same names. The inline
// namespace makes these here other symbols, so that a static library and a program that uses both
// never mix them up; for users it is not there.
namespace clamma {
inline namespace cxx {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a model is made of; see clamma_txf_info_t.
struct ModelOptions {
  std::string checkpoint = {};  // path
  std::string tokenizer = "tokenizer.bin";
  clamma_model_access_t access = CLAMMA_MODEL_ACCESS_MMAP;
  std::span<const std::byte> model_bytes = {};      // ABSOLUTE_ADDRESS; must outlive the model
  std::span<const std::byte> tokenizer_bytes = {};  // if not empty, in place of the file; likewise
  size_t cache_limit = 0;                           // bytes; 0: none
  unsigned threads = 0;                             // 0: all usable cores
  clamma_model_type_t type = CLAMMA_MODEL_GEN;
  clamma_kv_type_t kv_type = CLAMMA_KV_F32;
  unsigned max_sessions = 0;  // 0: as many as the build allows
  std::string name = {};      // for messages, at most 32 bytes; "": the checkpoint's file name
};

// What a query asks; see clamma_session_query().
struct Query {
  std::optional<std::string> prompt = {};  // none is not ""
  std::string system = {};
  size_t limit = 0;       // tokens; 0: until the context is full
  float temperature = 0;  // 0: always the likeliest token
  float topp = 0;         // 0: off
  uint64_t seed = 0;      // 0: from the clock; Session::Facts() tells it
  unsigned top_k = 0;
  float min_p = 0;
  float repetition_penalty = 0;
};

// Gets each piece of text: whole characters of UTF-8. False cancels the query.
using OnText = std::function<bool(std::string_view text)>;
// Told why the query ended; `reason` is the library's for CLAMMA_DONE_ERROR, else "".
using OnDone = std::function<void(clamma_done_t why, std::string_view reason)>;

struct TextScore {
  size_t tokens;
  double log_likelihood, perplexity;
  std::vector<float> logprobs;  // (tokens): ln p of each
};

namespace detail {

// The library calls back on the thread that called it, so each thread has these for itself.
constexpr size_t kMaxReason = 512;  // bytes; the library's are not longer
inline thread_local char last_reason[kMaxReason];
inline thread_local std::exception_ptr thrown;  // by a callback of the step under way

inline void KeepReason(void*, const char* message) noexcept {
  std::snprintf(last_reason, kMaxReason, "%s", message);
}
inline void KeepException() noexcept {
  if (thrown == nullptr) thrown = std::current_exception();
}
inline void Check(bool good) {
  if (!good) throw Error(last_reason);
}
inline const char* NoNul(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw Error("a path or prompt has a NUL byte in it");
  return text.c_str();
}

// A query on its way; the library knows its address.
struct Progress : std::enable_shared_from_this<Progress> {
  OnText on_text;
  OnDone on_done;
  clamma_done_t why = CLAMMA_DONE_ERROR;  // this and `reason`: once `running` is false
  char reason[kMaxReason] = "";
  std::atomic<bool> running = true;

  // Callbacks may drop the last reference to what they are part of: each holds one of its own.
  static int Text(void* opaque, const char* text) noexcept {
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    try {
      return self->on_text == nullptr || self->on_text(text) ? 0 : 1;
    } catch (...) {
      KeepException();
      return 1;
    }
  }
  static void Done(void* opaque, clamma_done_t why) noexcept {
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    self->why = why;
    if (why == CLAMMA_DONE_ERROR) std::memcpy(self->reason, last_reason, kMaxReason);
    self->on_text = nullptr;
    const OnDone on_done = std::exchange(self->on_done, nullptr);
    self->running = false;  // from here on the session may be asked again
    try {
      if (on_done != nullptr) on_done(why, self->reason);
    } catch (...) {
      KeepException();
    }
  }
};

}  // namespace detail

// Serves the next of all sessions with a query, of every model: one step of a prompt, or one token.
// False: there is none, or this is inside a callback.
inline bool Step() {
  const bool served = clamma_sessions_step_next() != 0;
  if (detail::thrown != nullptr) std::rethrow_exception(std::exchange(detail::thrown, nullptr));
  return served;
}

// Steps until no session has a query.
inline void Run() {
  while (Step()) continue;
}

class Model {
 public:
  explicit Model(const ModelOptions& o) {
    char desc[1024] = "";
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = detail::NoNul(o.checkpoint);
    info.tokenizer_path = detail::NoNul(o.tokenizer);
    info.model_access = o.access;
    info.model_base = const_cast<std::byte*>(o.model_bytes.data());  // which is only read
    info.model_size = o.model_bytes.size();
    info.tokenizer_base = o.tokenizer_bytes.empty() ? nullptr : o.tokenizer_bytes.data();
    info.tokenizer_size = o.tokenizer_bytes.size();
    info.cache_limit = o.cache_limit;
    info.threads = o.threads;
    info.model_type = o.type;
    info.kv_type = o.kv_type;
    info.max_sessions = o.max_sessions;
    if (o.name.size() > sizeof(info.name)) throw Error("the name is longer than 32 bytes");
    std::memcpy(info.name, o.name.data(), o.name.size());
    info.desc = desc;
    info.desc_max = sizeof(desc);
    info.log_cb = detail::KeepReason;
    txf* handle = clamma_txf_construct(&info);
    detail::Check(handle != nullptr);
    handle_.reset(handle, clamma_txf_destroy);
    description_ = desc;
  }
  Model(Model&&) noexcept = default;
  Model& operator=(Model&&) noexcept = default;

  // The configuration as text.
  const std::string& description() const noexcept { return description_; }

  clamma_txf_facts_t Facts() const {
    clamma_txf_facts_t facts = {};
    detail::Check(clamma_txf_facts(handle(), &facts) == 0);
    return facts;
  }

  // Any bytes; by default as a prompt is encoded. See CLAMMA_ENCODE_*.
  std::vector<tok_id_t> Encode(std::string_view text,
                               unsigned flags = CLAMMA_ENCODE_BOS |
                                                CLAMMA_ENCODE_DUMMY_PREFIX) const {
    std::vector<tok_id_t> tokens(text.size() + 3);  // one a byte at most, BOS, the prefix, EOS
    size_t count = 0;
    detail::Check(clamma_encode(handle(), text.data(), text.size(), flags, tokens.data(),
                                tokens.size(), &count) == 0);
    tokens.resize(count);
    return tokens;
  }

  std::string Decode(std::span<const tok_id_t> tokens) const {
    std::string text;
    size_t size = 0;
    do {  // it tells the size where there is no room
      text.resize(size);
      detail::Check(clamma_decode(handle(), tokens.data(), tokens.size(), text.data(), text.size(),
                                  &size) == 0);
    } while (size != text.size());
    return text;
  }

  TextScore Score(std::string_view text) const {
    std::vector<float> logprobs(text.size() + 1);  // a token a byte at most, and the prefix
    clamma_score_t score = {};
    detail::Check(clamma_score(handle(), text.data(), text.size(), &score, logprobs.data(),
                               logprobs.size()) == 0);
    logprobs.resize(score.tokens);
    return {score.tokens, score.log_likelihood, score.perplexity, std::move(logprobs)};
  }

  // For what is not wrapped; it stays the model's.
  txf* handle() const {
    if (handle_ == nullptr) throw Error("this model was moved from");
    return handle_.get();
  }

 private:
  friend class Session;
  std::shared_ptr<txf> handle_;
  std::string description_;
};

class Session {
 public:
  explicit Session(const Model& model) : state_(std::make_unique<State>()) {
    state_->handle.reset(clamma_session_construct(model.handle()));
    detail::Check(state_->handle != nullptr);
    state_->model = model.handle_;
  }
  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;

  // Starts a query, which Step() serves from then on. If it is refused the session is as it was.
  void Start(const Query& query, OnText on_text, OnDone on_done = nullptr) {
    if (running()) throw Error("the session has a query running");
    const auto progress = std::make_shared<detail::Progress>();
    progress->on_text = std::move(on_text);
    progress->on_done = std::move(on_done);
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.issue_cb = detail::Progress::Text;
    info.done_cb = detail::Progress::Done;
    info.opaque_user_pointer = progress.get();
    info.prompt = query.prompt.has_value() ? detail::NoNul(*query.prompt) : nullptr;
    info.system = query.system.empty() ? nullptr : detail::NoNul(query.system);
    info.limit = query.limit;
    info.temperature = query.temperature;
    info.topp = query.topp;
    info.rng_seed = query.seed;
    info.top_k = query.top_k;
    info.min_p = query.min_p;
    info.repetition_penalty = query.repetition_penalty;
    txf_session* session = handle();
    detail::Check(clamma_session_query(session, &info) == 0);
    state_->progress = progress;
  }

  // Runs a query to its end, serving other sessions meanwhile, and returns its text. Where it
  // throws, the query is cancelled. Not from inside a callback.
  std::string Generate(const Query& query = {}) {
    const auto text = std::make_shared<std::string>();
    Start(query, [text](std::string_view piece) {
      text->append(piece);
      return true;
    });
    const std::shared_ptr<detail::Progress> progress = state_->progress;
    try {
      while (progress->running) {
        if (!Step() && progress->running) throw Error("Generate() was called inside a callback");
      }
    } catch (...) {
      Cancel();
      throw;
    }
    if (progress->why == CLAMMA_DONE_ERROR) throw Error(progress->reason);
    return std::move(*text);
  }

  // Ends the query at its next step, by CLAMMA_DONE_CANCELLED.
  void Cancel() noexcept {
    if (state_ != nullptr) clamma_sessions_query_cancel(state_->handle.get());
  }

  bool running() const noexcept {
    return state_ != nullptr && state_->progress != nullptr && state_->progress->running;
  }

  // Why the last query ended; none while one runs, or before the first.
  std::optional<clamma_done_t> done() const noexcept {
    if (state_ == nullptr || state_->progress == nullptr || running()) return std::nullopt;
    return state_->progress->why;
  }

  clamma_session_facts_t Facts() const {
    clamma_session_facts_t facts = {};
    detail::Check(clamma_session_facts(handle(), &facts) == 0);
    return facts;
  }

  // For what is not wrapped; it stays the session's.
  txf_session* handle() const {
    if (state_ == nullptr) throw Error("this session was moved from");
    return state_->handle.get();
  }

 private:
  struct Destroy {
    void operator()(txf_session* session) const noexcept { clamma_session_destroy(session); }
  };
  struct State {  // destroyed from the last to the first
    std::shared_ptr<txf> model;
    std::shared_ptr<detail::Progress> progress;
    std::unique_ptr<txf_session, Destroy> handle;
  };
  std::unique_ptr<State> state_;
};

}  // namespace cxx
}  // namespace clamma

#endif  // CLAMMA_HPP
