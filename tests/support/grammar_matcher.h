// SPDX-License-Identifier: MIT
// Finds what a grammar matches, by definition, as a reference for the automaton. It is slow, and
// knows no tokens.
#ifndef CLAMMA_TESTS_SUPPORT_GRAMMAR_MATCHER_H_
#define CLAMMA_TESTS_SUPPORT_GRAMMAR_MATCHER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/grammar/grammar.h"
#include "model/utf8.h"

namespace clamma_test {

// For a position of a text, finds all positions at which a match of a node may end.
class GrammarMatcher {
 public:
  GrammarMatcher(const clamma::Grammar& grammar, std::string_view text)
      : grammar_(grammar), text_(text) {}

  bool Matches(clamma::RuleId rule) { return EndsOfRule(rule, 0).count(text_.size()) > 0; }

 private:
  using Ends = std::set<size_t>;

  const Ends& EndsOfRule(clamma::RuleId rule, size_t at) {
    const auto [known, is_new] = known_.try_emplace({rule, at});
    if (is_new) {
      Ends ends = EndsOf(grammar_.body(rule), at);
      known_[{rule, at}] = std::move(ends);
    }
    return known_[{rule, at}];
  }

  Ends EndsOf(clamma::NodeId id, size_t at) {
    const clamma::GrammarNode& node = grammar_.node(id);
    switch (node.kind) {
      case clamma::NodeKind::kBytes: {
        const std::string_view bytes = grammar_.bytes(node);
        return text_.substr(at, bytes.size()) == bytes ? Ends{at + bytes.size()} : Ends{};
      }
      case clamma::NodeKind::kClass:
        return EndsOfClass(node, at);
      case clamma::NodeKind::kSequence: {
        Ends ends = {at};
        for (uint32_t i = 0; i < node.count; ++i) ends = Advance(grammar_.children(node)[i], ends);
        return ends;
      }
      case clamma::NodeKind::kChoice: {
        Ends ends;
        for (uint32_t i = 0; i < node.count; ++i)
          ends.merge(EndsOf(grammar_.children(node)[i], at));
        return ends;
      }
      case clamma::NodeKind::kRepeat:
        return EndsOfRepeat(node, at);
      case clamma::NodeKind::kRule:
        return EndsOfRule(node.first, at);
      default:
        return {};
    }
  }
  Ends Advance(clamma::NodeId id, const Ends& begins) {
    Ends ends;
    for (const size_t at : begins) ends.merge(EndsOf(id, at));
    return ends;
  }
  Ends EndsOfClass(const clamma::GrammarNode& node, size_t at) const {
    if (at == text_.size()) return {};
    const clamma::Utf8Scan scan = clamma::ScanUtf8(text_.substr(at));
    if (scan.prefix != clamma::Utf8Prefix::kCharacter) return {};
    const uint32_t code_point = clamma::DecodeUtf8(text_.data() + at, scan.length);
    for (uint32_t i = 0; i < node.count; ++i) {
      const clamma::CodeRange range = grammar_.ranges(node)[i];
      if (code_point >= range.first && code_point <= range.last) return {at + scan.length};
    }
    return {};
  }
  Ends EndsOfRepeat(const clamma::GrammarNode& node, size_t at) {
    Ends ends, now = {at};
    std::set<Ends> seen;
    for (uint32_t n = 0; !now.empty(); ++n) {
      if (n >= node.count) {
        ends.insert(now.begin(), now.end());
        if (n == node.max || !seen.insert(now).second) break;
      }
      now = Advance(node.first, now);
    }
    return ends;
  }

  const clamma::Grammar& grammar_;
  const std::string_view text_;
  std::map<std::pair<clamma::RuleId, size_t>, Ends> known_;
};

// Makes random texts that a grammar matches.
class GrammarWalker {
 public:
  explicit GrammarWalker(const clamma::Grammar& grammar, uint64_t seed)
      : grammar_(grammar),
        random_(seed),
        nodes_(grammar.n_nodes(), kNone),
        rules_(grammar.n_rules(), kNone) {
    FindLengths();
  }

