// SPDX-License-Identifier: MIT
// KvCache with pages that several sessions share.
#include <algorithm>
#include <utility>

#include "model/kv_cache.h"

namespace clamma {
namespace {

// Of the table of pages.
constexpr size_t kEntryBytes = sizeof(KvPage*);  // NOLINT(bugprone-sizeof-expression)

}  // namespace

void KvCache::SetPages(KvPages* pages) {
  if (shared_.pages != nullptr) shared_.pages->CountContext(-1);
  if (pages != nullptr) pages->CountContext(1);
  shared_.pages = pages;
}

void KvCache::SwapPages(KvCache& other) {
  shared_.table.Swap(other.shared_.table);
  std::swap(shared_.end, other.shared_.end);
}

KvPage* KvCache::PageBefore(size_t index) const {
  return index == 0 ? nullptr : shared_.table[index - 1];
}

size_t KvCache::BytesOfPageTable() const { return shared_.table.size() * kEntryBytes; }

bool KvCache::UsesWindow(size_t index) const {
  const Blocks& windows = blocks_[1];
  return index >= windows.begin && index < windows.end && windows.table[index] != nullptr;
}

Status KvCache::GrowTable(Blocks& blocks, size_t end) {
  if (end <= blocks.table.size()) return Status();
  return blocks.table.Resize(*memory_, TableSizeFor(end));
}

Status KvCache::GrowTables(size_t end) {
  for (Blocks& of_kind : blocks_) {
    if (of_kind.bytes > 0) CLAMMA_RETURN_IF_ERROR(GrowTable(of_kind, end));
  }
  if (end <= shared_.table.size()) return Status();
  return shared_.table.Resize(*memory_, TableSizeFor(end));
}

// Sets the page at an index, which is at most the one behind the last.
void KvCache::SetPage(size_t index, KvPage* page, bool with_window) {
  shared_.table[index] = page;
  shared_.end = std::max(shared_.end, index + 1);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    Blocks& of_kind = blocks_[kind];
    if (of_kind.bytes == 0) continue;
    if (index >= of_kind.begin) of_kind.end = std::max(of_kind.end, index + 1);
    of_kind.table[index] = kind == 0 || with_window ? page->data[kind] : nullptr;
  }
}

// Makes a page, or one behind the last, writable from `slot` on.
Status KvCache::OwnPage(size_t index, size_t slot, bool copy) {
  const bool with_window = pages()->has_windows() && index >= blocks_[1].begin;
  KvPage* page = nullptr;
  if (index == shared_.end) {
    CLAMMA_RETURN_IF_ERROR(pages()->New(with_window, &page));
  } else {
    page = shared_.table[index];
    const KvPages::Change change = {slot, copy, UsesWindow(index), with_window};
    CLAMMA_RETURN_IF_ERROR(pages()->MakeOwn(change, &page));
  }
  SetPage(index, page, with_window);
  return Status();
}

Status KvCache::ReservePages(size_t positions, size_t from) {
  const size_t end = clamma::BlocksOf(positions);
  CLAMMA_RETURN_IF_ERROR(GrowTables(end));
  const size_t first = std::min(from / kKvBlock, shared_.end);
  for (size_t index = first; index < end; ++index) {
    const bool is_first = index == from / kKvBlock;
    CLAMMA_RETURN_IF_ERROR(OwnPage(index, is_first ? from % kKvBlock : 0, is_first));
  }
  return Status();
}

void KvCache::PlanReservePages(Memory& plan, size_t positions, size_t from) const {
  const size_t end = clamma::BlocksOf(positions);
  for (const Blocks& of_kind : blocks_) {
    if (of_kind.bytes > 0 && end > of_kind.table.size()) {
      plan.PlanFor(TableSizeFor(end) * sizeof(uint8_t*));
    }
  }
  if (end > shared_.table.size()) plan.PlanFor(TableSizeFor(end) * kEntryBytes);
  const KvPages::Held held;
  for (size_t index = from / kKvBlock; index < end; ++index) {
    const bool is_new = index >= shared_.end || KvPages::NeedsCopy(held, *shared_.table[index]);
    if (is_new) plan.PlanFor(sizeof(KvPage));
    if (is_new && blocks_[0].bytes > 0) plan.PlanFor(blocks_[0].bytes);
    const bool adds_window = is_new || !UsesWindow(index);
    if (adds_window && pages()->has_windows()) plan.PlanFor(blocks_[1].bytes);
  }
}

