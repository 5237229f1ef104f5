// SPDX-License-Identifier: MIT
// Makes a StringSet from a machine that computes states on demand.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_BUILDER_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_BUILDER_H_

#include <algorithm>
#include <cstring>

#include "engine/grammar/schema/string_set.h"
#include "platform/hash.h"

namespace clamma {

// Sorts the first code points of classes, and gives surrogates and 0 classes of their own.
inline bool CompleteClasses(SchemaWork& work, Vec<uint32_t>* classes) {
  for (const uint32_t first : {0u, 0xd800u, 0xe000u}) {
    if (!classes->Add(work.bump, first)) return work.FailMemory();
  }
  std::sort(classes->begin(), classes->end());
  classes->size =
      static_cast<size_t>(std::unique(classes->begin(), classes->end()) - classes->begin());
  if (classes->items[classes->size - 1] > kMaxCodePoint) --classes->size;
  return true;
}

// Machine: n_words of a state, Start(state), Next(state, class, next state), Label(state).
template <typename Machine>
class StringSetBuilder {
 public:
  StringSetBuilder(SchemaWork& work, Machine& machine, const Vec<uint32_t>& classes)
      : work_(work), machine_(machine), classes_(classes), n_words_(machine.n_words()) {}

  bool Build(StringSet* set) {
    auto* const key = work_.bump.New<uint32_t>(n_words_);
    if (key == nullptr || !Rehash(64)) return work_.FailMemory();
    machine_.Start(key);
    uint32_t id = 0;
    if (!StateOf(key, &id)) return false;
    for (uint32_t state = 0; state < keys_.size; ++state) {
      if (!work_.Step(classes_.size * n_words_ / 4 + 1)) return false;
      for (uint32_t c = 0; c < classes_.size; ++c) {
        machine_.Next(keys_[state], c, key);
        if (!StateOf(key, &id)) return false;
        if (!next_.Add(work_.bump, id)) return work_.FailMemory();
      }
    }
    *set = {.n_states = static_cast<uint32_t>(keys_.size),
            .n_classes = static_cast<uint32_t>(classes_.size),
            .classes = classes_.items,
            .next = next_.items,
            .labels = labels_.items};
    return FindLive(set);
  }

 private:
  uint64_t HashOf(const uint32_t* key) const {
    return SeededHash(0, {reinterpret_cast<const char*>(key), n_words_ * sizeof(uint32_t)});
  }
  bool Rehash(size_t n) {
    slots_ = work_.bump.New<uint32_t>(n);
    n_slots_ = n;
    if (slots_ == nullptr) return false;
    for (uint32_t i = 0; i < keys_.size; ++i) {
      size_t at = HashOf(keys_[i]) & (n - 1);
      while (slots_[at] != 0) at = (at + 1) & (n - 1);
      slots_[at] = i + 1;
    }
    return true;
  }
  bool StateOf(const uint32_t* key, uint32_t* id) {
    size_t at = HashOf(key) & (n_slots_ - 1);
    for (; slots_[at] != 0; at = (at + 1) & (n_slots_ - 1)) {
      *id = slots_[at] - 1;
      if (std::memcmp(keys_[*id], key, n_words_ * sizeof(uint32_t)) == 0) return true;
    }
    if (keys_.size == JsonSchemaLimits::kMaxStates) {
      return work_.FailLimit("a pattern, a range or a set of keys needs too many states");
    }
    auto* const copy = work_.bump.New<uint32_t>(n_words_);
    if (copy == nullptr) return work_.FailMemory();
    std::memcpy(copy, key, n_words_ * sizeof(uint32_t));
    *id = static_cast<uint32_t>(keys_.size);
    slots_[at] = *id + 1;
    if (!keys_.Add(work_.bump, copy) || !labels_.Add(work_.bump, machine_.Label(copy)) ||
        (keys_.size * 2 > n_slots_ && !Rehash(n_slots_ * 2))) {
      return work_.FailMemory();
    }
    return true;
  }
  bool FindLive(StringSet* set) {
    bool* const live = work_.bump.New<bool>(set->n_states);
    if (live == nullptr) return work_.FailMemory();
    set->is_live = live;
    for (bool changed = true; changed;) {
      changed = false;
      if (!work_.Step(set->n_states)) return false;
      for (uint32_t i = set->n_states; i-- > 0;) {
        if (live[i]) continue;
        bool is_live = set->labels[i] != 0;
        for (uint32_t c = 0; c < set->n_classes && !is_live; ++c) {
          is_live = !IsSurrogate(set->classes[c]) && live[set->Next(i, c)];
        }
        live[i] = is_live;
        changed = changed || is_live;
      }
    }
    return true;
  }

  SchemaWork& work_;
  Machine& machine_;
  const Vec<uint32_t>& classes_;
  const size_t n_words_;
  Vec<uint32_t*> keys_;
  Vec<uint32_t> labels_;
  Vec<uint32_t> next_;
  uint32_t* slots_ = nullptr;
  size_t n_slots_ = 0;
};

template <typename Machine>
bool BuildStringSet(SchemaWork& work, Machine& machine, const Vec<uint32_t>& classes,
                    StringSet* set) {
  return StringSetBuilder<Machine>(work, machine, classes).Build(set);
}

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_BUILDER_H_
