// SPDX-License-Identifier: MIT
// A model with its vocabulary, and everything else that its sessions share.
#ifndef CLAMMA_ENGINE_TRANSFORMER_H_
#define CLAMMA_ENGINE_TRANSFORMER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/grammar/constraint_slot.h"
#include "engine/guards.h"
#include "engine/pass_costs.h"
#include "engine/prompt.h"
#include "engine/sampler.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/kv_pages.h"
#include "model/model_files.h"
#include "model/weights.h"
#include "platform/features.h"
#include "platform/file.h"
#include "platform/log.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/thread_pool.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class Session;

inline constexpr size_t kMaxSessions = LIBCLAMMA_MAX_SESSIONS_PER_MODEL;  // per transformer

enum class ModelAccess : uint8_t { kMmap, kMallocCache, kAbsoluteAddress };

struct TransformerOptions {
  const char* checkpoint_path = nullptr;
  bool has_part = false;  // the checkpoint is a part of an open file
  int part_descriptor = -1;
  uint64_t part_offset = 0;
  uint64_t part_length = 0;  // 0: up to the end of the file
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
  bool speaks_llama2 = true;  // whether chats use Llama 2's format, which needs no template
  KvType kv_type = KvType::kF32;
  bool kv_type_by_model = false;  // half precision for GGUF models, regardless of kv_type
  uint32_t max_sessions = 1;
  const char* name = "";                // truncated to kMaxName - 1 bytes
  const char* chat_template = "";       // see ChatFormat::Open()
  const char* pre_tokenizer = nullptr;  // see Tokenizer::Open()
  uint32_t context = 0;                 // 0: the model's
  // See OpenPages().
  [[no_unique_address]] OnlyIf<kHasPrefixCache, uint64_t> prefix_cache_bytes = 0;
  Log log;
};

// In place of KvPages where there is no prefix cache.
struct NoPages {
  explicit NoPages(Arena* /*arena*/) {}
};

// A session's share of a pass.
struct PassEntry {
  Session* session = nullptr;
  size_t rows = 0;                // 0: the session waits for the next pass
  const float* logits = nullptr;  // (vocab_size): those of its last row
  // Drafts: see pass_drafts.h.
  [[no_unique_address]] OnlyIf<kHasSpeculation, size_t> drafts = 0;  // that have got a row
  [[no_unique_address]] OnlyIf<kHasSpeculation, size_t> most_drafts = 0;
  [[no_unique_address]] OnlyIf<kHasSpeculation, double> chance = 0;  // that the next one is right
  // (drafts, vocab_size)
  [[no_unique_address]] OnlyIf<kHasSpeculation, const float*> draft_logits = nullptr;
};

// Any thread may read the members. Only Open() and the scheduler write them, except for the
// fingerprint. Only the thread that has the scheduler's turn may use the forward pass, the
// samplers, and the members on which these depend.
class Transformer {
 public:
  static constexpr size_t kMaxName = 32;

  // The transformer and its sessions allocate from the arena or, if that is nullptr, from the heap.
  explicit Transformer(Arena* arena = nullptr) : memory(arena), pages(arena) {}
  ~Transformer();

  Status Open(const TransformerOptions& options);

  // Computes how large an arena must be to hold a transformer, without sessions.
  static Status PlanArena(const TransformerOptions& options, uint64_t* bytes);

  // Writes two lines that describe the configuration to users.
  void Describe(char* text, size_t size) const;

  const ModelConfig& config() const { return weights.config(); }

  PromptFormat prompt_format() const {
    return {tokenizer, type, speaks_llama2 ? nullptr : chat_format};
  }

  // The marks of the channels in answers of chats, if the model has channels.
  ChannelMarks channels() const {
    return kHasGguf && chat_format != nullptr ? chat_format->channels() : ChannelMarks();
  }

  // Computes a number that identifies this model with this vocabulary, regardless of how they are
  // accessed. Any thread may call it.
  Status Fingerprint(uint64_t* fingerprint) const;

  Memory memory;
  [[no_unique_address]] std::conditional_t<kHasPrefixCache, KvPages, NoPages> pages;
  ModelFiles files;
  File tokenizer_file;
  Array<uint8_t> tokenizer_bytes;  // the vocabulary, if it is neither mapped nor in tokenizer_base
  Weights weights;
  Tokenizer tokenizer;
  [[no_unique_address]] TrieSlot trie{memory};  // of the vocabulary, for grammars
  [[no_unique_address]] mutable GrammarCacheSlot grammars{memory};
  ChatFormat* chat_format = nullptr;  // nullptr: this build has no templates
  ThreadPool pool;
  const Kernels* kernels = nullptr;
  Forward forward;
  Sampler samplers[kMaxThreads];  // one for each thread of the pool
  Array<ForwardRow> rows;         // (forward.max_rows()): those of a pass
  Array<PassEntry> pass;          // (max_sessions): those of a pass
  [[no_unique_address]] std::conditional_t<kHasSpeculation, PassCosts, NoPassCosts> pass_costs;
  char name[kMaxName] = {};
  ModelAccess access = ModelAccess::kMmap;
  ModelType type = ModelType::kGen;
  bool speaks_llama2 = true;  // see TransformerOptions
  KvType kv_type = KvType::kF32;
  uint32_t max_sessions = 0;
  unsigned threads_wanted = 0;
  uint64_t cpu_quota_milli = 0;  // Cores::quota_milli, if it was considered for threads_wanted
  uint32_t trained_context = 0;  // the file's context; config().seq_len is the one in use
  Log log;

  // The result of Fingerprint(), which takes thousands of reads to compute. Threads that compute it
  // at the same time get the same result, and the first one stores it. There is no lock, as a
  // fork() could happen while another thread holds it.
  enum FingerprintState : uint32_t { kUnknown, kWriting, kKnown };
  mutable std::atomic<uint32_t> fingerprint_state{kUnknown};
  mutable uint64_t known_fingerprint = 0;

  // For the scheduler.
  struct Listed {
    Session* first_session = nullptr;
    uint32_t n_sessions = 0;
    // The first session whose drafts it computes.
    [[no_unique_address]] OnlyIf<kHasSpeculation, Session*> first_borrower = nullptr;
    // The next transformer that the owner of the turn is using.
    [[no_unique_address]] OnlyIf<kHasSpeculation, Transformer*> next_at_work = nullptr;
    uint32_t forks = 0;  // Scheduler::forks_ of the process that has the pool's threads
  };
  Listed& listed(LockHeld /*held*/) { return listed_; }
  bool lost = false;  // in a forked child that cannot use it, see scheduler.h

 private:
  explicit Transformer(Memory::Plan plan) : memory(plan), pages(nullptr) {}
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
  Status InitPasses();

  Listed listed_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_TRANSFORMER_H_
