// SPDX-License-Identifier: MIT
#include "engine/transformer.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/prefix_cache.h"
#include "engine/vocabulary_search.h"
#include "platform/checksum.h"
#include "platform/cores.h"
#include "platform/format.h"

namespace clamma {
namespace {

// Writes a number in millions or, from 1000 million on, in billions: "135.20 M", "1.10 B".
void FormatCount(char* text, size_t size, uint64_t count, const char* million,
                 const char* billion) {
  const bool billions = count >= 1000000000;
  const uint64_t hundredths = (count + (billions ? 5000000 : 5000)) / (billions ? 10000000 : 10000);
  Format(text, size, "%llu.%u%u %s", Ull{hundredths / 100},
         static_cast<unsigned>(hundredths / 10 % 10), static_cast<unsigned>(hundredths % 10),
         billions ? billion : million);
}

const char* AccessName(ModelAccess access) {
  switch (access) {
    case ModelAccess::kMmap:
      return "mapped";
    case ModelAccess::kMallocCache:
      return "malloc cache";
    case ModelAccess::kAbsoluteAddress:
      return "absolute address";
  }
  return "";
}

}  // namespace

void Transformer::SetOptions(const TransformerOptions& options) {
  log = options.log;
  access = options.access;
  type = options.type;
  kv_type = options.kv_type;
  max_sessions = options.max_sessions;
  threads_wanted = options.threads;
  if (options.threads == 0) {
    const Cores cores = FindCores();
    threads_wanted = std::min(cores.usable, kMaxThreads);
    cpu_quota_milli = cores.quota_milli;
  }
  SetName(options);
}

Status Transformer::Open(const TransformerOptions& options) {
  SetOptions(options);
  CLAMMA_RETURN_IF_ERROR(OpenWeights(options));
  if (options.kv_type_by_model && files.gguf() != nullptr) kv_type = KvType::kF16;
  CLAMMA_RETURN_IF_ERROR(OpenTokenizer(options));
  if constexpr (kHasGguf) CLAMMA_RETURN_IF_ERROR(OpenChatFormat(options));
  kernels = &SelectKernels();
  CLAMMA_RETURN_IF_ERROR(pool.Start(memory, threads_wanted));
  CLAMMA_RETURN_IF_ERROR(forward.Init(memory, weights, *kernels, pool, in_arena(), kv_type));
  if constexpr (kHasPrefixCache) {
    if (!memory.is_plan()) OpenPages(*this, options.prefix_cache_bytes);
  }
  return InitPasses();
}

// Allocates what passes need besides the forward pass.
Status Transformer::InitPasses() {
  CLAMMA_RETURN_IF_ERROR(rows.Resize(memory, forward.max_rows()));
  CLAMMA_RETURN_IF_ERROR(pass.Resize(memory, max_sessions));
  for (unsigned i = 0; i < pool.threads(); ++i) {
    CLAMMA_RETURN_IF_ERROR(
        samplers[i].Init(memory, *kernels, config().order, config().vocab_size, &tokenizer));
  }
  return Status();
}

Transformer::~Transformer() {
  if constexpr (kHasGguf) DeleteObject(memory.arena(), chat_format);
}

Status Transformer::PlanArena(const TransformerOptions& options, uint64_t* bytes) {
  Transformer plan((Memory::Plan()));
  CLAMMA_RETURN_IF_ERROR(plan.Open(options));
  plan.memory.PlanFor(sizeof(Transformer));
  if (!CheckedAdd(plan.memory.planned_bytes(), Arena::Overhead(), bytes)) *bytes = UINT64_MAX;
  return Status();
}

void Transformer::SetName(const TransformerOptions& options) {
  const char* source = options.name;
  if (source[0] == '\0' && options.checkpoint_path != nullptr) {
    const char* slash = std::strrchr(options.checkpoint_path, '/');
    source = slash == nullptr ? options.checkpoint_path : slash + 1;
  }
  Format(name, sizeof(name), "%s", source);
}

// Sets *place to the name of the model's place, for messages.
Status Transformer::OpenModelFiles(const TransformerOptions& options, const char** place) {
  if (access == ModelAccess::kAbsoluteAddress) {
    if (options.model_base == nullptr || options.model_size == 0) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "absolute address: model_base and model_size must both be given");
    }
    *place = "the model";
    const auto* base = static_cast<const uint8_t*>(options.model_base);
    return Locate(*place, files.OpenAt(memory, base, options.model_size));
  }
  const bool map = access == ModelAccess::kMmap;
  const bool has_path = options.checkpoint_path != nullptr && options.checkpoint_path[0] != '\0';
  *place = has_path ? options.checkpoint_path : "the descriptor";
  if (options.has_part) {
    return Locate(*place, files.OpenPartOf(memory, options.part_descriptor, options.part_offset,
                                           options.part_length, map));
  }
  if (has_path) return files.Open(memory, *place, options.model_dir, map);
  const char* hint =
      options.model_base == nullptr
          ? ""
          : ", and model_base counts with CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS alone";
  return Status::Error(StatusCode::kInvalidArgument, "no checkpoint_path given%s", hint);
}

