// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "api/convert.h"
#include "api/handles.h"
#include "api/metadata_text.h"
#include "api/run_in_turns.h"
#include "clamma-extra.h"
#include "engine/pooling.h"
#include "engine/prefix_cache.h"
#include "engine/scheduler.h"
#include "engine/scoring.h"
#include "kernels/math.h"

namespace clamma {
namespace {

Status Encode(Transformer& transformer, std::string_view text, unsigned flags,
              Array<TokenId>* tokens, size_t* count) {
  constexpr unsigned kFlags =
      CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX | CLAMMA_ENCODE_EOS | CLAMMA_ENCODE_CONTROL;
  if ((flags & ~kFlags) != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "flags 0x%x: unknown ones are set", flags);
  }
  Tokenizer::EncodeOptions options;
  options.bos = (flags & CLAMMA_ENCODE_BOS) != 0;
  options.dummy_prefix = (flags & CLAMMA_ENCODE_DUMMY_PREFIX) != 0;
  options.eos = (flags & CLAMMA_ENCODE_EOS) != 0;
  options.parse_control = (flags & CLAMMA_ENCODE_CONTROL) != 0;
  *count = 0;
  return transformer.tokenizer.Encode(transformer.memory, text, options, tokens, count);
}

// Copies all tokens, or none if there is no room.
void CopyTokens(const TokenId* from, size_t count, tok_id_t* tokens, size_t max) {
  if (count > 0 && count <= max) std::memcpy(tokens, from, count * sizeof(tok_id_t));
}

// Sets *score to the sums over the log probabilities, and writes the first `max` of these.
void Summarise(const Array<float>& scores, clamma_score_t* score, float* logprobs, size_t max) {
  score->tokens = scores.size();
  score->log_likelihood = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    score->log_likelihood += static_cast<double>(scores[i]);
    if (logprobs != nullptr && i < max) logprobs[i] = scores[i];
  }
  // exp() overflows beyond 709, which no real text comes near.
  const double surprise = -score->log_likelihood / static_cast<double>(scores.size());
  score->perplexity = ExpDouble(surprise < 700 ? surprise : 700);
}

Status Score(Transformer& transformer, std::string_view text, clamma_score_t* score,
             float* logprobs, size_t max) {
  if (text.empty()) return Status::Error(StatusCode::kInvalidArgument, "there is no text to score");
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(CheckGeneratesText(transformer));
  CLAMMA_RETURN_IF_ERROR(
      CheckFits(transformer.tokenizer, text.size(), transformer.config().seq_len));
  Array<TokenId> tokens;
  size_t count = 0;
  CLAMMA_RETURN_IF_ERROR(
      Encode(transformer, text, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX, &tokens, &count));
  if (count < 2) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the text is a single token: there is none to score behind another");
  }
  Array<float> scores;
  CLAMMA_RETURN_IF_ERROR(scores.Resize(transformer.memory, count - 1));
  Scoring job(transformer);
  CLAMMA_RETURN_IF_ERROR(job.Init(tokens.data(), count, scores.data()));
  CLAMMA_RETURN_IF_ERROR(RunInTurns(transformer, {"clamma_score", nullptr, nullptr}, job));
  Summarise(scores, score, logprobs, max);
  return Status();
}

Status ScoreTokens(Transformer& transformer, const TokenId* tokens, size_t count, float* logprobs,
                   const Scoring::Top& top, const Caller& caller) {
  const NoCancel guard;
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(CheckGeneratesText(transformer));
  if (count < 2) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "%zu tokens: there is none to score behind another", count);
  }
  if (top.n > transformer.config().vocab_size) {
    return Status::Error(StatusCode::kInvalidArgument, "n_top is %zu, and the vocabulary has %u",
                         top.n, static_cast<unsigned>(transformer.config().vocab_size));
  }
  for (size_t i = 0; i < count; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckToken(transformer.config(), "tokens", i, tokens[i]));
  }
  Scoring job(transformer);
  CLAMMA_RETURN_IF_ERROR(job.Init(tokens, count, logprobs, top));
  return RunInTurns(transformer, caller, job);
}

