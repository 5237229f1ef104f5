// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/string_set.h"

#include <algorithm>

#include "chat/template/unicode.h"
#include "engine/grammar/schema/string_set_builder.h"

namespace clamma {
namespace {

// Counts code points up to one more than the largest count that matters.
struct LengthMachine {
  SchemaCount length;
  uint32_t last;

  size_t n_words() const { return 1; }
  void Start(uint32_t* state) const { state[0] = 0; }
  void Next(const uint32_t* state, uint32_t /*c*/, uint32_t* next) const {
    next[0] = std::min(state[0] + 1, last);
  }
  uint32_t Label(const uint32_t* state) const {
    return state[0] >= length.min && state[0] <= length.max ? 1 : 0;
  }
};

// A tree of texts, with a node for each beginning of a text. The root is node 0.
struct TextTree {
  static constexpr uint32_t kNone = 0;  // the root, which is no child
  struct Node {
    uint32_t code_point;  // that leads here
    uint32_t first_child;
    uint32_t next_sibling;
    uint32_t n_children;
    bool is_text;
  };
  Vec<Node> nodes;

  uint32_t Find(uint32_t parent, uint32_t code_point) const {
    uint32_t child = nodes[parent].first_child;
    while (child != kNone && nodes[child].code_point != code_point) {
      child = nodes[child].next_sibling;
    }
    return child;
  }
};

// Everything that is not in the tree leads to kOther.
struct TreeMachine {
  const TextTree* tree;
  const Vec<uint32_t>* classes;
  static constexpr uint32_t kOther = UINT32_MAX;

  size_t n_words() const { return 1; }
  void Start(uint32_t* state) const { state[0] = 0; }
  void Next(const uint32_t* state, uint32_t c, uint32_t* next) const {
    const uint32_t child =
        state[0] == kOther ? TextTree::kNone : tree->Find(state[0], (*classes)[c]);
    next[0] = child == TextTree::kNone ? kOther : child;
  }
  uint32_t Label(const uint32_t* state) const {
    return state[0] == kOther || !tree->nodes[state[0]].is_text ? 1 : 0;
  }
};

bool AddToTree(SchemaWork& work, std::string_view text, TextTree* tree, Vec<uint32_t>* classes) {
  uint32_t node = 0;
  for (size_t i = 0; i < text.size();) {
    const Character character = CharacterAt(text, i);
    i += character.length;
    if (!work.Step(tree->nodes[node].n_children + 1)) return false;
    if (const uint32_t known = tree->Find(node, character.code_point); known != TextTree::kNone) {
      node = known;
      continue;
    }
    const auto child = static_cast<uint32_t>(tree->nodes.size);
    const TextTree::Node added = {.code_point = character.code_point,
                                  .first_child = TextTree::kNone,
                                  .next_sibling = tree->nodes[node].first_child,
                                  .n_children = 0,
                                  .is_text = false};
    if (!tree->nodes.Add(work.bump, added) || !classes->Add(work.bump, character.code_point) ||
        !classes->Add(work.bump, character.code_point + 1)) {
      return work.FailMemory();
    }
    tree->nodes[node].first_child = child;
    ++tree->nodes[node].n_children;
    node = child;
  }
  tree->nodes[node].is_text = true;
  return true;
}

// Runs several sets side by side.
struct ProductMachine {
  const StringSet* sets;
  size_t n;
  const uint32_t* classes;  // (n classes of the product, n) the class of each set
  bool labels_each;