Status Transformer::OpenWeights(const TransformerOptions& options) {
  const char* place = "";
  CLAMMA_RETURN_IF_ERROR(OpenModelFiles(options, &place));
  ModelFile model;
  CLAMMA_RETURN_IF_ERROR(Locate(place, files.ReadModel(&model)));
  trained_context = model.config.seq_len;
  if (options.context > ModelLimits::kMaxSeqLen) {
    return Status::Error(StatusCode::kLimit, "context is %u, and at most %u are possible",
                         static_cast<unsigned>(options.context),
                         static_cast<unsigned>(ModelLimits::kMaxSeqLen));
  }
  if (options.context != 0) model.config.seq_len = options.context;
  const Weights::Options how = {.use_cache = access == ModelAccess::kMallocCache,
                                .cache_limit = options.cache_limit};
  return Locate(place, weights.Open(memory, std::move(model), files.sources(), files.count(), how));
}

Status Transformer::OpenTokenizer(const TransformerOptions& options) {
  const uint32_t vocab_size = config().vocab_size;
  if (options.tokenizer_base != nullptr) {
    if (options.tokenizer_size == 0) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "tokenizer_base is given, and tokenizer_size is 0");
    }
    const auto* base = static_cast<const uint8_t*>(options.tokenizer_base);
    return Locate("the vocabulary", tokenizer.Open(memory, base, options.tokenizer_size, vocab_size,
                                                   TextTokensOf(weights.file())));
  }
  if (options.tokenizer_path == nullptr && files.gguf() != nullptr) {
    return Locate(options.checkpoint_path == nullptr ? "the model" : options.checkpoint_path,
                  tokenizer.Open(memory, *files.gguf(), vocab_size, options.pre_tokenizer));
  }
  if (kHasFiles && options.tokenizer_path == nullptr) return FindTokenizer(options);
  const char* path = options.tokenizer_path == nullptr ? "tokenizer.bin" : options.tokenizer_path;
  const Status status = tokenizer_file.Open(path, options.model_dir);
  return kHasFiles && status.ok() ? OpenTokenizerFile(path) : status;
}

Status Transformer::FindTokenizer(const TransformerOptions& options) {
  if constexpr (kHasFiles) {
    VocabularySearch search = {.model_dir = options.model_dir, .vocab_size = config().vocab_size};
    if (access != ModelAccess::kAbsoluteAddress && !options.has_part) {
      search.checkpoint_path = options.checkpoint_path;
      search.checkpoint_place = files.place();
    }
    char path[kMaxPathBytes];
    CLAMMA_RETURN_IF_ERROR(OpenVocabulary(search, &tokenizer_file, path));
    return OpenTokenizerFile(path);
  }
  return Status();
}

// Opens the vocabulary in tokenizer_file.
Status Transformer::OpenTokenizerFile(const char* path) {
  const uint8_t* data = nullptr;
  CLAMMA_RETURN_IF_ERROR(ReadTokenizerFile(path, &data));
  return Locate(path, tokenizer.Open(memory, data, tokenizer_file.size(), config().vocab_size,
                                     TextTokensOf(weights.file())));
}

Status Transformer::OpenChatFormat(const TransformerOptions& options) {
  if (memory.is_plan()) {
    memory.PlanFor(sizeof(ChatFormat));
  } else {
    chat_format = NewObject<ChatFormat>(memory.arena());
    if (chat_format == nullptr) return Status::OutOfMemory(sizeof(ChatFormat));
  }
  speaks_llama2 = files.gguf() == nullptr && options.chat_template[0] == '\0';
  ChatFormat plan;
  ChatFormat& format = memory.is_plan() ? plan : *chat_format;
  return format.Open(memory, files.gguf(), tokenizer, options.chat_template);
}