static_assert(static_cast<int>(KvType::kF32) == CLAMMA_KV_F32);
static_assert(static_cast<int>(KvType::kF16) == CLAMMA_KV_F16);
clamma_kv_type_t KvTypeOf(KvType type) {
  if (kHasGguf && type == KvType::kQ8) return CLAMMA_KV_Q8;
  return static_cast<clamma_kv_type_t>(type);
}

// The facts about memory: of the transformer, its pages, its arena and its cache of weights.
void AddMemory(Transformer& transformer, clamma_txf_facts_t* facts) {
  facts->memory_bytes = sizeof(transformer) + transformer.memory.bytes_in_use();
  if constexpr (kHasPrefixCache) {
    const KvPages::Facts pages = PageFacts(transformer);
    facts->memory_bytes += pages.shared_bytes;
    facts->kv_pages = pages.pages;
    facts->kv_bytes = pages.bytes;
    facts->kv_idle_bytes = pages.idle_bytes;
    facts->prefix_hits = pages.hits;
    facts->prefix_tokens_saved = pages.tokens_saved;
  }
  if constexpr (kHasGrammar) {
    const GrammarCache::Facts grammars = transformer.grammars.facts();
    facts->memory_bytes += grammars.bytes;
    facts->grammars = grammars.grammars;
    facts->grammar_bytes = grammars.bytes;
    facts->grammars_compiled = grammars.compiled;
  }
  if (Arena* arena = transformer.memory.arena(); arena != nullptr) {
    const Arena::Usage usage = arena->usage();
    facts->arena_bytes = usage.size;
    facts->arena_in_use = usage.in_use;
    facts->arena_peak = usage.peak;
  }
  if (transformer.weights.cached()) {
    const BlockCacheStats stats = transformer.weights.cache_stats();
    facts->cache_hits = stats.hits;
    facts->cache_misses = stats.misses;
    facts->cache_evictions = stats.evictions;
    facts->cache_bytes = stats.bytes;
    facts->cache_limit = stats.limit;
  }
}

// Reads the grammar of a query, and compiles it.
Status CheckGrammarOf(const Transformer& transformer, const clamma_txf_info_t& info) {
  Query query;
  CLAMMA_RETURN_IF_ERROR(ReadQuery(info, &query));
  if constexpr (kHasGrammar) {
    if (HasGrammar(query.grammar)) return CheckGrammar(transformer, query);
  }
  return Status::Error(StatusCode::kInvalidArgument,
                       "clamma_grammar_check() needs a grammar, regex or json_schema, and a build "
                       "with grammars");
}

}  // namespace
}  // namespace clamma

using clamma::FromHandle;
using clamma::Status;

int clamma_encode(const struct txf* txf, const char* text, size_t size, unsigned int flags,
                  tok_id_t* tokens, size_t max, size_t* count) {
  if (txf == nullptr || count == nullptr || (text == nullptr && size > 0) ||
      (tokens == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_encode");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  clamma::Array<clamma::TokenId> encoded;
  const Status status = clamma::Encode(transformer, {text, size}, flags, &encoded, count);
  if (status.ok()) clamma::CopyTokens(encoded.data(), *count, tokens, max);
  return clamma::Return(transformer.log, status);
}

int clamma_decode(const struct txf* txf, const tok_id_t* tokens, size_t count, char* text,
                  size_t max, size_t* size) {
  if (txf == nullptr || size == nullptr || (tokens == nullptr && count > 0) ||
      (text == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_decode");
  }
  const clamma::Transformer& transformer = *FromHandle(txf);
  // The first piece after BOS loses the space that the tokenizer added in front of the text.
  size_t first = 0;
  while (first < count && transformer.tokenizer.Bytes(tokens[first]).empty()) ++first;
  const auto bytes_at = [&](size_t i) {
    std::string_view bytes = transformer.tokenizer.Bytes(tokens[i]);
    if (i == first && i > 0 && tokens[0] == transformer.tokenizer.bos() &&
        transformer.tokenizer.adds_prefix() && bytes[0] == ' ') {
      bytes.remove_prefix(1);
    }
    return bytes;
  };
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!transformer.tokenizer.IsValid(tokens[i])) {
      return clamma::Return(
          transformer.log,
          Status::Error(clamma::StatusCode::kInvalidArgument,
                        "token %d at %zu is not one of 0 .. %u", tokens[i], i,
                        static_cast<unsigned>(transformer.config().vocab_size) - 1));
    }
    total += bytes_at(i).size();
  }
  *size = total;
  if (total > max) return 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view bytes = bytes_at(i);
    text = std::copy(bytes.begin(), bytes.end(), text);
  }
  return 0;
}

