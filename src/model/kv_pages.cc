// SPDX-License-Identifier: MIT
#include "model/kv_pages.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace clamma {

constinit Mutex KvPages::mutex_;
constinit KvPages* KvPages::pools_ = nullptr;
constinit std::atomic<ReclaimFunction> KvPages::next_reclaim_{nullptr};
constinit bool KvPages::reclaims_ = false;

void KvPages::Init(size_t bytes, size_t window_bytes, uint64_t idle_limit) {
  bytes_[0] = bytes;
  bytes_[1] = window_bytes;
  idle_limit_ = idle_limit;
  const Held held;
  next_pool_ = std::exchange(pools_, this);
  if (!reclaims_) next_reclaim_.store(reclaim_function.exchange(&KvPages::Reclaim));
  reclaims_ = true;
}

KvPages::~KvPages() {
  const Held held;
  while (first_ != nullptr) Unlist(first_);
  for (KvPages** link = &pools_; *link != nullptr; link = &(*link)->next_pool_) {
    if (*link != this) continue;
    *link = next_pool_;
    break;
  }
}

// Evicts an idle page of a transformer that allocates from there.
bool KvPages::Reclaim(Arena* arena) {
  {
    const Held held;
    for (KvPages* pool = pools_; pool != nullptr; pool = pool->next_pool_) {
      if (pool->memory_.arena() != arena || pool->oldest_ == nullptr) continue;
      pool->EvictOldest();
      return true;
    }
  }
  const ReclaimFunction next = next_reclaim_.load();
  return next != nullptr && next(arena);
}

// --- Counting ---

void KvPages::CountContext(int change) {
  const Held held;
  contexts_ += static_cast<size_t>(change);
}

size_t KvPages::contexts() const {
  const Held held;
  return contexts_;
}

size_t KvPages::BytesOf(const KvPage& page) const {
  return sizeof(KvPage) + (page.data[0] == nullptr ? 0 : bytes_[0]) +
         (page.data[1] == nullptr ? 0 : bytes_[1]);
}

size_t KvPages::IdleBytesOf(const KvPage& page) const {
  if (!page.is_listed) return 0;
  if (page.holders == 0) return BytesOf(page);
  return page.data[1] != nullptr && page.window_holders == 0 ? bytes_[1] : 0;
}

void KvPages::UnlinkIdle(KvPage* page) {
  (page->older == nullptr ? oldest_ : page->older->newer) = page->newer;
  (page->newer == nullptr ? newest_ : page->newer->older) = page->older;
  page->older = page->newer = nullptr;
}

// Call this when a page's holders, data or place in the tree have changed: counts its bytes anew,
// and frees what is no longer used.
void KvPages::Update(KvPage* page) {
  if (!page->is_listed && page->holders == 0) return Free(page);
  if (!page->is_listed && page->window_holders == 0) FreeWindow(page);
  const size_t idle = IdleBytesOf(*page);
  const size_t alone = page->holders == 1 ? BytesOf(*page) - idle : 0;
  alone_bytes_ += alone - page->alone_bytes;
  page->alone_bytes = alone;
  if (idle == page->idle_bytes) return;
  idle_bytes_ += idle - page->idle_bytes;
  if (page->idle_bytes > 0) UnlinkIdle(page);
  page->idle_bytes = idle;
  if (idle == 0) return;
  page->older = newest_;
  (newest_ == nullptr ? oldest_ : newest_->newer) = page;
  newest_ = page;
}

void KvPages::FreeWindow(KvPage* page) {
  if (page->data[1] == nullptr) return;
  memory_.Free(page->data[1], bytes_[1]);
  page->data[1] = nullptr;
}

void KvPages::Free(KvPage* page) {
  if (page->idle_bytes > 0) UnlinkIdle(page);
  idle_bytes_ -= page->idle_bytes;
  alone_bytes_ -= page->alone_bytes;
  FreeWindow(page);
  memory_.Free(page->data[0], bytes_[0]);
  memory_.Free(page, sizeof(KvPage));
  --pages_;
}

void KvPages::EvictOldest() {
  KvPage* const page = oldest_;
  if (page->holders == 0) return Unlist(page);
  FreeWindow(page);
  Update(page);
}

void KvPages::Trim() {
  while (idle_bytes_ > idle_limit_) EvictOldest();
}

// --- Pages of a context ---

Status KvPages::Allocate(size_t kind, KvPage* page) {
  if (bytes_[kind] == 0) return Status();
  void* data = nullptr;
  const Status status = memory_.Allocate(bytes_[kind], &data);
  page->data[kind] = static_cast<uint8_t*>(data);
  return status;
}

Status KvPages::New(bool with_window, KvPage** page) {
  void* place = nullptr;
  CLAMMA_RETURN_IF_ERROR(memory_.Allocate(sizeof(KvPage), &place));
  auto* const made = new (place) KvPage();
  Status status = Allocate(0, made);
  if (status.ok() && with_window) status = Allocate(1, made);
  const Held held;
  ++pages_;
  made->holders = status.ok() ? 1 : 0;
  made->window_holders = made->holders != 0 && made->data[1] != nullptr ? 1 : 0;
  Update(made);  // frees it if a part of it is missing
  if (status.ok()) *page = made;
  return status;
}

// Whether the only holder may write the page from `slot` on.
bool KvPages::IsOwn(const KvPage& page, size_t slot) {
  if (page.holders > 1) return false;
  return !page.is_listed || (page.filled <= slot && page.child == nullptr);
}