Status Transformer::ReadTokenizerFile(const char* path, const uint8_t** data) {
  const uint64_t size = tokenizer_file.size();
  if (access != ModelAccess::kMallocCache) {
    return size == 0 ? Status() : Locate(path, tokenizer_file.Map(data));
  }
  // If the checkpoint is not mapped, the vocabulary is not mapped either.
  CLAMMA_RETURN_IF_ERROR(tokenizer_bytes.Resize(memory, size));
  *data = tokenizer_bytes.data();
  if (size == 0 || memory.is_plan()) return Status();
  return Locate(path, tokenizer_file.Read(0, tokenizer_bytes.data(), tokenizer_bytes.size()));
}

// Writes "Q4_K_M, 1.10 B parameters, 668.79 MB (mapped)", or the like for llama2.c's formats.
void Transformer::DescribeWeights(char* text, size_t size) const {
  const ModelFile& model = weights.file();
  const auto bytes = static_cast<Ull>(model.bytes);
  if (files.gguf() != nullptr) {
    char parameters[32];
    char file_bytes[32];
    FormatCount(parameters, sizeof(parameters), model.tensors.parameters(), "M", "B");
    FormatCount(file_bytes, sizeof(file_bytes), model.bytes, "MB", "GB");
    Format(text, size, "%s, %s parameters, %s (%s)", model.file_type, parameters, file_bytes,
           AccessName(access));
  } else if (config().group_size != 0) {
    Format(text, size, "int8 in groups of %u weights (%s), %llu bytes",
           static_cast<unsigned>(config().group_size), AccessName(access), bytes);
  } else {
    Format(text, size, "float weights (%s), %llu bytes", AccessName(access), bytes);
  }
}

// Writes " (CPU quota: 2.5 cores)".
void Transformer::DescribeQuota(char* text, size_t size) const {
  const auto cores = static_cast<Ull>(cpu_quota_milli / 1000);
  const auto milli = static_cast<unsigned>(cpu_quota_milli % 1000);
  char digits[] = {'.', static_cast<char>('0' + milli / 100),
                   static_cast<char>('0' + milli / 10 % 10), static_cast<char>('0' + milli % 10),
                   '\0'};
  for (size_t i = 3; digits[i] == '0' || digits[i] == '.'; --i) {
    const bool is_point = digits[i] == '.';
    digits[i] = '\0';
    if (is_point) break;
  }
  Format(text, size, " (CPU quota: %llu%s core%s)", cores, digits,
         cpu_quota_milli == 1000 ? "" : "s");
}

void Transformer::Describe(char* text, size_t size) const {
  const ModelConfig& c = config();
  char weights_text[160];
  DescribeWeights(weights_text, sizeof(weights_text));
  char why[64] = "";  // the reason for the number of threads
  if (threads_wanted != pool.threads()) {
    Format(why, sizeof(why), " (%u asked for; this build has at most %u)", threads_wanted,
           kMaxThreads);
  } else if constexpr (kHasThreads) {
    if (cpu_quota_milli != 0) DescribeQuota(why, sizeof(why));
  }
  Format(text, size,
         "%s: %s, %s\n"
         "dim %u, hidden %u, layers %u, heads %u (kv %u), vocabulary %u, context %u, "
         "%s kv cache, %s kernels, %u thread%s%s",
         name[0] == '\0' ? "model" : name, weights.file().format, weights_text,
         static_cast<unsigned>(c.dim), static_cast<unsigned>(c.widest.hidden_dim),
         static_cast<unsigned>(c.n_layers), static_cast<unsigned>(c.widest.n_heads),
         static_cast<unsigned>(c.widest.n_kv_heads), static_cast<unsigned>(c.vocab_size),
         static_cast<unsigned>(c.seq_len), kKvFormats[kv_type].name, kernels->name, pool.threads(),
         pool.threads() == 1 ? "" : "s", why);
}

Status Transformer::Fingerprint(uint64_t* fingerprint) const {
  if (fingerprint_state.load(std::memory_order_acquire) == kKnown) {
    *fingerprint = known_fingerprint;
    return Status();
  }
  Checksum checksum;
  CLAMMA_RETURN_IF_ERROR(weights.AddSamples(&checksum));
  for (uint32_t token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string_view bytes = tokenizer.Bytes(static_cast<TokenId>(token));
    checksum.Add(bytes.data(), bytes.size());
  }
  *fingerprint = checksum.Value();
  uint32_t expected = kUnknown;
  if (fingerprint_state.compare_exchange_strong(expected, kWriting)) {
    known_fingerprint = *fingerprint;
    fingerprint_state.store(kKnown, std::memory_order_release);
  }
  return Status();
}

}  // namespace clamma