  size_t n_words() const { return n; }
  void Start(uint32_t* state) const { std::fill(state, state + n, 0u); }
  void Next(const uint32_t* state, uint32_t c, uint32_t* next) const {
    bool is_live = true;
    for (size_t i = 0; i < n; ++i) {
      next[i] = sets[i].Next(state[i], classes[c * n + i]);
      if (i == 0 || !labels_each) is_live = is_live && sets[i].is_live[next[i]];
    }
    if (is_live) return;
    // All states that lead nowhere are one.
    for (size_t i = 0; i < n; ++i) next[i] = UINT32_MAX;
  }
  uint32_t Label(const uint32_t* state) const {
    if (state[0] == UINT32_MAX || sets[0].labels[state[0]] == 0) return 0;
    uint32_t label = 1;
    for (size_t i = 1; i < n; ++i) {
      const bool is_in = sets[i].labels[state[i]] != 0;
      if (!labels_each && !is_in) return 0;
      if (labels_each && is_in) label += 1u << (i - 1);
    }
    return label;
  }
};

// A product's dead state has no numbers in the sets.
struct LiveProductMachine : ProductMachine {
  void Next(const uint32_t* state, uint32_t c, uint32_t* next) const {
    if (state[0] != UINT32_MAX) return ProductMachine::Next(state, c, next);
    std::fill(next, next + n, UINT32_MAX);
  }
};

bool MakeProduct(SchemaWork& work, const StringSet* sets, size_t n, bool labels_each,
                 StringSet* set) {
  Vec<uint32_t> classes;
  for (size_t i = 0; i < n; ++i) {
    for (uint32_t c = 0; c < sets[i].n_classes; ++c) {
      if (!classes.Add(work.bump, sets[i].classes[c])) return work.FailMemory();
    }
  }
  if (!CompleteClasses(work, &classes)) return false;
  auto* const map = work.bump.New<uint32_t>(classes.size * n);
  if (map == nullptr) return work.FailMemory();
  for (size_t c = 0; c < classes.size; ++c) {
    for (size_t i = 0; i < n; ++i) map[c * n + i] = sets[i].ClassOf(classes[c]);
  }
  LiveProductMachine machine;
  machine.sets = sets;
  machine.n = n;
  machine.classes = map;
  machine.labels_each = labels_each;
  return BuildStringSet(work, machine, classes, set);
}

}  // namespace

uint32_t StringSet::ClassOf(uint32_t code_point) const {
  return static_cast<uint32_t>(std::upper_bound(classes, classes + n_classes, code_point) -
                               classes) -
         1;
}

uint32_t StringSet::LabelOf(std::string_view text) const {
  uint32_t state = 0;
  for (size_t i = 0; i < text.size();) {
    const Character character = CharacterAt(text, i);
    state = Next(state, ClassOf(character.code_point));
    i += character.length;
  }
  return labels[state];
}

bool StringsOfLength(SchemaWork& work, const SchemaCount& length, StringSet* set) {
  const uint64_t last = length.max == kNoMaximum ? length.min : length.max + 1;
  if (last >= JsonSchemaLimits::kMaxStates) {
    return work.FailLimit("a length is too large beside a pattern or a format");
  }
  Vec<uint32_t> classes;
  LengthMachine machine = {length, static_cast<uint32_t>(last)};
  return CompleteClasses(work, &classes) && BuildStringSet(work, machine, classes, set);
}

bool StringsOtherThan(SchemaWork& work, const std::string_view* texts, size_t n, StringSet* set) {
  TextTree tree;
  Vec<uint32_t> classes;
  if (!tree.nodes.Add(work.bump, {})) return work.FailMemory();
  for (size_t i = 0; i < n; ++i) {
    if (!AddToTree(work, texts[i], &tree, &classes)) return false;
  }
  if (!CompleteClasses(work, &classes)) return false;
  // Each child is looked at once for each class.
  if (!work.Step(tree.nodes.size * classes.size / 8)) return false;
  TreeMachine machine = {&tree, &classes};
  return BuildStringSet(work, machine, classes, set);
}

bool IntersectStrings(SchemaWork& work, const StringSet* sets, size_t n, StringSet* set) {
  return MakeProduct(work, sets, n, false, set);
}

bool LabelStrings(SchemaWork& work, const StringSet* sets, size_t n, StringSet* set) {
  return MakeProduct(work, sets, n, true, set);
}

}  // namespace clamma
