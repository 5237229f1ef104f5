// SPDX-License-Identifier: MIT
#include "engine/grammar/grammar.h"

#include <algorithm>
#include <cstring>

#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr CodeRange kSurrogates = {0xd800, 0xdfff};

// Makes room for `added` further items, of which there may be `most`.
template <typename T>
Status Grow(Memory& memory, Array<T>* items, uint32_t used, size_t added, uint32_t most,
            const char* what) {
  if (added > most - used) {
    return Status::Error(StatusCode::kLimit, "the grammar is too large: more than %u %s",
                         static_cast<unsigned>(most), what);
  }
  const size_t needed = used + added;
  if (needed <= items->size()) return Status();
  return items->Resize(memory, std::max<uint64_t>(needed, items->size() * uint64_t{2}));
}

// Sorts and joins ranges. Returns how many are left.
size_t Normalize(CodeRange* ranges, size_t n) {
  std::sort(ranges, ranges + n, [](const CodeRange& a, const CodeRange& b) {
    return a.first != b.first ? a.first < b.first : a.last < b.last;
  });
  size_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    if (count > 0 && ranges[i].first <= ranges[count - 1].last + 1) {
      ranges[count - 1].last = std::max(ranges[count - 1].last, ranges[i].last);
    } else {
      ranges[count++] = ranges[i];
    }
  }
  return count;
}

}  // namespace

Status Grammar::AddNode(const GrammarNode& added, NodeId* node) {
  if (added.depth > GrammarLimits::kMaxDepth) {
    return Status::Error(StatusCode::kLimit,
                         "the grammar is nested too deeply: more than %u levels",
                         static_cast<unsigned>(GrammarLimits::kMaxDepth));
  }
  CLAMMA_RETURN_IF_ERROR(Grow(*memory_, &nodes_, n_nodes_, 1, GrammarLimits::kMaxNodes, "nodes"));
  nodes_[n_nodes_] = added;
  *node = n_nodes_++;
  return Status();
}

Status Grammar::AddText(std::string_view text, uint32_t* first) {
  CLAMMA_RETURN_IF_ERROR(Grow(*memory_, &bytes_, n_bytes_, text.size(), GrammarLimits::kMaxBytes,
                              "bytes of texts and names"));
  *first = n_bytes_;
  std::copy(text.begin(), text.end(), bytes_.data() + n_bytes_);
  n_bytes_ += static_cast<uint32_t>(text.size());
  return Status();
}

Status Grammar::AddBytes(std::string_view bytes, NodeId* node) {
  GrammarNode added = {.kind = NodeKind::kBytes};
  CLAMMA_RETURN_IF_ERROR(AddText(bytes, &added.first));
  added.count = static_cast<uint32_t>(bytes.size());
  return AddNode(added, node);
}

Status Grammar::AddClass(const CodeRange* ranges, size_t n, bool negated, NodeId* node) {
  // Surrogates split one range at most; a negation has one range more than what it negates.
  constexpr size_t kMore = 3;
  if (n > GrammarLimits::kMaxItems - kMore) n = GrammarLimits::kMaxItems;  // Grow() refuses it
  CLAMMA_RETURN_IF_ERROR(Grow(*memory_, &ranges_, n_ranges_, 2 * n + 2 * kMore,
                              GrammarLimits::kMaxItems, "ranges of characters"));
  CodeRange* const own = ranges_.data() + n_ranges_;
  size_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    const CodeRange range = {ranges[i].first, std::min(ranges[i].last, kMaxCodePoint)};
    if (range.first <= range.last) own[count++] = range;
  }
  if (negated) own[count++] = kSurrogates;
  count = Normalize(own, count);
  // The result, behind the sorted ranges: those without surrogates, or the gaps between them.
  CodeRange* const result = own + count;
  size_t n_result = 0;
  uint32_t next = 0;  // the first code point of the gap
  for (size_t i = 0; i < count; ++i) {
    if (negated) {
      if (next < own[i].first) result[n_result++] = {next, own[i].first - 1};
      next = own[i].last + 1;
      continue;
    }
    const CodeRange below = {own[i].first, std::min(own[i].last, kSurrogates.first - 1)};
    const CodeRange above = {std::max(own[i].first, kSurrogates.last + 1), own[i].last};
    if (below.first <= below.last) result[n_result++] = below;
    if (above.first <= above.last) result[n_result++] = above;
  }
  if (negated && next <= kMaxCodePoint) result[n_result++] = {next, kMaxCodePoint};
  std::memmove(own, result, n_result * sizeof(CodeRange));
  const GrammarNode added = {
      .kind = NodeKind::kClass, .first = n_ranges_, .count = static_cast<uint32_t>(n_result)};
  CLAMMA_RETURN_IF_ERROR(AddNode(added, node));
  n_ranges_ += added.count;
  return Status();
}

