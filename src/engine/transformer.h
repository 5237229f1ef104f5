// SPDX-License-Identifier: MIT
// A model bound to its vocabulary: what all sessions on it share.
#ifndef CLAMMA_ENGINE_TRANSFORMER_H_
#define CLAMMA_ENGINE_TRANSFORMER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/guards.h"
#include "engine/prompt.h"
#include "engine/sampler.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/file.h"
#include "platform/log.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/thread_pool.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class Session;

inline constexpr size_t kMaxSessions = LIBCLAMMA_MAX_SESSIONS_PER_MODEL;  // on a transformer

enum class ModelAccess : uint8_t { kMmap, kMallocCache, kAbsoluteAddress };

struct TransformerOptions {
  const char* checkpoint_path = nullptr;
  bool has_part = false;  // the checkpoint is a part of an open file
  int part_descriptor = -1;
  uint64_t part_offset = 0;
  uint64_t part_length = 0;  // 0: all that follows
  const char* tokenizer_path = nullptr;
  const char* model_dir = "";
  ModelAccess access = ModelAccess::kMmap;
  const void* model_base = nullptr;  // kAbsoluteAddress
  size_t model_size = 0;
  const void* tokenizer_base = nullptr;  // the vocabulary; tokenizer_path is not used then
  size_t tokenizer_size = 0;
  size_t cache_limit = 0;  // kMallocCache: bytes; 0: none
  unsigned threads = 0;    // 0: all usable cores
  ModelType type = ModelType::kGen;
  bool speaks_llama2 = true;  // in its queries of texts, by what needs no template
  KvType kv_type = KvType::kF32;
  bool kv_type_by_model = false;  // half precision for GGUF models, whatever kv_type says
  uint32_t max_sessions = 1;
  const char* name = "";                // kept in part, see kMaxName
  const char* chat_template = "";       // see ChatFormat::Open()
  const char* pre_tokenizer = nullptr;  // see Tokenizer::Open()
  uint32_t context = 0;                 // 0: the model's
  Log log;
};

// What a pass does for a session.
struct PassEntry {
  Session* session = nullptr;
  size_t rows = 0;                // of it; 0: it waits for the next pass
  const float* logits = nullptr;  // behind the last row
};

// Members are read by many and written by Open() and the scheduler alone (but for the fingerprint):
// the forward pass, the samplers and what they stand on belong to whoever has the scheduler's turn.
class Transformer {
 public:
  static constexpr size_t kMaxName = 32;

  // What is allocated for it and its sessions comes from the arena or, for nullptr, from the heap.
  explicit Transformer(Arena* arena = nullptr) : memory(arena) {}
  ~Transformer();

  Status Open(const TransformerOptions& options);

  // How large an arena must be to hold a transformer, sessions not counted.
  static Status PlanArena(const TransformerOptions& options, uint64_t* bytes);

  // The configuration in two lines, for people.
  void Describe(char* text, size_t size) const;

  const ModelConfig& config() const { return weights.config(); }

  PromptFormat prompt_format() const {
    return {tokenizer, type, speaks_llama2 ? nullptr : chat_format};
  }

  // By which answers of chats are in channels, if they are.
  ChannelMarks channels() const {
    return kHasGguf && chat_format != nullptr ? chat_format->channels() : ChannelMarks();
  }

  // Scores tokens[1 .. n): writes ln p(tokens[i] | those before) to logprobs[i - 1].
  Status Score(TurnHeld held, const TokenId* tokens, size_t n, float* logprobs);

  // Tells this model with this vocabulary from others, whatever way it is reached. Any thread.
  Status Fingerprint(uint64_t* fingerprint) const;

  Memory memory;
  ModelFiles files;
  File tokenizer_file;
  Array<uint8_t> tokenizer_bytes;  // the vocabulary, where it is neither mapped nor given
  Weights weights;
  Tokenizer tokenizer;
  ChatFormat* chat_format = nullptr;  // nullptr: this build has no templates
  ThreadPool pool;
  const Kernels* kernels = nullptr;
  Forward forward;
  Sampler samplers[kMaxThreads];  // one for each thread of the pool
  Array<ForwardRow> rows;         // of a pass
  Array<PassEntry> pass;          // (max_sessions): of one
  char name[kMaxName] = {};
  ModelAccess access = ModelAccess::kMmap;
  ModelType type = ModelType::kGen;
  bool speaks_llama2 = true;  // in its queries of texts, by what needs no template
  KvType kv_type = KvType::kF32;
  uint32_t max_sessions = 0;
  unsigned threads_wanted = 0;
  uint64_t cpu_quota_milli = 0;  // that was looked at for them, as of Cores
  uint32_t trained_context = 0;  // what the model says; config().seq_len is what it has
  Log log;

  // What Fingerprint() found: kept, as finding it takes thousands of reads. Threads that look for
  // it at the same time find the same, and the first one keeps it. No lock, which a fork() might
  // find held.
  enum FingerprintState : uint32_t { kUnknown, kWriting, kKnown };
  mutable std::atomic<uint32_t> fingerprint_state{kUnknown};
  mutable uint64_t known_fingerprint = 0;

  // The scheduler's.
  struct Listed {
    Session* first_session = nullptr;
    uint32_t n_sessions = 0;
    uint32_t forks = 0;  // up to the process that the pool's threads are in
  };
  Listed& listed(LockHeld /*held*/) { return listed_; }
  bool lost = false;  // from the beginning of a fork()'s child, which cannot use it: scheduler.h

 private:
  explicit Transformer(Memory::Plan plan) : memory(plan) {}
  bool in_arena() const { return memory.arena() != nullptr || memory.is_plan(); }
  void DescribeWeights(char* text, size_t size) const;
  void DescribeQuota(char* text, size_t size) const;
  Status OpenModelFiles(const TransformerOptions& options, const char** place);
  Status OpenWeights(const TransformerOptions& options);
  Status OpenTokenizer(const TransformerOptions& options);
  Status FindTokenizer(const TransformerOptions& options);
  Status OpenTokenizerFile(const char* path);
  Status OpenChatFormat(const TransformerOptions& options);
  Status ReadTokenizerFile(const char* path, const uint8_t** data);
  void SetOptions(const TransformerOptions& options);
  void SetName(const TransformerOptions& options);

  Listed listed_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_TRANSFORMER_H_
