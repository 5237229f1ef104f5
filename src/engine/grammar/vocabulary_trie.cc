// SPDX-License-Identifier: MIT
#include "engine/grammar/vocabulary_trie.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "model/utf8.h"

namespace clamma {
namespace {

// Returns the number of characters of a plain text, or 0 if it is not plain.
size_t PlainCharacters(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const auto byte = static_cast<uint8_t>(text[0]);
    if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f) return 0;
    const Utf8Scan scan = ScanUtf8(text);
    if (scan.prefix != Utf8Prefix::kCharacter) return 0;
    text.remove_prefix(scan.length);
    ++count;
  }
  return count <= VocabularyTrie::kMaxPlain ? count : 0;
}

// The kind of a plain character that begins with this byte.
unsigned KindOf(uint8_t byte) {
  unsigned kind = 0;
  while (kind < kOtherKind &&
         kAsciiKinds[kind].find(static_cast<char>(byte)) == std::string_view::npos) {
    ++kind;
  }
  return kind;
}

}  // namespace

// Plain ones first, then in order of their bytes.
bool VocabularyTrie::Before(const Entry& a, const Entry& b) {
  if ((a.plain > 0) != (b.plain > 0)) return a.plain > 0;
  const int order = std::memcmp(a.bytes, b.bytes, std::min(a.length, b.length));
  if (order != 0) return order < 0;
  return a.length != b.length ? a.length < b.length : a.token < b.token;
}

// Returns how many of the previous token's nodes lead to the next one. Tokens of equal bytes have
// two nodes for the last byte.
size_t VocabularyTrie::SharedWith(const Entry& previous, const Entry& entry) {
  if ((previous.plain > 0) != (entry.plain > 0)) return 0;
  const size_t most = std::min(previous.length, entry.length - 1);
  size_t shared = 0;
  while (shared < most && previous.bytes[shared] == entry.bytes[shared]) ++shared;
  return shared;
}

// Fills in the sets, and the entries of the tokens with text. Returns their number.
size_t VocabularyTrie::ListTokens(const Tokenizer& tokenizer, Entry* entries) {
  size_t n = 0;
  for (uint32_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (!tokenizer.IsGenerated(token)) continue;
    AddToken(set(tokenizer.EndsText(token) ? kEnds : kOthers), token);
    if (tokenizer.EndsText(token)) continue;
    const std::string_view bytes = tokenizer.Bytes(token);
    if (bytes.empty()) AddToken(set(kSilent), token);
    if (bytes.empty() || bytes.size() > kMaxBytes) continue;
    const size_t plain = PlainCharacters(bytes);
    if (plain == bytes.size()) AddToken(set(kAscii), token);
    for (size_t k = plain; plain > 0 && k <= kMaxPlain; ++k) AddToken(set(kPlain + k), token);
    entries[n++] = {bytes.data(), static_cast<uint32_t>(bytes.size()), token,
                    static_cast<uint32_t>(plain)};
  }
  return n;
}

Status VocabularyTrie::Build(Memory& memory, const Tokenizer& tokenizer) {
  const size_t n_words = TokenWords(tokenizer.vocab_size());
  Array<Entry> entries;
  CLAMMA_RETURN_IF_ERROR(entries.Resize(memory, tokenizer.vocab_size()));
  CLAMMA_RETURN_IF_ERROR(sets_.Resize(memory, kSets * uint64_t{n_words}));
  n_words_ = n_words;
  const size_t n = ListTokens(tokenizer, entries.data());
  std::sort(entries.data(), entries.data() + n, Before);
  uint64_t n_nodes = 0;
  for (size_t i = 0; i < n; ++i) {
    n_nodes += entries[i].length - (i == 0 ? 0 : SharedWith(entries[i - 1], entries[i]));
    if (entries[i].plain > 0) n_plain_nodes_ = static_cast<uint32_t>(n_nodes);
  }
  Status status = nodes_.Resize(memory, n_nodes + 1);
  if (status.ok()) status = tokens_.Resize(memory, n);
  if (!status.ok()) {
    n_words_ = 0;  // it is not built
    n_plain_nodes_ = 0;
    sets_.Reset();
    nodes_.Reset();
    return status;
  }
  n_nodes_ = static_cast<uint32_t>(n_nodes);
  AddNodes(entries.data(), n);
  DescribePlainNodes();
  return Status();
}

void VocabularyTrie::AddNodes(const Entry* entries, size_t n) {
  uint32_t count = 0;
  uint32_t open[kMaxBytes + 1] = {};  // the nodes of the last token, by their depth
  size_t depth = 0;
  for (size_t i = 0; i < n; ++i) {
    const Entry& entry = entries[i];
    const size_t shared = i == 0 ? 0 : SharedWith(entries[i - 1], entry);
    for (; depth > shared; --depth) nodes_[open[depth]].skip = count;
    for (; depth < entry.length; ++count) {
      const auto byte = static_cast<uint8_t>(entry.bytes[depth++]);
      nodes_[count] = {.skip = 0,
                       .first = static_cast<uint32_t>(i),
                       .byte = byte,
                       .depth = static_cast<uint8_t>(depth),
                       .has_token = 0,
                       .longest = 0,
                       .below = 0,
                       .is_ascii = 0,
                       .kinds = 0};
      open[depth] = count;
    }
    nodes_[open[depth]].has_token = 1;
    nodes_[open[depth]].longest = static_cast<uint8_t>(entry.plain);
    tokens_[i] = entry.token;
  }
  for (; depth > 0; --depth) nodes_[open[depth]].skip = count;
  nodes_[count].first = static_cast<uint32_t>(n);
}

// Goes through the nodes from the last one, so that those below a node are complete.
void VocabularyTrie::DescribePlainNodes() {
  for (uint32_t i = n_plain_nodes_; i-- > 0;) {
    TrieNode& node = nodes_[i];
    for (uint32_t k = i + 1; k < node.skip; k = nodes_[k].skip) {
      const TrieNode& child = nodes_[k];
      const bool begins = (child.byte & 0xc0) != 0x80;  // a character
      node.longest = std::max(node.longest, child.longest);
      node.kinds = static_cast<KindSet>(node.kinds | child.kinds);
      if (begins) node.kinds = static_cast<KindSet>(node.kinds | 1u << KindOf(child.byte));
    }
  }
  uint8_t characters[kMaxBytes + 1] = {};  // up to each depth
  bool are_ascii[kMaxBytes + 1] = {true};  // likewise
  for (uint32_t i = 0; i < n_plain_nodes_; ++i) {
    TrieNode& node = nodes_[i];
    const bool begins = (node.byte & 0xc0) != 0x80;
    characters[node.depth] = static_cast<uint8_t>(characters[node.depth - 1] + (begins ? 1 : 0));
    const bool ends = i + 1 == node.skip || (nodes_[i + 1].byte & 0xc0) != 0x80;
    node.below = begins || ends ? static_cast<uint8_t>(node.longest - characters[node.depth])
                                : TrieNode::kWithinCharacter;
    are_ascii[node.depth] = are_ascii[node.depth - 1] && node.byte < 0x80;
    node.is_ascii = are_ascii[node.depth] && (node.kinds & kOtherKinds) == 0 ? 1 : 0;
  }
}

}  // namespace clamma
