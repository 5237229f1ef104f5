// SPDX-License-Identifier: MIT
// Fork and join over index ranges. Pieces are claimed, not assigned: the caller works too and waits
// only for pieces that somebody has begun, so a worker that the system does not run costs nothing.
#ifndef CLAMMA_PLATFORM_THREAD_POOL_H_
#define CLAMMA_PLATFORM_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"
#include "platform/threads.h"

#ifndef LIBCLAMMA_MAX_THREADS
#define LIBCLAMMA_MAX_THREADS 16
#endif
#ifndef LIBCLAMMA_MAX_THREAD_JOB_QUEUE
#define LIBCLAMMA_MAX_THREAD_JOB_QUEUE 256
#endif

namespace clamma {

inline constexpr unsigned kMaxThreads = kHasThreads ? LIBCLAMMA_MAX_THREADS : 1;
inline constexpr size_t kMaxPieces = LIBCLAMMA_MAX_THREAD_JOB_QUEUE;

class ThreadPool {
 public:
  ThreadPool() = default;
  ~ThreadPool() { Stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // `threads` counts the caller: 1 makes no worker. More than kMaxThreads, or any in a build
  // without threads, is cut down; see threads().
  Status Start(Memory& memory, unsigned threads);
  void Stop();
  void ForgetWorkers() { workers_.Reset(); }  // in a forked child, which has none of them
  unsigned threads() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // Calls body(begin, end, worker) on disjoint ranges that cover [0, count), each of at least
  // `grain` indices if count is, and returns when all are done. `worker` is below threads(), and no
  // two calls with the same one run at the same time. One caller at a time.
  template <typename Body>
  void ParallelFor(size_t count, size_t grain, const Body& body) {
    if (count == 0) return;
    const size_t pieces = PiecesFor(count, grain);
    if (pieces <= 1) {
      body(size_t{0}, count, 0U);
      return;
    }
    Job job = {};
    job.run = [](const void* context, size_t begin, size_t end, unsigned worker) {
      (*static_cast<const Body*>(context))(begin, end, worker);
    };
    job.context = &body;
    job.count = count;
    job.pieces = pieces;
    RunJob(job);
  }

 private:
  struct Job {
    void (*run)(const void* context, size_t begin, size_t end, unsigned worker);
    const void* context;
    size_t count;
    size_t pieces;
  };
  struct Worker {
    ThreadPool* pool;
    unsigned index;  // from 1; the caller is 0
    Thread thread;
  };

  size_t PiecesFor(size_t count, size_t grain) const;
  void RunJob(const Job& job);
  bool RunPieces(unsigned worker);  // true if at least one was there to run
  bool HasPieces() const;
  void WorkerLoop(unsigned worker);
  static void WorkerMain(void* worker);

  Array<Worker> workers_;
  size_t running_ = 0;    // of workers_; fewer only while Start() fails
  uint64_t process_ = 0;  // that the workers belong to
  unsigned spins_ = 0;

  // Epoch (32 bits), next piece (16), pieces (16). A piece is claimed by a compare-and-swap on the
  // whole word; as job_ is rewritten only when every piece of the last epoch is done, whoever
  // claims a piece may read job_.
  alignas(kAlignment) std::atomic<uint64_t> ticket_{0};
  alignas(kAlignment) std::atomic<uint32_t> done_{0};
  alignas(kAlignment) std::atomic<uint32_t> sleepers_{0};
  // Not a bool: RISC-V has no exchange of one byte, and GCC 12 would call libatomic for it.
  std::atomic<uint32_t> caller_sleeps_{0};
  std::atomic<bool> stop_{false};
  Job job_ = {};
  Mutex mutex_;
  Condition wake_;
  Condition finished_;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_THREAD_POOL_H_