// The last pages are released first, so that those before them count as used later.
void KvCache::ShrinkPages(size_t end) {
  if (shared_.end > end) {
    const KvPages::Held held;
    while (shared_.end > end) {
      const size_t index = --shared_.end;
      pages()->Drop(held, shared_.table[index], UsesWindow(index));
    }
  }
  for (Blocks& of_kind : blocks_) {
    of_kind.end = std::min(of_kind.end, end);
    if (end > 0) continue;
    of_kind.begin = of_kind.end = 0;
    of_kind.table.Reset();
  }
  if (end == 0) shared_.table.Reset();
}

void KvCache::DropWindowsBefore(size_t end) {
  Blocks& windows = blocks_[1];
  if (windows.begin >= std::min(end, windows.end)) return;
  const KvPages::Held held;
  for (; windows.begin < std::min(end, windows.end); ++windows.begin) {
    if (windows.table[windows.begin] == nullptr) continue;
    windows.table[windows.begin] = nullptr;
    pages()->DropWindow(held, shared_.table[windows.begin]);
  }
}

size_t KvCache::bytes_of_pages() const {
  if (!shares()) return 0;
  const KvPages::Held held;
  size_t bytes = 0;
  for (size_t index = 0; index < shared_.end; ++index) bytes += shared_.table[index]->alone_bytes;
  return bytes;
}

void KvCache::PlanGaps(Memory& plan) const {
  if (!shares() || !pages()->keeps_idle()) return;
  for (size_t i = pages()->contexts(); i > 0; --i) {
    plan.PlanFor(std::max(pages()->bytes(0), pages()->bytes(1)));
  }
}

uint64_t KvCache::BytesForSharing(size_t positions) const {
  const size_t count = clamma::BlocksOf(positions);
  if (!shares() || count == 0) return 0;
  return uint64_t{count} * sizeof(KvPage) + TableSizeFor(count) * kEntryBytes;
}

// --- Pages of others ---

// The longest of the beginnings in whole pages for which every layer has what the next position
// needs.
KvCache::Hit KvCache::FindHit(const KvPages::Held& held, const PrefixKeys& keys,
                              const TokenId* tokens, size_t n, bool whole_windows) const {
  Hit hit;
  size_t window_from = 0;  // layers with a window have all pages from this one on
  const KvPage* parent = nullptr;
  for (size_t index = 0; (index + 1) * kKvBlock <= n; ++index) {
    const KvPage* const page =
        pages()->Find(held, parent, keys.At(index), tokens + index * kKvBlock);
    if (page == nullptr) break;
    if (pages()->has_windows() && page->data[1] == nullptr) window_from = index + 1;
    const size_t needed =
        whole_windows ? 0 : FirstInWindow(*config_, (index + 1) * kKvBlock) / kKvBlock;
    if (window_from <= needed) hit = {index + 1, needed};
    parent = page;
  }
  return hit;
}

// Takes a page, which is held already, in place of the one at the index, or behind the last.
void KvCache::TakePage(const KvPages::Held& held, size_t index, KvPage* page, bool with_window) {
  if (index < shared_.end) pages()->Drop(held, shared_.table[index], UsesWindow(index));
  SetPage(index, page, with_window);
}