int clamma_token_text(const struct txf* txf, tok_id_t token, char* text, size_t max, size_t* size) {
  if (txf == nullptr || size == nullptr || (text == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_token_text");
  }
  const clamma::Transformer& transformer = *FromHandle(txf);
  const clamma::Tokenizer& tokenizer = transformer.tokenizer;
  if (!tokenizer.IsValid(token)) {
    return clamma::Return(
        transformer.log,
        Status::Error(clamma::StatusCode::kInvalidArgument, "token %d is not one of 0 .. %u", token,
                      static_cast<unsigned>(tokenizer.vocab_size()) - 1));
  }
  const std::string_view piece =
      tokenizer.IsSilent(token) ? tokenizer.Piece(token) : tokenizer.Bytes(token);
  *size = piece.size();
  if (*size <= max) std::copy(piece.begin(), piece.end(), text);
  return 0;
}

int clamma_txf_metadata(const struct txf* txf, const char* key, char* text, size_t max,
                        size_t* size) {
  if (txf == nullptr || key == nullptr || size == nullptr || (text == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_txf_metadata");
  }
  *size = 0;
  if constexpr (clamma::kHasGguf) {
    const clamma::Gguf* gguf = FromHandle(txf)->files.gguf();
    clamma::GgufValue value;
    if (gguf == nullptr || !gguf->Find(key, &value)) return 1;
    *size = clamma::MetadataText(value, text, max);
    return 0;
  }
  return 1;
}

int clamma_score(const struct txf* txf, const char* text, size_t size, clamma_score_t* score,
                 float* logprobs, size_t max) {
  if (txf == nullptr || text == nullptr || score == nullptr) {
    return clamma::ReturnMissing(txf, "clamma_score");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  return clamma::Return(transformer.log,
                        clamma::Score(transformer, {text, size}, score, logprobs, max));
}

int clamma_score_tokens(const struct txf* txf, const tok_id_t* tokens, size_t count,
                        float* logprobs, size_t n_top, tok_id_t* top_tokens, float* top_logprobs,
                        clamma_progress_cb_t progress_cb, void* opaque_user_pointer) {
  if (txf == nullptr || tokens == nullptr || logprobs == nullptr ||
      ((top_tokens == nullptr || top_logprobs == nullptr) && n_top > 0)) {
    return clamma::ReturnMissing(txf, "clamma_score_tokens");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  return clamma::Return(
      transformer.log,
      clamma::ScoreTokens(transformer, tokens, count, logprobs, {n_top, top_tokens, top_logprobs},
                          {"clamma_score_tokens", progress_cb, opaque_user_pointer}));
}

int clamma_grammar_check(const struct txf* txf, const clamma_txf_info_t* info) {
  if (txf == nullptr || info == nullptr) return clamma::ReturnMissing(txf, "clamma_grammar_check");
  const clamma::Transformer& transformer = *FromHandle(txf);
  const clamma::Status status = clamma::CheckGrammarOf(transformer, *info);
  if (status.ok()) return 0;
  clamma::Report(transformer.log, info, status);
  return 1;
}

int clamma_txf_facts(const struct txf* txf, clamma_txf_facts_t* facts) {
  if (txf == nullptr || facts == nullptr) return clamma::ReturnMissing(txf, "clamma_txf_facts");
  clamma::Transformer& transformer = *FromHandle(txf);
  const clamma::ModelFile& file = transformer.weights.file();
  const clamma::ModelConfig& config = file.config;
  *facts = {};
  facts->dim = config.dim;
  facts->hidden_dim = config.widest.hidden_dim;
  facts->layers = config.n_layers;
  facts->heads = config.widest.n_heads;
  facts->kv_heads = config.widest.n_kv_heads;
  facts->head_size = config.widest.head_size;
  facts->vocab_size = config.vocab_size;
  facts->context = config.seq_len;
  facts->group_size = config.group_size;
  facts->shared_classifier = config.shared_classifier ? 1 : 0;
  facts->format = file.format;
  facts->kernels = transformer.kernels->name;
  facts->threads = transformer.pool.threads();
  facts->sessions = clamma::TheScheduler().CountSessions(transformer);
  facts->max_sessions = transformer.max_sessions;
  facts->model_bytes = file.bytes;
  facts->architecture = transformer.weights.file().architecture;
  facts->file_type = transformer.weights.file().file_type;
  facts->parameters = transformer.weights.file().tensors.parameters();
  facts->bits_per_weight = transformer.weights.file().tensors.bits_per_weight();
  if (const clamma::ChatFormat* chat = transformer.chat_format; chat != nullptr) {
    facts->chat_format = chat->name();
    facts->chat_format_is_guessed = chat->is_guessed() ? 1 : 0;
  }
  facts->warning = transformer.tokenizer.warning();
  facts->bos = transformer.tokenizer.bos();
  facts->eos = transformer.tokenizer.eos();
  facts->trained_context = transformer.trained_context;
  facts->kv_type = clamma::KvTypeOf(transformer.kv_type);
  clamma::AddMemory(transformer, facts);
  return 0;
}

int clamma_session_facts(const struct txf_session* session, clamma_session_facts_t* facts) {
  if (session == nullptr || facts == nullptr)
    return clamma::ReturnMissing(session, "clamma_session_facts");
  const clamma::Session& s = *FromHandle(session);
  clamma::TheScheduler().Inspect([&](clamma::TurnHeld turn, clamma::LockHeld lock) {
    const clamma::Conversation& conversation = s.conversation(turn, lock);
    *facts = {};
    facts->position = conversation.position;
    facts->prompt_tokens = s.prompt_tokens(turn, lock);
    facts->generated_tokens = static_cast<size_t>(s.generated(turn, lock));
    facts->rng_seed = conversation.seed;
    facts->rng_state = s.random(turn, lock).state();
    facts->memory_bytes = s.bytes_in_use(turn, lock);
    facts->memory_bytes_at_full_context = s.BytesAtFullContext(turn, lock);
    if constexpr (clamma::kHasPrefixCache) {
      facts->cached_tokens = clamma::CachedTokens(conversation);
    }
  });
  return 0;
}

int clamma_query_facts(const struct txf_session* session, clamma_query_facts_t* facts) {
  if (session == nullptr || facts == nullptr)
    return clamma::ReturnMissing(session, "clamma_query_facts");
  const clamma::Session& s = *FromHandle(session);
  clamma::TheScheduler().Inspect([&](clamma::TurnHeld turn, clamma::LockHeld lock) {
    const clamma::QueryRecord record = s.record(turn, lock);
    *facts = {};
    facts->prompt_tokens = record.prompt_tokens();
    facts->cached_tokens = record.cached_tokens();
    facts->generated_tokens = static_cast<size_t>(s.generated(turn, lock));
    facts->waiting_seconds = record.waiting_seconds();
    facts->prompt_seconds = record.prompt_seconds();
    facts->generation_seconds = record.generation_seconds();
    facts->drafted_tokens = record.drafted_tokens();
    facts->accepted_tokens = record.accepted_tokens();
  });
  return 0;
}

int clamma_encode_query(const struct txf* txf, const char* system, const char* prompt, int opens,
                        tok_id_t* tokens, size_t max, size_t* count) {
  if (txf == nullptr || count == nullptr || (tokens == nullptr && max > 0)) {
    return clamma::ReturnMissing(txf, "clamma_encode_query");
  }
  clamma::Transformer& transformer = *FromHandle(txf);
  clamma::Array<clamma::TokenId> encoded;
  const clamma::TokenId last = opens != 0 ? clamma::kNoToken : transformer.tokenizer.eos();
  const Status status =
      clamma::EncodePrompt(transformer.memory, transformer.prompt_format(), {system, prompt}, last,
                           transformer.config().seq_len, &encoded, count);
  if (status.ok()) clamma::CopyTokens(encoded.data(), *count, tokens, max);
  return clamma::Return(transformer.log, status);
}

int clamma_session_get_tokens(const struct txf_session* session, tok_id_t* tokens, size_t max,
                              size_t* count) {
  if (session == nullptr || count == nullptr || (tokens == nullptr && max > 0)) {
    return clamma::ReturnMissing(session, "clamma_session_get_tokens");
  }
  const clamma::Session& s = *FromHandle(session);
  clamma::TheScheduler().Inspect([&](clamma::TurnHeld turn, clamma::LockHeld lock) {
    const clamma::Conversation& conversation = s.conversation(turn, lock);
    *count = conversation.n_tokens;
    clamma::CopyTokens(conversation.tokens.data(), *count, tokens, max);
  });
  return 0;
}

int clamma_session_set_tokens(struct txf_session* session, const tok_id_t* tokens, size_t count) {
  if (session == nullptr || (tokens == nullptr && count > 0)) {
    return clamma::ReturnMissing(session, "clamma_session_set_tokens");
  }
  clamma::Session& s = *FromHandle(session);
  return clamma::Return(
      s.transformer().log, clamma::TheScheduler().WhileIdle(&s, [&](clamma::SessionHeld held) {
        Status status;
        clamma::TheScheduler().Guarded(
            [&](clamma::LockHeld lock) { status = s.SetTokens(held, lock, tokens, count); });
        return status;
      }));
}

int clamma_session_save(const struct txf_session* session, clamma_write_cb_t write_cb,
                        void* opaque_user_pointer) {
  if (session == nullptr || write_cb == nullptr) {
    return clamma::ReturnMissing(session, "clamma_session_save");
  }
  clamma::Session& s = *FromHandle(session);
  return clamma::Return(s.transformer().log,
                        clamma::TheScheduler().WhileIdle(&s, [&](clamma::SessionHeld held) {
                          return s.Save(held, {write_cb, opaque_user_pointer});
                        }));
}

int clamma_session_restore(struct txf_session* session, clamma_read_cb_t read_cb,
                           void* opaque_user_pointer) {
  if (session == nullptr || read_cb == nullptr) {
    return clamma::ReturnMissing(session, "clamma_session_restore");
  }
  clamma::Session& s = *FromHandle(session);
  return clamma::Return(
      s.transformer().log, clamma::TheScheduler().WhileIdle(&s, [&](clamma::SessionHeld held) {
        clamma::Conversation loaded;
        CLAMMA_RETURN_IF_ERROR(s.Load(held, {read_cb, opaque_user_pointer}, &loaded));
        clamma::TheScheduler().Guarded(
            [&](clamma::LockHeld lock) { s.Adopt(held, lock, &loaded); });
        return Status();
      }));
}

const char* clamma_version(void) { return LIBCLAMMA_VERSION; }