  // After `budget` bytes it takes the shortest way to the end.
  std::string Walk(clamma::RuleId rule, size_t budget) {
    std::string text;
    budget_ = budget;
    Append(grammar_.body(rule), &text);
    return text;
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  // The length of the shortest text of each node and rule; kNone if there is none.
  void FindLengths() {
    for (bool changed = true; changed;) {
      changed = false;
      for (clamma::NodeId id = 0; id < grammar_.n_nodes(); ++id) nodes_[id] = LengthOf(id);
      for (clamma::RuleId id = 0; id < grammar_.n_rules(); ++id) {
        const uint32_t length = grammar_.IsDefined(id) ? nodes_[grammar_.body(id)] : kNone;
        changed = changed || length < rules_[id];
        rules_[id] = std::min(rules_[id], length);
      }
    }
  }
  uint32_t LengthOf(clamma::NodeId id) const {
    const clamma::GrammarNode& node = grammar_.node(id);
    uint64_t sum = 0;
    switch (node.kind) {
      case clamma::NodeKind::kBytes:
        return node.count;
      case clamma::NodeKind::kClass:
        return node.count == 0 ? kNone : 1;
      case clamma::NodeKind::kSequence:
        for (uint32_t i = 0; i < node.count; ++i) sum += nodes_[grammar_.children(node)[i]];
        break;
      case clamma::NodeKind::kChoice:
        sum = kNone;
        for (uint32_t i = 0; i < node.count; ++i) {
          sum = std::min<uint64_t>(sum, nodes_[grammar_.children(node)[i]]);
        }
        break;
      case clamma::NodeKind::kRepeat:
        sum = uint64_t{node.count} * nodes_[node.first];
        break;
      case clamma::NodeKind::kRule:
        return rules_[node.first];
      default:
        return kNone;
    }
    return static_cast<uint32_t>(std::min<uint64_t>(sum, kNone));
  }

  uint32_t Random(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  void Append(clamma::NodeId id, std::string* text) {
    const clamma::GrammarNode& node = grammar_.node(id);
    switch (node.kind) {
      case clamma::NodeKind::kBytes:
        *text += grammar_.bytes(node);
        return;
      case clamma::NodeKind::kClass:
        return AppendCharacter(node, text);
      case clamma::NodeKind::kSequence:
        for (uint32_t i = 0; i < node.count; ++i) Append(grammar_.children(node)[i], text);
        return;
      case clamma::NodeKind::kChoice:
        return AppendChoice(node, text);
      case clamma::NodeKind::kRepeat: {
        const bool can_repeat = nodes_[node.first] != kNone;
        for (uint32_t n = 0; n < node.max; ++n) {
          const bool is_enough = !can_repeat || text->size() >= budget_ || Random(4) == 0;
          if (n >= node.count && is_enough) return;
          Append(node.first, text);
        }
        return;
      }
      case clamma::NodeKind::kRule:
        return Append(grammar_.body(node.first), text);
      default:
        return;
    }
  }
  void AppendChoice(const clamma::GrammarNode& node, std::string* text) {
    std::vector<clamma::NodeId> possible;
    for (uint32_t i = 0; i < node.count; ++i) {
      const clamma::NodeId child = grammar_.children(node)[i];
      if (nodes_[child] != kNone) possible.push_back(child);
    }
    const auto shorter = [this](clamma::NodeId a, clamma::NodeId b) {
      return nodes_[a] < nodes_[b];
    };
    Append(text->size() < budget_ ? possible[Random(static_cast<uint32_t>(possible.size()))]
                                  : *std::min_element(possible.begin(), possible.end(), shorter),
           text);
  }
  void AppendCharacter(const clamma::GrammarNode& node, std::string* text) {
    // ASCII more often than not.
    const uint32_t n = Random(2) == 0 ? node.count : std::min<uint32_t>(node.count, 3);
    const clamma::CodeRange range = grammar_.ranges(node)[Random(n)];
    const uint32_t last =
        range.first < 0x80 && Random(4) != 0 ? std::min(range.last, 0x7fu) : range.last;
    char bytes[4];
    const size_t length = clamma::EncodeUtf8(range.first + Random(last - range.first + 1), bytes);
    text->append(bytes, length);
  }

  const clamma::Grammar& grammar_;
  std::mt19937_64 random_;
  std::vector<uint32_t> nodes_;
  std::vector<uint32_t> rules_;
  size_t budget_ = 0;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_GRAMMAR_MATCHER_H_
