// SPDX-License-Identifier: MIT
#include "tokenizer/rank_merges.h"

#include <algorithm>

#include "model/files/gguf.h"
#include "model/utf8.h"
#include "platform/clock.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kMergeable = Kinds(TokenKind::kNormal) | Kinds(TokenKind::kUserDefined);

// GPT-2's alphabet: a byte that is a printable character of Latin-1 is written as that character;
// the other 68 are written, in order, as U+0100 and the characters that follow it.
struct Alphabet {
  uint8_t of_code[256 + 68] = {};
  bool is_known[256 + 68] = {};
  constexpr Alphabet() {
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
      const uint32_t code = printable ? byte : next++;
      of_code[code] = static_cast<uint8_t>(byte);
      is_known[code] = true;
    }
  }
};
constexpr Alphabet kAlphabet;

// The byte that the first character stands for, or -1; *length receives the character's length.
int FrontByte(std::string_view text, size_t* length) {
  const Utf8Scan scan = ScanUtf8(text);
  *length = scan.length;
  if (scan.prefix != Utf8Prefix::kCharacter || scan.length > 2) return -1;
  const uint32_t code = DecodeUtf8(text.data(), scan.length);
  if (code >= sizeof(kAlphabet.of_code) || !kAlphabet.is_known[code]) return -1;
  return kAlphabet.of_code[code];
}

// Heap order: the lower rank first, the leftmost of equals.
template <typename Candidate>
bool ComesLater(const Candidate& a, const Candidate& b) {
  return a.order > b.order;
}

}  // namespace

bool IsOfAlphabet(std::string_view text) {
  for (size_t length = 0; !text.empty(); text.remove_prefix(length)) {
    if (FrontByte(text, &length) < 0) return false;
  }
  return true;
}

size_t BytesOfAlphabet(std::string_view text, uint8_t* out) {
  if (!IsOfAlphabet(text)) {
    if (out != nullptr) std::copy(text.begin(), text.end(), out);
    return text.size();
  }
  size_t n = 0;
  for (size_t length = 0; !text.empty(); text.remove_prefix(length)) {
    const int byte = FrontByte(text, &length);
    if (out != nullptr) out[n] = static_cast<uint8_t>(byte);
    ++n;
  }
  return n;
}

// --- The merges of a file ---

Status RankMerges::Read(Memory& memory, const Gguf& gguf, const Vocabulary& vocabulary) {
  GgufValue lines;
  CLAMMA_RETURN_IF_ERROR(gguf.GetArray("tokenizer.ggml.merges", Gguf::Elements::kStrings,
                                       Gguf::Presence::kRequired, &lines));
  uint64_t longest = 0;
  std::string_view line;
  for (GgufStrings all(lines); all.Next(&line);) longest = std::max<uint64_t>(longest, line.size());
  CLAMMA_RETURN_IF_ERROR(merges_.Resize(memory, lines.count));
  uint64_t slots = 16;
  while (slots < 2 * lines.count) slots *= 2;
  CLAMMA_RETURN_IF_ERROR(index_.Resize(memory, slots));
  Array<uint8_t> text;
  CLAMMA_RETURN_IF_ERROR(text.Resize(memory, longest));
  if (memory.is_plan()) return Status();
  hash_seed_ = SeedFromClock();
  TokenId last_result = kNoToken;
  uint32_t rank = 0;
  for (GgufStrings all(lines); all.Next(&line); ++rank) {
    Merge merge = {kNoToken, kNoToken, kNoToken, rank};
    if (!ReadLine(line, vocabulary, text.data(), &merge)) continue;
    if (merge.result == last_result) merge.rank = merges_[n_merges_ - 1].rank;
    last_result = merge.result;
    Add(merge);
  }
  return Status();
}

// Reads a line "LEFT RIGHT", whose texts are in the alphabet of bytes. Returns false unless LEFT,
// RIGHT and both together are tokens. `text` is a buffer as long as the line.
bool RankMerges::ReadLine(std::string_view line, const Vocabulary& vocabulary, uint8_t* text,
                          Merge* merge) {
  size_t space = 1;
  while (space < line.size() && line[space] != ' ') ++space;
  if (space + 1 >= line.size()) return false;
  const size_t left = BytesOfAlphabet(Front(line, space), text);
  const std::string_view rest(line.data() + space + 1, line.size() - space - 1);
  const size_t both = left + BytesOfAlphabet(rest, text + left);
  const auto find = [&](size_t begin, size_t end) {
    const char* const bytes = reinterpret_cast<const char*>(text);
    return vocabulary.Find({bytes + begin, end - begin}, kMergeable);
  };
  merge->left = find(0, left);
  merge->right = find(left, both);
  merge->result = find(0, both);
  return merge->left >= 0 && merge->right >= 0 && merge->result >= 0;
}

