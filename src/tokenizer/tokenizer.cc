// SPDX-License-Identifier: MIT
#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "model/files/gguf.h"
#include "model/model_file.h"
#include "platform/format.h"
#include "platform/quoted.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/llama2c_vocabulary.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pretokenizers.h"
#include "tokenizer/score_merges.h"
#include "tokenizer/unicode.h"

namespace clamma {
namespace {

constexpr size_t kMaxWarning = 256;

// Longer texts are refused.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// The vocabulary size of Llama 3. Many of its files were made before tokenizer.ggml.pre existed.
constexpr uint32_t kLlama3Tokens = 128256;

// Copies a text with spaces in place of U+2581; out may be nullptr, to count. Returns its bytes.
size_t CopyWithSpaces(TokenKind /*kind*/, std::string_view text, uint8_t* out) {
  size_t n = 0;
  while (!text.empty()) {
    const bool space = StartsWith(text, kSpaceMark);
    if (out != nullptr) out[n] = space ? ' ' : static_cast<uint8_t>(text[0]);
    ++n;
    text.remove_prefix(space ? kSpaceMark.size() : 1);
  }
  return n;
}

// The same for byte-level vocabularies, in which only normal tokens use the alphabet of bytes.
size_t CopyFromAlphabet(TokenKind kind, std::string_view text, uint8_t* out) {
  if (kind == TokenKind::kNormal) return BytesOfAlphabet(text, out);
  if (out != nullptr) std::copy(text.begin(), text.end(), out);
  return text.size();
}

constexpr GgufVocabularyTraits kScoreTraits = {.copy_text = CopyWithSpaces,
                                               .has_scores = true,
                                               .is_byte_level = false,
                                               .default_unknown = 0,
                                               .default_bos = 1,
                                               .default_eos = 2};
constexpr GgufVocabularyTraits kRankTraits = {.copy_text = CopyFromAlphabet,
                                              .has_scores = false,
                                              .is_byte_level = true,
                                              .default_unknown = kNoToken,
                                              .default_bos = kNoToken,
                                              .default_eos = kNoToken};

// Encodes the parts of a text between special tokens with ScoreMerger.
class ScoreEncoder {
 public:
  ScoreEncoder(const Vocabulary& vocabulary, const RankMerges& /*merges*/,
               const Pretokenizer* /*rule*/)
      : merger_(vocabulary) {}
  static constexpr bool kMarksAreSpaces = true;

  // Notes the memory that the text needs. Returns by how much its tokens can outnumber its bytes.
  uint64_t Measure(std::string_view text, bool prefix) {
    longest_ = std::max<uint64_t>(longest_, uint64_t{text.size()} + (prefix ? 1 : 0));
    return 0;
  }
  Status Reserve(Memory& memory) { return merger_.Reserve(memory, longest_); }
  void Encode(std::string_view text, bool prefix, TokenId* tokens, size_t* count) {
    merger_.Run(text, prefix);
    *count += merger_.Take(tokens + *count);
  }

 private:
  ScoreMerger merger_;
  uint64_t longest_ = 0;
};

// Does the same with RankMerger.
class RankEncoder {
 public:
  RankEncoder(const Vocabulary& vocabulary, const RankMerges& merges, const Pretokenizer* rule)
      : vocabulary_(vocabulary), rule_(*rule), merger_(vocabulary, merges) {}
  static constexpr bool kMarksAreSpaces = false;

  uint64_t Measure(std::string_view text, bool /*prefix*/) {
    const bool is_plan = text.data() == nullptr;  // only the size is known
    if (rule_.wants_nfc && (is_plan || MayChangeByNfc(text))) {
      longest_changed_ = std::max<uint64_t>(longest_changed_, text.size());
      longest_ = std::max(longest_, kMaxNfcGrowth * text.size());
      return (kMaxNfcGrowth - 1) * text.size();
    }
    if (is_plan) {
      longest_ = text.size();
      return 0;
    }
    std::string_view word;
    for (WordSplitter words(rule_, text); words.Next(&word);) {
      longest_ = std::max<uint64_t>(longest_, word.size());
    }
    return 0;
  }
  Status Reserve(Memory& memory) {
    if (longest_changed_ > 0) {
      CLAMMA_RETURN_IF_ERROR(normalizer_.Reserve(memory, longest_changed_));
    }
    return merger_.Reserve(memory, longest_);
  }
  void Encode(std::string_view text, bool /*prefix*/, TokenId* tokens, size_t* count) {
    if (longest_changed_ > 0 && MayChangeByNfc(text)) text = normalizer_.Normalize(text);
    std::string_view word;
    for (WordSplitter words(rule_, text); words.Next(&word);) {
      if (rule_.ignores_merges) {
        const TokenId whole = vocabulary_.Find(word, Kinds(TokenKind::kNormal));
        if (whole >= 0) {
          tokens[(*count)++] = whole;
          continue;
        }
      }
      *count += merger_.Run(word, tokens + *count);
    }
  }

