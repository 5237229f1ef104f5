// SPDX-License-Identifier: MIT
// The pages of keys and values that the contexts of a transformer's sessions consist of. A page is
// counted and may belong to several contexts; a tree finds the pages of contexts that begin alike.
#ifndef CLAMMA_MODEL_KV_PAGES_H_
#define CLAMMA_MODEL_KV_PAGES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/threads.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// What keys and values depend on besides the tokens up to their position. The salt only keeps
// contexts apart.
struct PrefixKey {
  uint64_t salt = 0;
  bool is_long = false;  // see KvCache::is_long()
  bool is_open = false;  // shared whatever the salt, which is 0 here

  bool operator==(const PrefixKey&) const = default;
};

// The keys of a context's pages.
struct PrefixKeys {
  PrefixKey own;
  size_t n_open = 0;  // pages that lie within the first so many positions are open

  PrefixKey At(size_t index) const {
    if ((index + 1) * kKvBlock > n_open) return own;
    return {.salt = 0, .is_long = own.is_long, .is_open = true};
  }
};

// The keys and values of kKvBlock successive positions. `data` and its contents belong to the
// page's holders; KvPages guards the other members.
struct KvPage {
  // Of layers without a window, and with one; nullptr: there are none, or they were given back.
  uint8_t* data[2];
  uint32_t holders;         // how many contexts have the page
  uint32_t window_holders;  // ... and use data[1]

  // In the tree.
  bool is_listed;
  uint32_t filled;  // the first `filled` positions are computed and no longer change
  PrefixKey key;
  TokenId tokens[kKvBlock];  // (filled)
  KvPage* parent;            // the page before; nullptr: this is the first of a context
  KvPage* child;
  KvPage* next;  // another child of the parent
  KvPage* previous;

  // What no context uses is idle: all of a listed page without holders, or its data[1].
  size_t idle_bytes;
  size_t alone_bytes;  // what the only holder of the page uses
  KvPage* older;       // in the list of idle pages, in order of their last use
  KvPage* newer;

  bool IsFull() const { return is_listed && filled == kKvBlock; }
};

// One mutex of all KvPages guards holders and the tree. It is held briefly, and never while memory
// is allocated, because an allocation that fails on any thread evicts idle pages. Only a thread
// with the scheduler's turn makes a context a further holder of a page or enters a page into the
// tree; other threads (restoring a session, destroying what they restored) only allocate and
// release pages. So while a thread with the turn works for the only holder of a page, it remains
// the only one.
//
// Contents need no lock: the first `filled` positions of a listed page, and a page with several
// holders, are never written; all others are written only for the one holder, with the turn.
class KvPages {
 public:
  // Holds the mutex.
  class Held {
   public:
    Held() : lock_(mutex_) {}

   private:
    MutexLock lock_;
  };

  explicit KvPages(Arena* arena) : memory_(arena) {}
  ~KvPages();
  KvPages(const KvPages&) = delete;
  KvPages& operator=(const KvPages&) = delete;

  // `bytes` are those of the two kinds of data. At most idle_limit bytes of idle pages are kept.
  void Init(size_t bytes, size_t window_bytes, uint64_t idle_limit);

  size_t bytes(size_t kind) const { return bytes_[kind]; }
  bool keeps_idle() const { return idle_limit_ > 0; }
  void CountContext(int change);  // 1: a context takes its pages from here; -1: no longer
  size_t contexts() const;
  bool has_windows() const { return bytes_[1] > 0; }

  // --- Pages of a context ---

  // Allocates a page with one holder that is not listed.
  Status New(bool with_window, KvPage** page);
  // Makes *page, which the calling context holds, one that it may write from `slot` on, and that
  // has data[1] if `with_window`. Where others need the page as it is, that is another page,
  // whose contents are the same if `copy`. `uses_window`: whether the context used data[1].
  struct Change {
    size_t slot;
    bool copy;
    bool uses_window;
    bool with_window;
  };
  Status MakeOwn(const Change& change, KvPage** page);
  // Whether MakeOwn() cannot do without another page.
  static bool NeedsCopy(const Held& /*held*/, const KvPage& page) { return page.holders > 1; }
  // Adds or removes a holder. A page that has no holder and is not listed is freed.
  void Hold(const Held& held, KvPage* page, bool with_window);
  void Drop(const Held& held, KvPage* page, bool with_window);
  void DropWindow(const Held& held, KvPage* page);
  // Moves data[1] to a page that lacks it.
  void MoveWindow(const Held& held, KvPage* from, KvPage* to);

  // --- The tree ---

  // The full page with these tokens (kKvBlock) behind `parent`; nullptr: there is none.
  KvPage* Find(const Held& held, const KvPage* parent, const PrefixKey& key,
               const TokenId* tokens) const;
  // The page behind `parent` that has the most of these tokens (n) in common, and sets *common to
  // their number. nullptr: none has any. Only pages with data[1], where the model needs it.
  KvPage* FindLongest(const Held& held, const KvPage* parent, const PrefixKey& key,
                      const TokenId* tokens, size_t n, size_t* common) const;
  // Enters a page into the tree, or more of its tokens (filled).
  void Enter(const Held& held, KvPage* page, KvPage* parent, const PrefixKey& key,
             const TokenId* tokens, size_t filled);

  // --- Facts ---

  struct Facts {
    uint64_t hits;          // contexts that took over pages of others
    uint64_t tokens_saved;  // positions that were not computed for that reason
    size_t pages;
    size_t bytes;
    size_t idle_bytes;    // those of no session
    size_t shared_bytes;  // those of none or of several
  };
  Facts facts() const;
  void CountHit(const Held& /*held*/, bool is_first, size_t tokens) {
    hits_ += is_first ? 1 : 0;
    tokens_saved_ += tokens;
  }
  bool has_idle() const;

  // Like those of Arena; call these before and after them.
  static void LockAll() { mutex_.Lock(); }
  static void UnlockAll() { mutex_.Unlock(); }

 private:
  static bool Reclaim(Arena* arena);
  Status Allocate(size_t kind, KvPage* page);
  Status AddWindow(bool uses_window, KvPage* page);
  Status Replace(const Change& change, KvPage** page);
  static bool IsOwn(const KvPage& page, size_t slot);
  size_t BytesOf(const KvPage& page) const;
  size_t IdleBytesOf(const KvPage& page) const;
  KvPage*& FirstBehind(KvPage* parent) { return parent == nullptr ? first_ : parent->child; }
  void Update(KvPage* page);
  void UnlinkIdle(KvPage* page);
  void Unlist(KvPage* page);
  void UnlistOne(KvPage* page);
  void FreeWindow(KvPage* page);
  void Free(KvPage* page);
  void EvictOldest();
  void Trim();

  static Mutex mutex_;     // NOLINT(readability-identifier-naming): as other members are named
  static KvPages* pools_;  // NOLINT(readability-identifier-naming)
  // What frees what others keep only in case it is useful; and whether Reclaim() is called.
  static std::atomic<ReclaimFunction> next_reclaim_;  // NOLINT(readability-identifier-naming)
  static bool reclaims_;                              // NOLINT(readability-identifier-naming)

  KvPages* next_pool_ = nullptr;
  Memory memory_;
  size_t bytes_[2] = {};
  uint64_t idle_limit_ = 0;
  KvPage* first_ = nullptr;   // the first pages of contexts
  KvPage* oldest_ = nullptr;  // the idle pages
  KvPage* newest_ = nullptr;
  size_t contexts_ = 0;
  size_t pages_ = 0;
  size_t idle_bytes_ = 0;
  size_t alone_bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t tokens_saved_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_KV_PAGES_H_