Status KvCache::Attach(const PrefixKeys& keys, const TokenId* tokens, size_t n, bool whole_windows,
                       size_t* position) {
  const auto find = [&](const KvPages::Held& held) {
    return FindHit(held, keys, tokens, n, whole_windows);
  };
  {
    const KvPages::Held held;
    if (find(held).pages * kKvBlock <= *position) return Status();
  }
  CLAMMA_RETURN_IF_ERROR(GrowTables(clamma::BlocksOf(n)));
  const KvPages::Held held;
  const Hit hit = find(held);  // to grow the table may have evicted pages
  if (hit.pages * kKvBlock <= *position) return Status();
  const auto for_each = [&](const auto& body) {
    KvPage* page = nullptr;
    for (size_t index = 0; index < hit.pages; ++index) {
      page = pages()->Find(held, page, keys.At(index), tokens + index * kKvBlock);
      body(index, page, pages()->has_windows() && index >= hit.first_in_window);
    }
  };
  // All are held before others are released, which may evict idle pages.
  for_each([&](size_t /*index*/, KvPage* page, bool with_window) {
    pages()->Hold(held, page, with_window);
  });
  for_each([&](size_t index, KvPage* page, bool with_window) {
    TakePage(held, index, page, with_window);
  });
  Blocks& windows = blocks_[1];
  windows.begin = hit.first_in_window;
  if (pages()->has_windows()) windows.end = std::max(windows.end, hit.pages);
  overflow_.store(SIZE_MAX);
  *position = hit.pages * kKvBlock;
  return Status();
}

Status KvCache::CopyPart(const PrefixKeys& keys, const TokenId* tokens, size_t n,
                         size_t* position) {
  const size_t index = *position / kKvBlock;
  const size_t begin = index * kKvBlock;
  KvPage* const parent = PageBefore(index);
  KvPage* from = nullptr;
  size_t common = 0;
  {
    const KvPages::Held held;
    if (index > 0 && !parent->IsFull()) return Status();
    from = pages()->FindLongest(held, parent, keys.At(index), tokens + begin,
                                std::min<size_t>(n - begin, kKvBlock), &common);
    if (begin + common <= *position) return Status();
    pages()->Hold(held, from, pages()->has_windows());
  }
  const Status status = Reserve(begin + common, *position);
  for (size_t kind = 0; status.ok() && kind < kKinds; ++kind) {
    if (blocks_[kind].bytes == 0) continue;
    std::copy_n(from->data[kind], blocks_[kind].bytes, blocks_[kind].table[index]);
  }
  const KvPages::Held held;
  pages()->Drop(held, from, pages()->has_windows());
  if (status.ok()) *position = begin + common;
  return status;
}

// Enters the page at an index, which is full, or takes an equal one that is listed.
void KvCache::EnterFull(const KvPages::Held& held, size_t index, KvPage* parent,
                        const PrefixKey& key, const TokenId* tokens) {
  KvPage* const mine = shared_.table[index];
  KvPage* const same = pages()->Find(held, parent, key, tokens);
  if (same == nullptr) return pages()->Enter(held, mine, parent, key, tokens, kKvBlock);
  if (same == mine) return;
  const bool uses_window = UsesWindow(index);
  if (uses_window && same->data[1] == nullptr) {
    if (mine->holders > 1) return;
    pages()->MoveWindow(held, mine, same);
  }
  pages()->Hold(held, same, uses_window);
  TakePage(held, index, same, uses_window);
}

void KvCache::Enter(const PrefixKeys& keys, const TokenId* tokens, size_t position) {
  const KvPages::Held held;
  const size_t full = position / kKvBlock;
  size_t index = full;
  while (index > 0 && !shared_.table[index - 1]->IsFull()) --index;
  for (; index < full; ++index) {
    EnterFull(held, index, PageBefore(index), keys.At(index), tokens + index * kKvBlock);
    if (!shared_.table[index]->IsFull()) return;
  }
  if (position == full * kKvBlock) return;
  pages()->Enter(held, shared_.table[full], PageBefore(full), keys.At(full),
                 tokens + full * kKvBlock, position % kKvBlock);
}

bool KvCache::SharesFirst(size_t positions, const KvCache& other) const {
  if (positions == 0) return true;
  const size_t last = positions / kKvBlock - 1;
  const KvPages::Held held;
  return shared_.table[last] == other.shared_.table[last] && shared_.table[last]->IsFull();
}

}  // namespace clamma