 private:
  const Vocabulary& vocabulary_;
  const Pretokenizer& rule_;
  NfcNormalizer normalizer_;
  RankMerger merger_;
  uint64_t longest_changed_ = 0;  // bytes of the longest text that is normalized
  uint64_t longest_ = 0;          // bytes of the longest word
};

bool Contains(std::string_view text, std::string_view part) {
  for (; text.size() >= part.size(); text.remove_prefix(1)) {
    if (StartsWith(text, part)) return true;
  }
  return false;
}

}  // namespace

// A kind of vocabulary in GGUF files.
struct TokenizerKind {
  std::string_view name;  // the value of tokenizer.ggml.model
  Status (Tokenizer::*open)(Memory& memory, const Gguf& gguf, const char* pre);
  Status (Tokenizer::*encode)(Memory& memory, std::string_view text,
                              const Tokenizer::EncodeOptions& options, Array<TokenId>* tokens,
                              size_t* count) const;
  GgufVocabularyTraits traits;

  static const TokenizerKind kAll[2];
};

constexpr TokenizerKind TokenizerKind::kAll[2] = {
    {.name = "llama",
     .open = &Tokenizer::OpenScores,
     .encode = &Tokenizer::EncodeParts<ScoreEncoder>,
     .traits = kScoreTraits},
    {.name = "gpt2",
     .open = &Tokenizer::OpenRanks,
     .encode = &Tokenizer::EncodeParts<RankEncoder>,
     .traits = kRankTraits},
};

// --- Opening ---

Status Tokenizer::Open(Memory& memory, const uint8_t* data, uint64_t size, uint32_t vocab_size,
                       const TextTokens* text_tokens) {
  CLAMMA_RETURN_IF_ERROR(
      ReadLlama2cVocabulary(memory, data, size, vocab_size, text_tokens, &vocabulary_));
  if constexpr (kHasGguf) {
    adds_bos_ = bos() >= 0;
    const uint64_t most = uint64_t{kLlama2cControlTokens} + 1 + TextTokens::kMaxEnds;
    return rules()->special_tokens.Build(memory, vocabulary_,
                                         text_tokens == nullptr ? kLlama2cControlTokens : most);
  }
  return Status();
}

Status Tokenizer::Open(Memory& memory, const Gguf& gguf, uint32_t vocab_size, const char* pre) {
  if constexpr (kHasGguf) {
    std::string_view name;
    CLAMMA_RETURN_IF_ERROR(
        gguf.GetString("tokenizer.ggml.model", Gguf::Presence::kRequired, &name));
    for (const TokenizerKind& kind : TokenizerKind::kAll) {
      if (kind.name == name) rules()->kind = &kind;
    }
    if (rules()->kind == nullptr) {
      return Status::Error(StatusCode::kCorrupt,
                           "the vocabulary inside the file is of kind %s, but only the kinds "
                           "\"llama\" and \"gpt2\" are supported: give a tokenizer_path",
                           Quoted(name).c_str());
    }
    uint64_t n_special = 0;
    CLAMMA_RETURN_IF_ERROR(ReadGgufVocabulary(memory, gguf, rules()->kind->traits, vocab_size,
                                              &vocabulary_, &n_special));
    CLAMMA_RETURN_IF_ERROR(rules()->special_tokens.Build(memory, vocabulary_, n_special));
    return (this->*rules()->kind->open)(memory, gguf, pre);
  } else {
    static_cast<void>(memory);
    static_cast<void>(gguf);
    static_cast<void>(vocab_size);
    static_cast<void>(pre);
    return Status::Error(StatusCode::kInvalidArgument, "this build reads no GGUF files");
  }
}

Status Tokenizer::ReadFlags(const Gguf& gguf, bool adds_bos) {
  adds_bos_ = adds_bos;
  CLAMMA_RETURN_IF_ERROR(
      gguf.GetBool("tokenizer.ggml.add_bos_token", Gguf::Presence::kOptional, &adds_bos_));
  CLAMMA_RETURN_IF_ERROR(
      gguf.GetBool("tokenizer.ggml.add_eos_token", Gguf::Presence::kOptional, &adds_eos_));
  adds_bos_ = adds_bos_ && bos() >= 0;
  adds_eos_ = adds_eos_ && eos() >= 0;
  return Status();
}

Status Tokenizer::OpenScores(Memory& /*memory*/, const Gguf& gguf, const char* /*pre*/) {
  if constexpr (kHasGguf) {
    // Phi-3's control tokens consume the white space after them. The model's tokenizer.json states
    // it, but its GGUF files do not.
    std::string_view architecture;
    std::string_view name;
    CLAMMA_RETURN_IF_ERROR(
        gguf.GetString("general.architecture", Gguf::Presence::kOptional, &architecture));
    CLAMMA_RETURN_IF_ERROR(gguf.GetString("general.name", Gguf::Presence::kOptional, &name));
    rules()->strips_right = architecture == "phi3" || Contains(name, "phi-3") ||
                            Contains(name, "Phi-3") || Contains(name, "Phi3");
  }
  CLAMMA_RETURN_IF_ERROR(ReadFlags(gguf, true));
  return gguf.GetBool("tokenizer.ggml.add_space_prefix", Gguf::Presence::kOptional, &adds_prefix_);
}

Status Tokenizer::OpenRanks(Memory& memory, const Gguf& gguf, const char* pre) {
  if constexpr (kHasGguf) {
    adds_prefix_ = false;
    CLAMMA_RETURN_IF_ERROR(ChoosePretokenizer(memory, gguf, pre));
    CLAMMA_RETURN_IF_ERROR(rules()->merges.Read(memory, gguf, vocabulary_));
    return ReadFlags(gguf, rules()->pretokenizer->adds_bos);
  }
  return Status();
}

Status Tokenizer::ChoosePretokenizer(Memory& memory, const Gguf& gguf, const char* pre) {
  if constexpr (kHasGguf) {
    if (pre != nullptr && FindPretokenizer(pre) == nullptr) {
      return Status::Error(StatusCode::kInvalidArgument,
                           "unknown rule %s for splitting texts into words", Quoted(pre).c_str());
    }
    std::string_view name;
    if (pre != nullptr) {
      name = pre;
    } else {
      CLAMMA_RETURN_IF_ERROR(
          gguf.GetString("tokenizer.ggml.pre", Gguf::Presence::kOptional, &name));
    }
    rules()->pretokenizer = FindPretokenizer(name);
    if (rules()->pretokenizer != nullptr) return Status();
    const bool guessed = name.empty() && vocab_size() == kLlama3Tokens;
    rules()->pretokenizer = FindPretokenizer(guessed ? "llama-bpe" : "default");
    CLAMMA_RETURN_IF_ERROR(rules()->warning.Resize(memory, kMaxWarning));
    if (memory.is_plan()) return Status();
    const char* const rule = rules()->pretokenizer->name.data();  // a literal
    if (name.empty()) {
      Format(rules()->warning.data(), kMaxWarning,
             "the file does not name the rule by which its vocabulary splits texts into words "
             "(tokenizer.ggml.pre): using \"%s\"",
             rule);
    } else {
      Format(rules()->warning.data(), kMaxWarning,
             "the vocabulary's rule %s for splitting texts into words is unknown: using \"%s\"",
             Quoted(name).c_str(), rule);
    }
  }
  return Status();
}

// --- Encoding ---

Status Tokenizer::Encode(Memory& memory, std::string_view text, const EncodeOptions& options,
                         Array<TokenId>* tokens, size_t* count) const {
  if (text.size() > kMaxTextBytes) {
    return Status::Error(StatusCode::kLimit, "a text of %zu bytes is too long to encode",
                         text.size());
  }
  if constexpr (kHasGguf) {
    if (rules()->kind != nullptr) {
      return (this->*rules()->kind->encode)(memory, text, options, tokens, count);
    }
    if (options.parse_control) {
      return EncodeParts<ScoreEncoder>(memory, text, options, tokens, count);
    }
  }
  return EncodePlain(memory, text, options, tokens, count);
}

// Encodes with a llama2.c vocabulary, without parsing control tokens.
Status Tokenizer::EncodePlain(Memory& memory, std::string_view text, const EncodeOptions& options,
                              Array<TokenId>* tokens, size_t* count) const {
  ScoreMerger merger(vocabulary_);
  size_t n = 0;
  if (!text.empty()) {
    const bool prefix = options.dummy_prefix;
    const uint64_t size = uint64_t{text.size()} + (prefix ? 1 : 0);
    CLAMMA_RETURN_IF_ERROR(merger.Reserve(memory, size));
    if (!memory.is_plan()) merger.Run(text, prefix);
    n = memory.is_plan() ? static_cast<size_t>(size) : merger.count();
  }
  const size_t needed = *count + n + (options.bos ? 1 : 0) + (options.eos ? 1 : 0);
  if (tokens->size() < needed) CLAMMA_RETURN_IF_ERROR(tokens->Resize(memory, needed));
  if (memory.is_plan()) {
    *count = needed;
    return Status();
  }
  if (options.bos && (!kHasGguf || bos() >= 0)) (*tokens)[(*count)++] = bos();
  if (n > 0) *count += merger.Take(tokens->data() + *count);
  if (options.eos && (!kHasGguf || eos() >= 0)) (*tokens)[(*count)++] = eos();
  return Status();
}

// Calls on_token(token, is_control) for each special token of a text, and on_text(part, prefix) for
// each part between them, in order.
template <typename OnText, typename OnToken>
void Tokenizer::ForEachPart(std::string_view text, const EncodeOptions& options,
                            bool marks_are_spaces, OnText on_text, OnToken on_token) const {
  SpecialTokens::Scan scan(rules()->special_tokens, text,
                           {.control = options.parse_control,
                            .data = options.data,
                            .n_data = options.n_data,
                            .marks_are_spaces = marks_are_spaces});
  size_t at = 0;
  bool prefix = options.dummy_prefix;
  const auto text_until = [&](size_t end) {
    if (end > at) on_text({text.data() + at, end - at}, prefix);
    prefix = prefix && end <= at;
  };
  SpecialTokens::Match match;
  while (scan.Next(&match)) {
    if (match.begin < at) continue;  // it is white space that the last token consumed
    text_until(match.begin);
    if (prefix && !match.is_control) on_text(" ", false);  // the space precedes this token
    on_token(match.token, match.is_control);
    at = match.end;
    prefix = options.dummy_prefix && match.is_control;
    if (match.is_control && rules()->strips_right) {
      const char* const end = text.data() + text.size();
      at = static_cast<size_t>(SkipClasses(text.data() + at, end, kWhite) - text.data());
    }
  }
  text_until(text.size());
}

template <typename Encoder>
Status Tokenizer::EncodeParts(Memory& memory, std::string_view text, const EncodeOptions& options,
                              Array<TokenId>* tokens, size_t* count) const {
  Encoder encoder(vocabulary_, rules()->merges, rules()->pretokenizer);
  EncodeOptions how = options;
  how.dummy_prefix = options.dummy_prefix && Encoder::kMarksAreSpaces;
  uint64_t most = uint64_t{text.size()} + 3;  // BOS, EOS, and a space before the text
  if (memory.is_plan()) {
    if (options.parse_control) most += text.size();  // a space after each control token
    if (!text.empty()) most += encoder.Measure({nullptr, text.size()}, how.dummy_prefix);
  } else {
    ForEachPart(
        text, how, Encoder::kMarksAreSpaces,
        [&](std::string_view part, bool prefix) { most += encoder.Measure(part, prefix); },
        [&](TokenId /*token*/, bool is_control) { most += is_control ? 1 : 0; });
  }
  CLAMMA_RETURN_IF_ERROR(encoder.Reserve(memory));
  uint64_t needed = 0;
  if (!CheckedAdd(*count, most, &needed)) needed = UINT64_MAX;
  if (tokens->size() < needed) CLAMMA_RETURN_IF_ERROR(tokens->Resize(memory, needed));
  if (memory.is_plan()) {
    *count = static_cast<size_t>(needed);
    return Status();
  }
  size_t n = *count;
  if (options.bos && bos() >= 0) (*tokens)[n++] = bos();
  ForEachPart(
      text, how, Encoder::kMarksAreSpaces,
      [&](std::string_view part, bool prefix) { encoder.Encode(part, prefix, tokens->data(), &n); },
      [&](TokenId token, bool /*is_control*/) { (*tokens)[n++] = token; });
  if (options.eos && eos() >= 0) (*tokens)[n++] = eos();
  *count = n;
  return Status();
}

}  // namespace clamma
