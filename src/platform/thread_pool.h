// SPDX-License-Identifier: MIT
// Fork and join over index ranges. Threads claim pieces. The caller works too, and waits only for
// pieces that other threads have begun, so that a worker that the system does not run costs
// nothing.
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

  // Starts the workers. `threads` includes the caller, so 1 starts none. It is limited to
  // kMaxThreads, and to 1 in a build without threads; see threads().
  Status Start(Memory& memory, unsigned threads);
  void Stop();
  void ForgetWorkers() { workers_.Reset(); }  // for a forked child, in which they do not exist
  unsigned threads() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // Calls body(begin, end, worker) for disjoint ranges that cover [0, count), each of at least
  // `grain` indices if count is, and returns when all calls are done. `worker` is below threads(),
  // and calls with the same `worker` do not run at the same time. One thread at a time may call it.
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
  bool RunPieces(unsigned worker);  // returns whether there was any
  bool HasPieces() const;
  void WorkerLoop(unsigned worker);
  static void WorkerMain(void* worker);

  Array<Worker> workers_;
  size_t running_ = 0;    // workers that run; fewer than workers_ only while Start() fails
  uint64_t process_ = 0;  // the process to which the workers belong
  unsigned spins_ = 0;

  // Epoch (32 bits), next piece (16), number of pieces (16). A piece is claimed by a
  // compare-and-swap of the whole word. job_ changes only when all pieces of the last epoch are
  // done, so a thread that has claimed a piece may read it.
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