Status Grammar::AddList(NodeKind kind, const NodeId* children, size_t n, NodeId* node) {
  CLAMMA_RETURN_IF_ERROR(Grow(*memory_, &children_, n_children_, n, GrammarLimits::kMaxItems,
                              "parts of sequences and choices"));
  uint16_t depth = 0;
  for (size_t i = 0; i < n; ++i) {
    depth = std::max(depth, nodes_[children[i]].depth);
    children_[n_children_ + i] = children[i];
  }
  const GrammarNode added = {.kind = kind,
                             .depth = static_cast<uint16_t>(depth + 1),
                             .first = n_children_,
                             .count = static_cast<uint32_t>(n)};
  CLAMMA_RETURN_IF_ERROR(AddNode(added, node));
  n_children_ += added.count;
  return Status();
}

Status Grammar::AddSequence(const NodeId* children, size_t n, NodeId* node) {
  return AddList(NodeKind::kSequence, children, n, node);
}

Status Grammar::AddChoice(const NodeId* children, size_t n, NodeId* node) {
  return AddList(NodeKind::kChoice, children, n, node);
}

Status Grammar::AddRepeat(NodeId child, uint32_t min, uint32_t max, NodeId* node) {
  if (min > GrammarLimits::kMaxRepeat || (max != kUnbounded && max > GrammarLimits::kMaxRepeat)) {
    return Status::Error(StatusCode::kLimit, "a repetition may have at most %u times, not %u",
                         static_cast<unsigned>(GrammarLimits::kMaxRepeat),
                         static_cast<unsigned>(max == kUnbounded ? min : max));
  }
  if (max < min) {
    return Status::Error(StatusCode::kInvalidArgument, "a repetition of at least %u and at most %u",
                         static_cast<unsigned>(min), static_cast<unsigned>(max));
  }
  return AddNode({.kind = NodeKind::kRepeat,
                  .depth = static_cast<uint16_t>(nodes_[child].depth + 1),
                  .first = child,
                  .count = min,
                  .max = max},
                 node);
}

Status Grammar::AddReference(RuleId rule, NodeId* node) {
  return AddNode({.kind = NodeKind::kRule, .first = rule}, node);
}

Status Grammar::AddToken(TokenId token, bool negated, NodeId* node) {
  return AddNode(
      {.kind = NodeKind::kToken, .negated = negated, .first = static_cast<uint32_t>(token)}, node);
}

Status Grammar::AddTokenName(std::string_view name, bool negated, NodeId* node) {
  GrammarNode added = {.kind = NodeKind::kTokenName, .negated = negated};
  CLAMMA_RETURN_IF_ERROR(AddText(name, &added.first));
  added.count = static_cast<uint32_t>(name.size());
  return AddNode(added, node);
}

Status Grammar::AddRule(std::string_view name, RuleId* rule) {
  CLAMMA_RETURN_IF_ERROR(Grow(*memory_, &rules_, n_rules_, 1, GrammarLimits::kMaxRules, "rules"));
  Rule added = {.body = kNoBody, .name = 0, .name_length = static_cast<uint32_t>(name.size())};
  CLAMMA_RETURN_IF_ERROR(AddText(name, &added.name));
  rules_[n_rules_] = added;
  *rule = n_rules_++;
  return Status();
}

Status Grammar::DefineRule(RuleId rule, NodeId body) {
  if (IsDefined(rule)) {
    return Status::Error(StatusCode::kInvalidArgument, "the rule %s is defined twice",
                         Quoted(name(rule)).c_str());
  }
  rules_[rule].body = body;
  return Status();
}

bool Grammar::FindRule(std::string_view name, RuleId* rule) const {
  for (RuleId id = 0; id < n_rules_; ++id) {
    if (this->name(id) != name) continue;
    *rule = id;
    return true;
  }
  return false;
}

}  // namespace clamma
