// SPDX-License-Identifier: MIT
// The six calls: convert arguments, forward them, and turn a Status into a value and a message.
#include "clamma.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string_view>
#include <type_traits>

#include "api/convert.h"
#include "api/handles.h"
#include "clamma-extra.h"
#include "engine/scheduler.h"
#include "platform/format.h"
#include "platform/heap.h"

namespace clamma {
namespace {

static_assert(static_cast<int>(Done::kEndOfText) == CLAMMA_DONE_END_OF_TEXT);
static_assert(static_cast<int>(Done::kLimit) == CLAMMA_DONE_LIMIT);
static_assert(static_cast<int>(Done::kContextFull) == CLAMMA_DONE_CONTEXT_FULL);
static_assert(static_cast<int>(Done::kStopString) == CLAMMA_DONE_STOP_STRING);
static_assert(static_cast<int>(Done::kCancelled) == CLAMMA_DONE_CANCELLED);
static_assert(static_cast<int>(Done::kError) == CLAMMA_DONE_ERROR);

Status Invalid(const char* message) {
  return Status::Error(StatusCode::kInvalidArgument, "%s", message);
}

void SetDesc(char* desc, size_t desc_max, const char* text) {
  if (desc != nullptr && desc_max > 0) Format(desc, desc_max, "%s", text);
}

void SetDesc(const clamma_txf_info_t* info, const char* text) {
  if (info != nullptr) SetDesc(info->desc, info->desc_max, text);
}

// The value of an enum that a C caller set. It may be any number, which C++ must not load as the
// enum. (In some ABIs an enum is a single byte.)
template <typename Enum>
int NumberOf(const Enum& value) {
  std::underlying_type_t<Enum> number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return static_cast<int>(number);
}

Status ReadKvType(const clamma_txf_info_t& info, TransformerOptions* options) {
  switch (NumberOf(info.kv_type)) {
    case CLAMMA_KV_AUTO:
      options->kv_type_by_model = true;
      return Status();
    case CLAMMA_KV_F32:
      options->kv_type = KvType::kF32;
      return Status();
    case CLAMMA_KV_F16:
      options->kv_type = KvType::kF16;
      return Status();
    case CLAMMA_KV_Q8:
      if (!kHasGguf) return Invalid("kv_type CLAMMA_KV_Q8 needs a build with GGUF");
      options->kv_type = KvType::kQ8;
      return Status();
    default:
      return Invalid("kv_type is none of clamma_kv_type_t");
  }
}

Status ReadOptions(const clamma_txf_info_t& info, TransformerOptions* options) {
  switch (NumberOf(info.model_access)) {
    case CLAMMA_MODEL_ACCESS_MMAP:
      options->access = ModelAccess::kMmap;
      break;
    case CLAMMA_MODEL_ACCESS_MALLOC_CACHE:
      options->access = ModelAccess::kMallocCache;
      break;
    case CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS:
      options->access = ModelAccess::kAbsoluteAddress;
      break;
    default:
      return Invalid("model_access is none of clamma_model_access_t");
  }
  const int type = NumberOf(info.model_type);
  if (type != CLAMMA_MODEL_GEN && type != CLAMMA_MODEL_CHAT) {
    return Invalid("model_type is none of clamma_model_type_t");
  }
  CLAMMA_RETURN_IF_ERROR(ReadKvType(info, options));
  if (info.max_sessions > kMaxSessions) {
    return Status::Error(StatusCode::kLimit, "max_sessions is %u, and this build allows %u",
                         info.max_sessions, unsigned{LIBCLAMMA_MAX_SESSIONS_PER_MODEL});
  }
  options->checkpoint_path = info.checkpoint_path;
  if (const clamma_file_part_t* part = info.checkpoint_part; part != nullptr) {
    if (options->access == ModelAccess::kAbsoluteAddress) {
      return Invalid("checkpoint_part and an absolute address exclude each other");
    }
    options->has_part = true;
    options->part_descriptor = part->descriptor;
    options->part_offset = part->offset;
    options->part_length = part->length;
  }
  options->tokenizer_path = info.tokenizer_path;
  options->model_dir = LIBCLAMMA_MODEL_DIR;
  options->model_base = info.model_base;
  options->model_size = info.model_size;
  options->tokenizer_base = info.tokenizer_base;
  options->tokenizer_size = info.tokenizer_size;
  options->cache_limit = info.cache_limit;
  options->threads = info.threads;
  options->type = type == CLAMMA_MODEL_CHAT ? ModelType::kChat : ModelType::kGen;
  options->max_sessions =
      info.max_sessions == 0 ? LIBCLAMMA_MAX_SESSIONS_PER_MODEL : info.max_sessions;
  if (info.chat_template != nullptr) options->chat_template = info.chat_template;
  options->pre_tokenizer = info.pre_tokenizer;
  options->context = info.context;
  options->prefix_cache_bytes = info.prefix_cache_bytes;
  options->log = {info.log_cb, info.opaque_user_pointer};
  return Status();
}

// Makes the caller's arena. *arena stays nullptr if the heap is to be used.
Status OpenArena(const clamma_txf_info_t& info, const TransformerOptions& options, Arena** arena) {
  if (info.arena == nullptr && info.arena_size == 0) {
    return kHasHeap ? Status() : Invalid("this build has no heap: give an arena and arena_size");
  }
  if (info.arena == nullptr) return Invalid("arena_size is given, and arena is NULL");
  uint64_t needed = 0;
  CLAMMA_RETURN_IF_ERROR(Transformer::PlanArena(options, &needed));
  if (needed > info.arena_size) return Status::ArenaTooSmall(info.arena_size, needed);
  *arena = Arena::Make(info.arena, info.arena_size);
  if (*arena == nullptr) return Status::ArenaTooSmall(info.arena_size, needed);
  (*arena)->Demand(static_cast<size_t>(needed));
  return Status();
}

Status Construct(const clamma_txf_info_t& info, Transformer** transformer) {
  const NoCancel guard;
  TransformerOptions options;
  CLAMMA_RETURN_IF_ERROR(ReadOptions(info, &options));
  char name[sizeof(info.name) + 1] = {};  // info.name need not be terminated
  std::memcpy(name, info.name, sizeof(info.name));
  options.name = name;
  Arena* arena = nullptr;
  CLAMMA_RETURN_IF_ERROR(OpenArena(info, options, &arena));
  auto* opened = NewObject<Transformer>(arena, arena);
  if (opened == nullptr) return Status::OutOfMemory(sizeof(Transformer));
  const bool added = TheScheduler().AddTransformer(opened);
  const Status status = added ? opened->Open(options) : Status::OutOfMemory(sizeof(Transformer));
  if (!status.ok()) {
    DeleteObject(arena, opened);
    return status;
  }
  *transformer = opened;
  return Status();
}

Status ConstructSession(Transformer& transformer, Session** session) {
  Arena* const arena = transformer.memory.arena();
  auto* made = NewObject<Session>(arena, transformer);
  Status status = made == nullptr ? Status::OutOfMemory(sizeof(Session)) : made->Init();
  if (status.ok()) status = TheScheduler().AddSession(made);
  if (status.ok()) {
    *session = made;
    return status;
  }
  DeleteObject(arena, made);
  const bool no_room = arena != nullptr && status.code() == StatusCode::kOutOfMemory;
  return no_room ? Session::NoRoomInArena(transformer) : status;
}

// Whether the value is finite and at least 0; false for NaN.
bool IsAmount(float value) { return value >= 0 && std::isfinite(value); }
bool IsShare(float value) { return value >= 0 && value <= 1; }

// LogitBias has the layout of the caller's struct.
static_assert(sizeof(LogitBias) == sizeof(clamma_logit_bias_t));
static_assert(offsetof(LogitBias, bias) == offsetof(clamma_logit_bias_t, bias));

Status CheckTokenLists(const clamma_txf_info_t& info) {
  if (info.stop_tokens == nullptr && info.stop_token_count > 0) {
    return Invalid("stop_token_count is given, and stop_tokens is NULL");
  }
  if (info.logit_bias == nullptr && info.logit_bias_count > 0) {
    return Invalid("logit_bias_count is given, and logit_bias is NULL");
  }
  for (size_t i = 0; i < info.logit_bias_count; ++i) {
    if (!std::isfinite(info.logit_bias[i].bias))
      return Invalid("a bias of logit_bias is not finite");
  }
  if (!std::isfinite(info.frequency_penalty) || !std::isfinite(info.presence_penalty)) {
    return Invalid("frequency_penalty and presence_penalty must be finite");
  }
  return Status();
}

// The text; one without an address for NULL.
std::string_view ViewOf(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// Checks that the fields of a trigger fit together.
Status CheckTrigger(const clamma_txf_info_t& info, std::string_view trigger, bool has_grammar) {
  const tok_id_t* const token = info.grammar_trigger_token;
  if (!has_grammar && !trigger.empty()) {
    return Invalid("grammar_trigger is given, and no grammar, regex or json_schema");
  }
  if (!has_grammar && token != nullptr) {
    return Invalid("grammar_trigger_token is given, and no grammar, regex or json_schema");
  }
  if (!trigger.empty() && token != nullptr) {
    return Invalid("grammar_trigger and grammar_trigger_token exclude each other");
  }
  if (token != nullptr && *token < 0) return Invalid("grammar_trigger_token is not a token");
  if (info.grammar_repeats != 0 && trigger.empty() && token == nullptr) {
    return Invalid("grammar_repeats is given, and no trigger");
  }
  return Status();
}

// Reads what constrains the text.
Status ReadGrammar(const clamma_txf_info_t& info, Query* query) {
  const GrammarText texts[] = {
      {.source = GrammarSource::kGbnf, .text = ViewOf(info.grammar), .trigger = {}},
      {.source = GrammarSource::kRegex, .text = ViewOf(info.regex), .trigger = {}},
      {.source = GrammarSource::kJsonSchema, .text = ViewOf(info.json_schema), .trigger = {}}};
  const auto n_given = std::count_if(std::begin(texts), std::end(texts),
                                     [](const GrammarText& t) { return HasGrammar(t); });
  const std::string_view trigger = ViewOf(info.grammar_trigger);
  const tok_id_t* const token = info.grammar_trigger_token;
  if (!kHasGrammar && (n_given > 0 || !trigger.empty() || token != nullptr)) {
    return Invalid("this build has no grammars: LIBCLAMMA_WITH_GRAMMAR is OFF");
  }
  if (n_given > 1) return Invalid("grammar, regex and json_schema exclude each other");
  CLAMMA_RETURN_IF_ERROR(CheckTrigger(info, trigger, n_given > 0));
  if constexpr (kHasGrammar) {
    for (const GrammarText& text : texts) {
      if (!HasGrammar(text)) continue;
      GrammarText given = text;
      given.trigger = trigger;
      given.trigger_token = token == nullptr ? kNoToken : *token;
      given.repeats = info.grammar_repeats != 0;
      given.is_loose = text.source != GrammarSource::kRegex && info.json_schema_loose != 0;
      query->grammar = given;
    }
    query->dropped = Query::TextRoom{info.dropped_constraints, info.dropped_constraints_max};
  }
  return Status();
}

void ReadCallbacks(const clamma_txf_info_t& info, Query* query) {
  query->opaque = info.opaque_user_pointer;
  query->issue = info.issue_cb;
  query->logprobs = info.logprobs_cb;
  query->n_top_logprobs = info.top_logprobs;
  query->logit_hash = info.logit_hash_cb;
  if constexpr (kRecordsQueries) query->progress = info.progress_cb;
  if (info.done_cb == nullptr) return;
  query->user_done = reinterpret_cast<void (*)()>(info.done_cb);
  query->done = [](const Query& q, Done why) {
    reinterpret_cast<clamma_done_cb_t>(q.user_done)(q.opaque, static_cast<clamma_done_t>(why));
  };
}

Status ReadDrafts(const clamma_txf_info_t& info, Query* query) {
  if (info.draft_tokens > kMaxDrafts) return Invalid("draft_tokens must be in 0 .. 15");
  if (info.draft_txf != nullptr && info.draft_tokens == 0) {
    return Invalid("draft_txf is given, and draft_tokens is 0");
  }
  query->n_drafts = info.draft_tokens;
  query->draft_transformer = info.draft_txf == nullptr ? nullptr : FromHandle(info.draft_txf);
  return Status();
}

}  // namespace

void Report(const Log& log, const clamma_txf_info_t* info, const Status& status) {
  SetDesc(info, status.message());
  log.Write(status.message());
}

Status ReadQuery(const clamma_txf_info_t& info, Query* query) {
  if (!IsAmount(info.temperature)) return Invalid("temperature must be 0 or more");
  if (!IsShare(info.topp)) return Invalid("topp must be in 0 .. 1");
  if (!IsShare(info.min_p)) return Invalid("min_p must be in 0 .. 1");
  if (!IsAmount(info.repetition_penalty)) return Invalid("repetition_penalty must be 0 or more");
  if (info.stop_strings == nullptr && info.stop_string_count > 0) {
    return Invalid("stop_string_count is given, and stop_strings is NULL");
  }
  CLAMMA_RETURN_IF_ERROR(CheckTokenLists(info));
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(ReadGrammar(info, query));
  if constexpr (kHasSpeculation) CLAMMA_RETURN_IF_ERROR(ReadDrafts(info, query));
  ReadCallbacks(info, query);
  query->stop_strings = info.stop_strings;
  query->n_stop_strings = info.stop_string_count;
  query->texts = {info.system, info.prompt};
  query->stop_tokens = info.stop_tokens;
  query->n_stop_tokens = info.stop_token_count;
  query->sampling = {.temperature = info.temperature,
                     .topp = info.topp,
                     .top_k = info.top_k,
                     .min_p = info.min_p,
                     .repetition_penalty = info.repetition_penalty,
                     .frequency_penalty = info.frequency_penalty,
                     .presence_penalty = info.presence_penalty,
                     .biases = reinterpret_cast<const LogitBias*>(info.logit_bias),
                     .n_biases = info.logit_bias_count};
  query->limit = info.limit;
  query->seed = info.rng_seed;
  query->prefix_salt = info.prefix_salt;
  query->prefix_open = Query::OpenPrefix{info.prefix_open_tokens, info.prefix_open_token_count};
  query->null_on_destroy = info.null_on_destroy;
  return Status();
}

int Return(const Log& log, const Status& status) {
  if (status.ok()) return 0;
  log.Write(status.message());
  return 1;
}

int ReturnMissing(const Transformer* transformer, const char* function) {
  const Log log = transformer == nullptr ? Log() : transformer->log;
  return Return(log, Status::Error(StatusCode::kInvalidArgument,
                                   "%s() was given NULL where it needs something", function));
}

int ReturnMissing(const txf* handle, const char* function) {
  return ReturnMissing(handle == nullptr ? nullptr : FromHandle(handle), function);
}

int ReturnMissing(const txf_session* handle, const char* function) {
  return ReturnMissing(handle == nullptr ? nullptr : &FromHandle(handle)->transformer(), function);
}

int ReportMissing(const txf_session* session, const clamma_txf_info_t* info, const char* function) {
  Report(session == nullptr ? Log() : FromHandle(session)->transformer().log, info,
         Status::Error(StatusCode::kInvalidArgument, "%s() needs a session and an info", function));
  return 1;
}

int ReportQuery(const Session& session, const clamma_txf_info_t& info, const Status& status,
                uint64_t seed) {
  if (!status.ok()) {
    Report(session.transformer().log, &info, status);
    return 1;
  }
  char text[32];
  Format(text, sizeof(text), "seed %llu", static_cast<unsigned long long>(seed));
  SetDesc(&info, text);
  return 0;
}

}  // namespace clamma

using clamma::FromHandle;
using clamma::Status;
using clamma::TheScheduler;
using clamma::ToHandle;

void clamma_log_silent(void* /*opaque_user_pointer*/, const char* /*message*/) {}

struct txf* clamma_txf_construct(const clamma_txf_info_t* info) {
  if (info == nullptr) {
    clamma::Report({}, info, clamma::Invalid("clamma_txf_construct() was given no info"));
    return nullptr;
  }
  if (info->clamma_api_version == 0 || info->clamma_api_version > CLAMMA_API_VERSION) {
    // In an unknown version only desc and desc_max are read: their place never changes.
    clamma::Report({}, info,
                   Status::Error(clamma::StatusCode::kInvalidArgument,
                                 "clamma_api_version is %u, and this library knows 1 to %d: set it "
                                 "to CLAMMA_API_VERSION",
                                 info->clamma_api_version, CLAMMA_API_VERSION));
    return nullptr;
  }
  clamma::Transformer* transformer = nullptr;
  const Status status = clamma::Construct(*info, &transformer);
  if (transformer == nullptr) {
    clamma::Report({info->log_cb, info->opaque_user_pointer}, info, status);
    return nullptr;
  }
  if (info->desc != nullptr && info->desc_max > 0) {
    transformer->Describe(info->desc, info->desc_max);
  }
  return ToHandle(transformer);
}

void clamma_txf_destroy(struct txf* txf) {
  if (txf != nullptr) TheScheduler().DestroyTransformer(FromHandle(txf));
}

struct txf_session* clamma_session_construct(const struct txf* txf) {
  return clamma_session_construct_desc(txf, nullptr, 0);
}

struct txf_session* clamma_session_construct_desc(const struct txf* txf, char* desc,
                                                  size_t desc_max) {
  clamma::Session* session = nullptr;
  const Status status = txf == nullptr
                            ? clamma::Invalid("clamma_session_construct() was given no txf")
                            : clamma::ConstructSession(*FromHandle(txf), &session);
  clamma::SetDesc(desc, desc_max, status.message());
  if (session != nullptr) return ToHandle(session);
  clamma::Report(txf == nullptr ? clamma::Log() : FromHandle(txf)->log, nullptr, status);
  return nullptr;
}

void clamma_session_destroy(struct txf_session* session) {
  if (session != nullptr) TheScheduler().DestroySession(FromHandle(session));
}

int clamma_session_query(struct txf_session* session, const clamma_txf_info_t* info) {
  if (session == nullptr || info == nullptr) {
    return clamma::ReportMissing(session, info, "clamma_session_query");
  }
  clamma::Query query;
  Status status = clamma::ReadQuery(*info, &query);
  if (status.ok()) status = TheScheduler().Query(FromHandle(session), &query);
  return clamma::ReportQuery(*FromHandle(session), *info, status, query.seed);
}

int clamma_sessions_step_next(void) { return TheScheduler().Step() ? 1 : 0; }

int clamma_txf_step_next(const struct txf* txf) {
  return txf != nullptr && TheScheduler().StepOf(*FromHandle(txf)) ? 1 : 0;
}

void clamma_sessions_query_cancel(struct txf_session* session) {
  if (session != nullptr) FromHandle(session)->Cancel();
}
