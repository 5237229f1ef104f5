/* SPDX-License-Identifier: MIT
 *
 * clamma.h and clamma-extra.h for C++20: handles that release what they own, functions as
 * callbacks, failures as exceptions. Header-only: link the same library as for the C API.
 *
 *     clamma::Model model({.checkpoint = "stories260K.bin", .tokenizer = "tok512.bin"});
 *     clamma::Session session(model);
 *     std::cout << session.Generate({.prompt = "Once upon a time", .limit = 50});
 *
 * The C headers document what the calls do and the ranges of the values. In addition:
 *
 * Errors: a call that fails throws Error with the library's reason. Nothing is printed.
 *
 * Callbacks may throw: the query is then cancelled, and Step(), Run() or Generate() throws the same
 * exception when the step has ended. (So use these to step, not the C call.) Save() and Restore()
 * rethrow what their Sink or Source throws.
 *
 * Lifetime: a session keeps its model alive, and a query keeps its callbacks alive until it has
 * ended. Model and Session can be moved at any time, also while a query runs and from inside its
 * callbacks. An object that was moved from can only be assigned to or destroyed; its other members
 * throw Error, except for the noexcept ones, which do nothing.
 *
 * Threads: as in C, but only one thread at a time may use an object; any thread may call Cancel().
 * Any thread may step, also while other threads use their objects. An exception is thrown in the
 * thread whose step called the callback.
 */
#ifndef CLAMMA_HPP
#define CLAMMA_HPP

// Microsoft's compiler has its language version in _MSVC_LANG. GCC 10 has 201709 for C++20.
#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) <= 201703L
#error "clamma.hpp needs C++20 (-std=c++20); clamma.h and clamma-extra.h work with any C++"
#else

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "clamma-extra.h"
#include "clamma.h"