// If a pair occurs more than once, Find() returns the first merge.
void RankMerges::Add(const Merge& merge) {
  merges_[n_merges_++] = merge;
  size_t slot = FirstSlot(merge.left, merge.right);
  for (; index_[slot] != 0; slot = (slot + 1) & (index_.size() - 1)) {
    const Merge& other = merges_[index_[slot] - 1];
    if (other.left == merge.left && other.right == merge.right) return;
  }
  index_[slot] = static_cast<uint32_t>(n_merges_);
}

size_t RankMerges::FirstSlot(TokenId left, TokenId right) const {
  uint64_t hash =
      hash_seed_ ^ (uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right));
  for (int round = 0; round < 2; ++round) {
    hash *= 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return static_cast<size_t>(hash) & (index_.size() - 1);
}

const RankMerges::Merge* RankMerges::Find(TokenId left, TokenId right) const {
  // The loop ends because at most half of the slots are in use.
  for (size_t slot = FirstSlot(left, right); index_[slot] != 0;
       slot = (slot + 1) & (index_.size() - 1)) {
    const Merge& merge = merges_[index_[slot] - 1];
    if (merge.left == left && merge.right == right) return &merge;
  }
  return nullptr;
}

// --- Merging ---

Status RankMerger::Reserve(Memory& memory, uint64_t max_bytes) {
  if (max_bytes >= kNone / 2) {
    return Status::Error(StatusCode::kLimit, "a word of %llu bytes is too long to encode",
                         static_cast<unsigned long long>(max_bytes));  // NOLINT: for %llu
  }
  CLAMMA_RETURN_IF_ERROR(symbols_.Resize(memory, max_bytes));
  // Each boundary between symbols adds one candidate; each merge removes one and adds at most two.
  return heap_.Resize(memory, 2 * max_bytes);
}

size_t RankMerger::Run(std::string_view word, TokenId* tokens) {
  uint32_t n = 0;
  for (const char c : word) {
    const TokenId token = vocabulary_.byte_token(static_cast<uint8_t>(c));
    if (token >= 0) symbols_[n++].token = token;
  }
  for (uint32_t i = 0; i < n; ++i) {
    symbols_[i].previous = i == 0 ? kNone : i - 1;
    symbols_[i].next = i + 1 == n ? kNone : i + 1;
    symbols_[i].is_merged = false;
  }
  heap_size_ = 0;
  for (uint32_t i = 0; i + 1 < n; ++i) Consider(i);
  while (heap_size_ > 0) {
    std::pop_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Candidate>);
    Apply(heap_[--heap_size_]);
  }
  size_t count = 0;
  for (uint32_t i = n == 0 ? kNone : 0; i != kNone; i = symbols_[i].next) {
    tokens[count++] = symbols_[i].token;
  }
  return count;
}

void RankMerger::Consider(uint32_t left) {
  const Symbol& a = symbols_[left];
  if (a.next == kNone) return;
  const RankMerges::Merge* const merge = merges_.Find(a.token, symbols_[a.next].token);
  if (merge == nullptr) return;
  heap_[heap_size_++] = {uint64_t{merge->rank} << 32 | left, merge};
  std::push_heap(heap_.data(), heap_.data() + heap_size_, ComesLater<Candidate>);
}

void RankMerger::Apply(const Candidate& candidate) {
  const auto left = static_cast<uint32_t>(candidate.order);
  Symbol& a = symbols_[left];
  // The candidate is stale if either side has merged since: the tokens then differ.
  if (a.is_merged || a.next == kNone || a.token != candidate.merge->left ||
      symbols_[a.next].token != candidate.merge->right) {
    return;
  }
  Symbol& b = symbols_[a.next];
  a.token = candidate.merge->result;
  a.next = b.next;
  b.is_merged = true;
  if (a.next != kNone) symbols_[a.next].previous = left;
  if (a.previous != kNone) Consider(a.previous);
  Consider(left);
}

}  // namespace clamma