Status KvPages::MakeOwn(const Change& change, KvPage** page) {
  bool own = false;
  {
    const Held held;
    own = IsOwn(**page, change.slot);
    if (!own && (*page)->holders == 1 && idle_limit_ == 0) {
      Unlist(*page);
      own = true;
    }
  }
  if (!own) {
    const Status status = Replace(change, page);
    if (status.ok()) return status;
    const Held held;
    if ((*page)->holders > 1) return status;
    // Rather than fail. It is listed no more if the allocation has evicted a page before it.
    if ((*page)->is_listed) Unlist(*page);
  }
  return change.with_window ? AddWindow(change.uses_window, *page) : Status();
}

// Takes another page in place of *page.
Status KvPages::Replace(const Change& change, KvPage** page) {
  KvPage* made = nullptr;
  CLAMMA_RETURN_IF_ERROR(New(change.with_window, &made));
  if (change.copy) {
    const KvPage& from = **page;
    if (from.data[0] != nullptr) std::memcpy(made->data[0], from.data[0], bytes_[0]);
    if (change.uses_window && change.with_window && from.data[1] != nullptr) {
      std::memcpy(made->data[1], from.data[1], bytes_[1]);
    }
  }
  const Held held;
  Drop(held, *page, change.uses_window);
  *page = made;
  return Status();
}

// Makes the only holder of a page use its data[1].
Status KvPages::AddWindow(bool uses_window, KvPage* page) {
  if (uses_window || !has_windows()) return Status();
  {
    const Held held;
    if (page->data[1] != nullptr) {
      page->window_holders = 1;
      Update(page);
      return Status();
    }
  }
  void* data = nullptr;
  CLAMMA_RETURN_IF_ERROR(memory_.Allocate(bytes_[1], &data));
  const Held held;
  page->data[1] = static_cast<uint8_t*>(data);
  page->window_holders = 1;
  Update(page);
  return Status();
}

void KvPages::Hold(const Held& /*held*/, KvPage* page, bool with_window) {
  ++page->holders;
  page->window_holders += with_window ? 1 : 0;
  Update(page);
}

void KvPages::Drop(const Held& /*held*/, KvPage* page, bool with_window) {
  --page->holders;
  page->window_holders -= with_window ? 1 : 0;
  Update(page);
  Trim();
}

void KvPages::DropWindow(const Held& /*held*/, KvPage* page) {
  --page->window_holders;
  Update(page);
  Trim();
}

void KvPages::MoveWindow(const Held& /*held*/, KvPage* from, KvPage* to) {
  std::swap(from->data[1], to->data[1]);
  Update(from);
  Update(to);
}

// --- The tree ---

KvPage* KvPages::FindLongest(const Held& /*held*/, const KvPage* parent, const PrefixKey& key,
                             const TokenId* tokens, size_t n, size_t* common) const {
  KvPage* best = nullptr;
  *common = 0;
  for (KvPage* p = parent == nullptr ? first_ : parent->child; p != nullptr; p = p->next) {
    if (p->key != key || (has_windows() && p->data[1] == nullptr)) continue;
    const size_t most = std::min<size_t>(p->filled, n);
    const auto same =
        static_cast<size_t>(std::mismatch(tokens, tokens + most, p->tokens).first - tokens);
    if (same <= *common) continue;
    *common = same;
    best = p;
  }
  return best;
}

KvPage* KvPages::Find(const Held& /*held*/, const KvPage* parent, const PrefixKey& key,
                      const TokenId* tokens) const {
  for (KvPage* p = parent == nullptr ? first_ : parent->child; p != nullptr; p = p->next) {
    if (p->filled == kKvBlock && p->key == key &&
        std::equal(tokens, tokens + kKvBlock, p->tokens)) {
      return p;
    }
  }
  return nullptr;
}

void KvPages::Enter(const Held& /*held*/, KvPage* page, KvPage* parent, const PrefixKey& key,
                    const TokenId* tokens, size_t filled) {
  if (page->is_listed && page->parent != parent) UnlistOne(page);
  std::copy(tokens + (page->is_listed ? page->filled : 0), tokens + filled,
            page->tokens + (page->is_listed ? page->filled : 0));
  page->filled = static_cast<uint32_t>(filled);
  if (page->is_listed) return;
  page->is_listed = true;
  page->key = key;
  page->parent = parent;
  KvPage*& first = FirstBehind(parent);
  page->next = first;
  if (first != nullptr) first->previous = page;
  first = page;
  Update(page);
}

// Removes a page without children from the tree.
void KvPages::UnlistOne(KvPage* page) {
  (page->previous == nullptr ? FirstBehind(page->parent) : page->previous->next) = page->next;
  if (page->next != nullptr) page->next->previous = page->previous;
  page->previous = page->next = page->parent = nullptr;
  page->is_listed = false;
  Update(page);
}

// Removes a page and all behind it from the tree. What nobody holds is freed.
void KvPages::Unlist(KvPage* page) {
  for (;;) {
    KvPage* leaf = page;
    while (leaf->child != nullptr) leaf = leaf->child;
    const bool is_last = leaf == page;
    UnlistOne(leaf);
    if (is_last) return;
  }
}

// --- Facts ---

KvPages::Facts KvPages::facts() const {
  const Held held;
  const size_t bytes = memory_.bytes_in_use();
  return {hits_, tokens_saved_, pages_, bytes, idle_bytes_, bytes - alone_bytes_};
}

bool KvPages::has_idle() const {
  const Held held;
  return oldest_ != nullptr;
}

}  // namespace clamma