// The library's own classes are also in namespace clamma, and some have the same names. The inline
// namespace gives the classes here different symbols, so that a program and a static library do not
// clash. Users need not name it.
namespace clamma {
inline namespace cxx {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// How to construct a model; see clamma_txf_info_t.
struct ModelOptions {
  std::string checkpoint = {};  // path
  std::string tokenizer = {};   // path; "": inside a GGUF model, else see "Files" in clamma.h
  clamma_model_access_t access = CLAMMA_MODEL_ACCESS_MMAP;
  std::span<const std::byte> model_bytes = {};      // ABSOLUTE_ADDRESS; must outlive the model
  std::span<const std::byte> tokenizer_bytes = {};  // if not empty, in place of the file; likewise
  size_t cache_limit = 0;                           // bytes; 0: no limit
  unsigned threads = 0;                             // 0: all usable cores
  clamma_model_type_t type = CLAMMA_MODEL_GEN;
  clamma_kv_type_t kv_type = CLAMMA_KV_F32;
  unsigned max_sessions = 0;  // 0: as many as the build allows
  std::string name = {};      // for messages, at most 32 bytes; "": the checkpoint's file name
  std::span<std::byte> arena = {};  // if not empty, all of the model's memory; must outlive it
  std::string chat_template = {};   // text or name; "": as NULL of clamma_txf_info_t
  std::string pre_tokenizer = {};   // "": the one that the file names
  unsigned context = 0;             // positions; 0: as many as the model was trained for
  uint64_t prefix_cache_bytes = 0;  // at most, of keys and values that no session has any more
};

// One message of a chat; see clamma_message_t. An empty string means that the field is absent,
// except for `content`.
struct Message {
  std::string role;
  std::string content = {};
  std::string content_parts = {};  // JSON, in place of content
  std::string name = {};
  std::string reasoning = {};
  std::string tool_calls = {};  // JSON
  std::string tool_call_id = {};
};

// A conversation, and the other inputs of the model's template.
struct Chat {
  std::vector<Message> messages = {};
  std::string tools = {};      // JSON: an array; "": none
  std::string arguments = {};  // JSON: an object; "": none
  int64_t time = 0;            // local, in seconds since 1970-01-01; 0: the clock's
};

// How likely a generated token was, and the likeliest tokens, likeliest first; see
// clamma_logprobs_cb_t. The spans are valid until the callback returns.
struct TokenLogprobs {
  tok_id_t token;
  float logprob;                         // natural logarithm of its probability
  std::span<const tok_id_t> top_tokens;  // (min(top_logprobs of the query, vocabulary size))
  std::span<const float> top_logprobs;   // the same shape
};
using OnLogprobs = std::function<void(const TokenLogprobs&)>;
// See clamma_logit_hash_cb_t.
using OnLogitHash = std::function<void(tok_id_t token, uint64_t hash)>;

// Is told how many positions have been processed, of how many; see clamma_progress_cb_t. Returning
// false cancels.
using OnProgress = std::function<bool(size_t processed, size_t total)>;

class Model;

// The parameters of a query; see clamma_txf_info_t and clamma_session_query().
struct Query {
  std::optional<std::string> prompt = {};  // no value is different from ""
  std::string system = {};
  size_t limit = 0;              // tokens; 0: until the context is full
  float temperature = 0;         // at least 0; 0: always the likeliest token
  float topp = 0;                // 0 .. 1; 0 and 1: off
  uint64_t seed = 0;             // 0: from the clock; Session::Facts() reports the seed used
  unsigned top_k = 0;            // 0: off
  float min_p = 0;               // 0 .. 1; 0: off
  float repetition_penalty = 0;  // at least 0; 0 and 1: off
  std::vector<std::string> stop_strings = {};  // the text ends before the first one that it reaches
  std::vector<tok_id_t> stop_tokens = {};      // each ends the text, as the model's own ends do
  std::vector<clamma_logit_bias_t> logit_bias = {};
  float frequency_penalty = 0;     // 0: off
  float presence_penalty = 0;      // 0: off
  OnLogprobs on_logprobs = {};     // if set: called for each token, before its text is issued
  unsigned top_logprobs = 0;       // how many of the likeliest tokens on_logprobs receives
  OnLogitHash on_logit_hash = {};  // if set: called for each token, before its text is issued
  OnProgress on_progress = {};     // if set: called after each part of the prompt
  // If one is set, the text matches this GBNF grammar or this regular expression, or is valid by
  // this JSON schema. If `grammar_trigger` is not empty, the text is free up to its first
  // occurrence.
  std::optional<std::string> grammar = {};
  std::optional<std::string> regex = {};
  std::string grammar_trigger = {};
  std::optional<std::string> json_schema = {};
  uint64_t prefix_salt = 0;  // only sessions of equal salts share keys and values,
  std::vector<tok_id_t> prefix_open_tokens = {};  // ... except for contexts that begin like these
  unsigned draft_tokens = 0;           // the most tokens that are drafted for a pass, 0 .. 15
  const Model* draft_model = nullptr;  // computes drafts; nullptr: looked up in the context
  bool json_schema_loose = false;  // drop constraints that are not supported: see CheckGrammar()
  // Like grammar_trigger; only one of the two may be given.
  std::optional<tok_id_t> grammar_trigger_token = {};
  bool grammar_repeats = false;  // after a match the text is free up to the next trigger
};

// Receives each piece of text: UTF-8, whole characters only. Returning false cancels the query.
using OnText = std::function<bool(std::string_view text)>;
// Called when the query has ended; `reason` is the library's for CLAMMA_DONE_ERROR, else "".
using OnDone = std::function<void(clamma_done_t why, std::string_view reason)>;

// Takes all bytes of a piece of a saved session, or fills all of them. Returns false on failure.
using Sink = std::function<bool(std::span<const std::byte> bytes)>;
using Source = std::function<bool(std::span<std::byte> bytes)>;

// See clamma_score_t.
struct TextScore {
  size_t tokens;
  double log_likelihood, perplexity;
  std::vector<float> logprobs;  // (tokens): the natural logarithm of each token's probability
};

namespace detail {

// The library calls back on the thread that called it, so each thread has its own of these.
constexpr size_t kMaxReason = 512;  // bytes; the library's reasons are not longer
inline thread_local char last_reason[kMaxReason];
inline thread_local std::exception_ptr thrown;  // by a callback of the current step

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
  if (text.find('\0') != std::string::npos) {
    throw Error("a path, prompt or stop string contains a NUL byte");
  }
  return text.c_str();
}
inline const char* Prompt(const Query& query) {
  return query.prompt.has_value() ? NoNul(*query.prompt) : nullptr;
}
inline const char* System(const Query& query) {
  return query.system.empty() ? nullptr : NoNul(query.system);
}

// Sets the constraints of the text; `info` is valid as long as the query.
inline void SetGrammar(const Query& query, clamma_txf_info_t* info) {
  if (query.grammar.has_value()) info->grammar = NoNul(*query.grammar);
  if (query.regex.has_value()) info->regex = NoNul(*query.regex);
  if (query.json_schema.has_value()) info->json_schema = NoNul(*query.json_schema);
  info->json_schema_loose = query.json_schema_loose ? 1 : 0;
  info->grammar_trigger = NoNul(query.grammar_trigger);
  if (query.grammar_trigger_token.has_value()) {
    info->grammar_trigger_token = &*query.grammar_trigger_token;
  }
  info->grammar_repeats = query.grammar_repeats ? 1 : 0;
}

// Sets the sampling options; `info` is valid as long as the query.
inline void SetSampling(const Query& query, clamma_txf_info_t* info) {
  info->temperature = query.temperature;
  info->topp = query.topp;
  info->rng_seed = query.seed;
  info->top_k = query.top_k;
  info->min_p = query.min_p;
  info->repetition_penalty = query.repetition_penalty;
  info->logit_bias = query.logit_bias.data();
  info->logit_bias_count = query.logit_bias.size();
  info->frequency_penalty = query.frequency_penalty;
  info->presence_penalty = query.presence_penalty;
}

// A chat in the form of the C API; valid as long as the chat.
class ChatList {
 public:
  explicit ChatList(const Chat& chat) {
    for (const Message& m : chat.messages) {
      clamma_message_t message = {};
      message.role = NoNul(m.role);
      message.content = m.content_parts.empty() ? NoNul(m.content) : Given(m.content);
      message.content_parts = Given(m.content_parts);
      message.name = Given(m.name);
      message.reasoning = Given(m.reasoning);
      message.tool_calls = Given(m.tool_calls);
      message.tool_call_id = Given(m.tool_call_id);
      messages_.push_back(message);
    }
    info.chat_tools = Given(chat.tools);
    info.chat_arguments = Given(chat.arguments);
    info.chat_time = chat.time;
  }
  const clamma_message_t* data() const { return messages_.data(); }
  size_t size() const { return messages_.size(); }
  clamma_txf_info_t info = {};

 private:
  static const char* Given(const std::string& text) { return text.empty() ? nullptr : NoNul(text); }
  std::vector<clamma_message_t> messages_;
};

// All items of a call that fills an array, or only counts the items if there is no room for them:
// call(data, max, &count).
template <typename Items, typename Call>
Items All(const Call& call) {
  Items items;
  size_t count = 0;
  do {
    items.resize(count);
    Check(call(items.data(), items.size(), &count) == 0);
  } while (count != items.size());
  return items;
}

// A query that was started; the opaque pointer of its callbacks.
struct Progress : std::enable_shared_from_this<Progress> {
  OnText on_text;
  OnDone on_done;
  OnLogprobs on_logprobs;
  OnLogitHash on_logit_hash;
  OnProgress on_progress;
  txf_session* session = nullptr;         // nullptr once it is destroyed
  clamma_done_t why = CLAMMA_DONE_ERROR;  // this and `reason` are valid once `running` is false
  char reason[kMaxReason] = "";
  std::atomic<bool> running = true;

  // A callback may drop the last reference to its Progress, so each function below holds one.
  static int Text(void* opaque, const char* text) noexcept {
    if (thrown != nullptr) return 1;  // on_logprobs or on_logit_hash threw for this token
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    try {
      return self->on_text == nullptr || self->on_text(text) ? 0 : 1;
    } catch (...) {
      KeepException();
      return 1;
    }
  }
  static void Logprobs(void* opaque, tok_id_t token, float logprob, size_t n_top,
                       const tok_id_t* top_tokens, const float* top_logprobs) noexcept {
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    try {
      self->on_logprobs({token, logprob, {top_tokens, n_top}, {top_logprobs, n_top}});
    } catch (...) {
      KeepException();
      clamma_sessions_query_cancel(self->session);
    }
  }
  static void LogitHash(void* opaque, tok_id_t token, uint64_t hash) noexcept {
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    try {
      self->on_logit_hash(token, hash);
    } catch (...) {
      KeepException();
      clamma_sessions_query_cancel(self->session);
    }
  }
  static int Part(void* opaque, size_t processed, size_t total) noexcept {
    const auto self = static_cast<Progress*>(opaque)->weak_from_this().lock();
    try {
      return self->on_progress(processed, total) ? 0 : 1;
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
    self->on_logprobs = nullptr;
    self->on_logit_hash = nullptr;
    self->on_progress = nullptr;
    const OnDone on_done = std::exchange(self->on_done, nullptr);
    self->running = false;  // from here on the session accepts another query
    try {
      if (on_done != nullptr) on_done(why, self->reason);
    } catch (...) {
      KeepException();
    }
  }
};

// Tells an OnProgress how far a call of the library has come.
struct CallProgress {
  const OnProgress& on_progress;
  std::exception_ptr exception = nullptr;

  clamma_progress_cb_t callback() const { return on_progress == nullptr ? nullptr : Tell; }
  static int Tell(void* opaque, size_t processed, size_t total) noexcept {
    auto* self = static_cast<CallProgress*>(opaque);
    try {
      return self->on_progress(processed, total) ? 0 : 1;
    } catch (...) {
      self->exception = std::current_exception();
      return 1;
    }
  }
  void CheckEnd(bool good) const {
    if (exception != nullptr) std::rethrow_exception(exception);
    Check(good);
  }
};

inline clamma_text_t TextOf(std::string_view text) {
  return {text.data(), text.size(), nullptr, 0};
}
inline std::vector<clamma_text_t> TextsOf(std::span<const std::string> texts) {
  std::vector<clamma_text_t> list;
  for (const std::string& text : texts) list.push_back(TextOf(text));
  return list;
}

// Passes the bytes of a saved session to a Sink (Byte is const std::byte) or from a Source.
template <typename Byte>
struct Transfer {
  using Void = std::conditional_t<std::is_const_v<Byte>, const void, void>;

  const std::function<bool(std::span<Byte>)>& pass;
  std::exception_ptr exception = nullptr;

  static int Pass(void* opaque, Void* bytes, size_t size) noexcept {
    auto* self = static_cast<Transfer*>(opaque);
    try {
      return self->pass({static_cast<Byte*>(bytes), size}) ? 0 : 1;
    } catch (...) {
      self->exception = std::current_exception();
      return 1;
    }
  }
  void CheckEnd(bool good) const {
    if (exception != nullptr) std::rethrow_exception(exception);
    Check(good);
  }
};

}  // namespace detail

// The library's version, "major.minor.patch".
inline const char* Version() noexcept { return clamma_version(); }

// The version of the order of sums: versions of the library with the same number compute the same
// logits.
inline unsigned SumOrderVersion() noexcept { return clamma_sum_order_version(); }

namespace detail {

// The result of a step; rethrows what its callbacks threw.
inline bool EndStep(int served) {
  if (thrown != nullptr) std::rethrow_exception(std::exchange(thrown, nullptr));
  return served != 0;
}

}  // namespace detail

// Serves the next session, of any model, that has a query: processes part of its prompt, or
// generates one token. Returns false if no session has a query, or inside a callback.
inline bool Step() { return detail::EndStep(clamma_sessions_step_next()); }

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
    info.tokenizer_path = o.tokenizer.empty() ? nullptr : detail::NoNul(o.tokenizer);
    info.chat_template = o.chat_template.empty() ? nullptr : detail::NoNul(o.chat_template);
    info.pre_tokenizer = o.pre_tokenizer.empty() ? nullptr : detail::NoNul(o.pre_tokenizer);
    info.context = o.context;
    info.prefix_cache_bytes = o.prefix_cache_bytes;
    info.model_access = o.access;
    info.model_base = const_cast<std::byte*>(o.model_bytes.data());  // the library only reads it
    info.model_size = o.model_bytes.size();
    info.tokenizer_base = o.tokenizer_bytes.empty() ? nullptr : o.tokenizer_bytes.data();
    info.tokenizer_size = o.tokenizer_bytes.size();
    info.cache_limit = o.cache_limit;
    info.threads = o.threads;
    info.model_type = o.type;
    info.kv_type = o.kv_type;
    info.max_sessions = o.max_sessions;
    info.arena = o.arena.empty() ? nullptr : o.arena.data();
    info.arena_size = o.arena.size();
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

  // The configuration as text, as clamma_txf_info_t.desc receives it.
  const std::string& description() const noexcept { return description_; }

  clamma_txf_facts_t Facts() const {
    clamma_txf_facts_t facts = {};
    detail::Check(clamma_txf_facts(handle(), &facts) == 0);
    return facts;
  }

  // Encodes any bytes, by default with BOS and the dummy prefix, like the start of a text. `flags`
  // are CLAMMA_ENCODE_*.
  std::vector<tok_id_t> Encode(std::string_view text,
                               unsigned flags = CLAMMA_ENCODE_BOS |
                                                CLAMMA_ENCODE_DUMMY_PREFIX) const {
    // At most one token per byte, BOS, the prefix and EOS.
    std::vector<tok_id_t> tokens(text.size() + 3);
    size_t count = 0;
    detail::Check(clamma_encode(handle(), text.data(), text.size(), flags, tokens.data(),
                                tokens.size(), &count) == 0);
    tokens.resize(count);
    return tokens;
  }

  // Encodes what the query's prompt and system would add to a session's context: with `opens` to
  // an empty one, otherwise to one whose last turn, or text, has ended.
  std::vector<tok_id_t> EncodeQuery(const Query& query, bool opens = true) const {
    return detail::All<std::vector<tok_id_t> >([&](tok_id_t* tokens, size_t max, size_t* count) {
      return clamma_encode_query(handle(), detail::System(query), detail::Prompt(query),
                                 opens ? 1 : 0, tokens, max, count);
    });
  }

  // Renders a chat by the model's template, as text or as tokens. With `opens` the result ends with
  // the text that opens the model's answer.
  std::string RenderChat(const Chat& chat, bool opens = true) const {
    const detail::ChatList list(chat);
    return detail::All<std::string>([&](char* text, size_t max, size_t* size) {
      return clamma_chat_render(handle(), &list.info, list.data(), list.size(), opens ? 1 : 0, text,
                                max, size);
    });
  }
  std::vector<tok_id_t> EncodeChat(const Chat& chat, bool opens = true) const {
    const detail::ChatList list(chat);
    return detail::All<std::vector<tok_id_t> >([&](tok_id_t* tokens, size_t max, size_t* count) {
      return clamma_chat_encode(handle(), &list.info, list.data(), list.size(), opens ? 1 : 0,
                                tokens, max, count);
    });
  }

  // The text of a token; the name of a control token.
  std::string TokenText(tok_id_t token) const {
    return detail::All<std::string>([&](char* text, size_t max, size_t* size) {
      return clamma_token_text(handle(), token, text, max, size);
    });
  }

  // A value of a GGUF model's metadata; no value if there is no such key.
  std::optional<std::string> Metadata(const std::string& key) const {
    size_t size = 0;
    if (clamma_txf_metadata(handle(), detail::NoNul(key), nullptr, 0, &size) != 0) {
      return std::nullopt;
    }
    std::string text(size, '\0');
    clamma_txf_metadata(handle(), key.c_str(), text.data(), text.size(), &size);
    return text;
  }

  // The bytes that the tokens stand for, which need not be UTF-8.
  std::string Decode(std::span<const tok_id_t> tokens) const {
    return detail::All<std::string>([&](char* text, size_t max, size_t* size) {
      return clamma_decode(handle(), tokens.data(), tokens.size(), text, max, size);
    });
  }

  // Compiles the query's grammar, regular expression or JSON schema, and keeps it for later
  // queries. Returns the JSON pointers of the constraints that were dropped. Throws the reason if
  // it is refused.
  std::vector<std::string> CheckGrammar(const Query& query) const {
    std::string dropped(size_t{1} << 16, '\0');
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    detail::SetGrammar(query, &info);
    info.dropped_constraints = dropped.data();
    info.dropped_constraints_max = dropped.size();
    detail::Check(clamma_grammar_check(handle(), &info) == 0);
    std::vector<std::string> paths;
    std::string_view lines = dropped.c_str();
    while (!lines.empty()) {
      const size_t end = std::min(lines.find('\n'), lines.size());
      paths.emplace_back(lines.substr(0, end));
      lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    return paths;
  }

  // How likely a text is. Not inside a callback.
  TextScore Score(std::string_view text) const {
    std::vector<float> logprobs(text.size() + 1);  // at most one token per byte, and the prefix
    clamma_score_t score = {};
    detail::Check(clamma_score(handle(), text.data(), text.size(), &score, logprobs.data(),
                               logprobs.size()) == 0);
    logprobs.resize(score.tokens);
    return {score.tokens, score.log_likelihood, score.perplexity, std::move(logprobs)};
  }

  // For a context whose first n_prompt tokens are a prompt, computes again what a query with these
  // sampling options and this seed computed for the others: see clamma_hash_logits(). Not inside a
  // callback.
  std::vector<clamma_logit_hash_t> HashLogits(std::span<const tok_id_t> tokens, size_t n_prompt,
                                              const Query& query) const {
    clamma_txf_info_t info = {};
    detail::SetSampling(query, &info);
    std::vector<clamma_logit_hash_t> hashes(tokens.size() - std::min(n_prompt, tokens.size()));
    detail::Check(clamma_hash_logits(handle(), &info, tokens.data(), tokens.size(), n_prompt,
                                     hashes.data(), nullptr) == 0);
    return hashes;
  }

  // The embeddings of texts, each with Facts().dim floats: see clamma_embed(). Unless they are to
  // be raw, they are divided by their Euclidean length. Not inside a callback.
  std::vector<std::vector<float> > Embed(std::span<const std::string> texts, bool raw = false,
                                         const OnProgress& on_progress = nullptr) const {
    const std::vector<clamma_text_t> list = detail::TextsOf(texts);
    const size_t dim = Facts().dim;
    std::vector<float> floats(list.size() * dim);
    detail::CallProgress progress = {on_progress};
    progress.CheckEnd(clamma_embed(handle(), list.data(), list.size(), raw ? CLAMMA_EMBED_RAW : 0u,
                                   progress.callback(), &progress, floats.data(), floats.size(),
                                   nullptr) == 0);
    std::vector<std::vector<float> > embeddings;
    for (auto at = floats.begin(); at != floats.end(); at += static_cast<ptrdiff_t>(dim)) {
      embeddings.emplace_back(at, at + static_cast<ptrdiff_t>(dim));
    }
    return embeddings;
  }

  // How likely continuations of a context are: see clamma_score_continuations(). Not inside a
  // callback.
  std::vector<clamma_continuation_score_t> ScoreContinuations(
      std::string_view context, std::span<const std::string> continuations,
      const OnProgress& on_progress = nullptr) const {
    const clamma_text_t before = detail::TextOf(context);
    const std::vector<clamma_text_t> list = detail::TextsOf(continuations);
    std::vector<clamma_continuation_score_t> scores(list.size());
    detail::CallProgress progress = {on_progress};
    progress.CheckEnd(clamma_score_continuations(handle(), &before, list.data(), list.size(),
                                                 progress.callback(), &progress,
                                                 scores.data()) == 0);
    return scores;
  }

  // Serves the next session of this model, like Step().
  bool Step() const { return detail::EndStep(clamma_txf_step_next(handle())); }

  // For C calls that have no wrapper. The model keeps ownership.
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

  // Starts a query, which Step() then serves. If the library refuses it, the session is unchanged.
  void Start(const Query& query, OnText on_text, OnDone on_done = nullptr) {
    Start(query, nullptr, std::move(on_text), std::move(on_done));
  }

  // Starts the answer to a conversation; the query's prompt and system are ignored. See
  // clamma_chat_query().
  void StartChat(const Chat& chat, const Query& query, OnText on_text, OnDone on_done = nullptr) {
    const detail::ChatList list(chat);
    Start(query, &list, std::move(on_text), std::move(on_done));
  }

  // Runs a query to its end, serves other sessions meanwhile, and returns its text. If it throws,
  // the query is cancelled. Not inside a callback.
  std::string Generate(const Query& query = {}) { return Generate(query, nullptr); }

  // Does the same with the answer to a conversation.
  std::string GenerateChat(const Chat& chat, const Query& query = {}) {
    const detail::ChatList list(chat);
    return Generate(query, &list);
  }

  // Makes the query end with CLAMMA_DONE_CANCELLED at its next step. Any thread may call it.
  void Cancel() noexcept {
    if (state_ != nullptr) clamma_sessions_query_cancel(state_->handle.get());
  }

  bool running() const noexcept {
    return state_ != nullptr && state_->progress != nullptr && state_->progress->running;
  }

  // Why the last query ended; no value while a query runs, or before the first.
  std::optional<clamma_done_t> done() const noexcept {
    if (state_ == nullptr || state_->progress == nullptr || running()) return std::nullopt;
    return state_->progress->why;
  }

  clamma_session_facts_t Facts() const {
    clamma_session_facts_t facts = {};
    detail::Check(clamma_session_facts(handle(), &facts) == 0);
    return facts;
  }

  // How many tokens the running query, or the last one, has processed, and how long it took.
  clamma_query_facts_t QueryFacts() const {
    clamma_query_facts_t facts = {};
    detail::Check(clamma_query_facts(handle(), &facts) == 0);
    return facts;
  }

  // The tokens of the context: prompts and generated tokens, including BOS and EOS.
  std::vector<tok_id_t> GetTokens() const {
    return detail::All<std::vector<tok_id_t> >([this](tok_id_t* tokens, size_t max, size_t* count) {
      return clamma_session_get_tokens(handle(), tokens, max, count);
    });
  }

  // Replaces the context of a session that has no query running; no tokens empty it. The tokens
  // that the old and the new context have in common at the beginning are not processed again.
  void SetTokens(std::span<const tok_id_t> tokens) {
    detail::Check(clamma_session_set_tokens(handle(), tokens.data(), tokens.size()) == 0);
  }

  // Saves a session that has no query running, for Restore() into a session of the same model. A
  // query without a prompt and with Facts().rng_state as seed then continues exactly, to the bit.
  void Save(const Sink& sink) const {
    detail::Transfer<const std::byte> transfer = {sink};
    transfer.CheckEnd(clamma_session_save(handle(), transfer.Pass, &transfer) == 0);
  }
  void Save(std::ostream& out) const {
    Save([&out](std::span<const std::byte> bytes) {
      out.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
      return out.good();
    });
    if (!out.flush()) throw Error("the session could not be saved: its bytes were not taken");
  }

  // Restores what Save() wrote. If the library refuses it, the session is unchanged.
  void Restore(const Source& source) {
    detail::Transfer<std::byte> transfer = {source};
    transfer.CheckEnd(clamma_session_restore(handle(), transfer.Pass, &transfer) == 0);
  }
  void Restore(std::istream& in) {
    Restore([&in](std::span<std::byte> bytes) {
      in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      return in.good();
    });
  }

  // For C calls that have no wrapper. The session keeps ownership.
  txf_session* handle() const {
    if (state_ == nullptr) throw Error("this session was moved from");
    return state_->handle.get();
  }

 private:
  void Start(const Query& query, const detail::ChatList* chat, OnText on_text, OnDone on_done) {
    if (running()) throw Error("the session has a query running");
    txf_session* session = handle();
    const auto progress = std::make_shared<detail::Progress>();
    progress->on_text = std::move(on_text);
    progress->on_done = std::move(on_done);
    progress->on_logprobs = query.on_logprobs;
    progress->on_logit_hash = query.on_logit_hash;
    progress->on_progress = query.on_progress;
    progress->session = session;
    std::vector<const char*> stop_strings;
    for (const std::string& text : query.stop_strings) stop_strings.push_back(detail::NoNul(text));
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.issue_cb = detail::Progress::Text;
    info.done_cb = detail::Progress::Done;
    info.opaque_user_pointer = progress.get();
    info.prompt = detail::Prompt(query);
    info.system = detail::System(query);
    info.limit = query.limit;
    detail::SetSampling(query, &info);
    info.prefix_salt = query.prefix_salt;
    info.prefix_open_tokens = query.prefix_open_tokens.data();
    info.prefix_open_token_count = query.prefix_open_tokens.size();
    info.draft_tokens = query.draft_tokens;
    if (query.draft_model != nullptr) info.draft_txf = query.draft_model->handle();
    info.stop_strings = stop_strings.data();
    info.stop_string_count = stop_strings.size();
    info.stop_tokens = query.stop_tokens.data();
    info.stop_token_count = query.stop_tokens.size();
    info.logprobs_cb = query.on_logprobs == nullptr ? nullptr : detail::Progress::Logprobs;
    info.top_logprobs = query.top_logprobs;
    info.logit_hash_cb = query.on_logit_hash == nullptr ? nullptr : detail::Progress::LogitHash;
    detail::SetGrammar(query, &info);
    info.progress_cb = query.on_progress == nullptr ? nullptr : detail::Progress::Part;
    if (chat != nullptr) {
      info.chat_tools = chat->info.chat_tools;
      info.chat_arguments = chat->info.chat_arguments;
      info.chat_time = chat->info.chat_time;
    }
    detail::Check((chat == nullptr
                       ? clamma_session_query(session, &info)
                       : clamma_chat_query(session, &info, chat->data(), chat->size())) == 0);
    state_->progress = progress;
    state_->draft_model =
        query.draft_model == nullptr ? nullptr : query.draft_model->handle_;  // keeps it alive
  }

  std::string Generate(const Query& query, const detail::ChatList* chat) {
    const auto text = std::make_shared<std::string>();
    const auto on_text = [text](std::string_view piece) {
      text->append(piece);
      return true;
    };
    Start(query, chat, on_text, nullptr);
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

  struct Destroy {
    void operator()(txf_session* session) const noexcept { clamma_session_destroy(session); }
  };
  struct State {  // members are destroyed from the last to the first
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      handle.reset();  // after a running step, or at once inside its callback
      if (progress != nullptr) progress->session = nullptr;
    }

    std::shared_ptr<txf> model;
    std::shared_ptr<txf> draft_model;
    std::shared_ptr<detail::Progress> progress;
    std::unique_ptr<txf_session, Destroy> handle;
  };
  std::unique_ptr<State> state_;
};

}  // namespace cxx
}  // namespace clamma

#endif  // C++20
#endif  // CLAMMA_HPP
