// SPDX-License-Identifier: MIT
#include "platform/thread_pool.h"

#include "platform/cores.h"

namespace clamma {
namespace {

static_assert(LIBCLAMMA_MAX_THREADS >= 1, "LIBCLAMMA_MAX_THREADS counts the caller");
static_assert(kMaxPieces >= 1 && kMaxPieces <= 0xffff, "a piece's number has 16 bits");

// The number of spins before a worker sleeps, about a millisecond. This is longer than the serial
// parts within a token and than the delays between cores, so that no token has to wake a worker,
// but an idle library soon uses no CPU.
constexpr unsigned kSpins = 20000;

// Many pieces per thread balance cores of unequal speed and load, as the last pieces are short. A
// thread claims three quarters of its share of the remaining pieces, so that most of a job is done
// in long runs: the beginning of each run is not prefetched.
constexpr size_t kPiecesPerThread = 32;

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr uint64_t MakeTicket(uint64_t epoch, uint64_t next, uint64_t pieces) {
  return epoch << 32 | next << 16 | pieces;
}
constexpr uint64_t EpochOf(uint64_t ticket) { return ticket >> 32; }
constexpr size_t NextOf(uint64_t ticket) { return static_cast<size_t>((ticket >> 16) & 0xffff); }
constexpr size_t PiecesOf(uint64_t ticket) { return static_cast<size_t>(ticket & 0xffff); }

}  // namespace

Status ThreadPool::Start(Memory& memory, unsigned threads) {
  if constexpr (!kHasThreads) return Status();
  if (threads > kMaxThreads) threads = kMaxThreads;
  if (threads <= 1) return Status();
  // If there are fewer cores than threads, a spinning thread would take a core from another one.
  spins_ = threads <= UsableCores() ? kSpins : 0;
  Array<Worker> workers;
  CLAMMA_RETURN_IF_ERROR(workers.Resize(memory, threads - 1));
  workers_.Swap(workers);
  if (memory.is_plan()) return Status();
  process_ = ThisProcess();
  for (running_ = 0; running_ < workers_.size(); ++running_) {
    Worker& worker = workers_[running_];
    worker.pool = this;
    worker.index = static_cast<unsigned>(running_) + 1;
    if (worker.thread.Start(&ThreadPool::WorkerMain, &worker)) continue;
    const size_t started = running_ + 1;  // including the caller
    Stop();
    return Status::Error(StatusCode::kOutOfMemory,
                         "only %zu of %u threads could be started: ask for fewer", started,
                         threads);
  }
  return Status();
}

void ThreadPool::Stop() {
  if (workers_.size() == 0) return;
  // A forked child has no workers to wake or to join.
  if (process_ == ThisProcess()) {
    {
      MutexLock lock(mutex_);
      stop_.store(true);
    }
    wake_.NotifyAll();
    for (size_t i = 0; i < running_; ++i) workers_[i].thread.Join();
  }
  workers_.Reset();
  stop_.store(false);
}

size_t ThreadPool::PiecesFor(size_t count, size_t grain) const {
  if (workers_.size() == 0) return 1;
  size_t pieces = grain == 0 ? count : count / grain;
  const size_t max = threads() * kPiecesPerThread;
  if (pieces > max) pieces = max;
  return pieces > kMaxPieces ? kMaxPieces : pieces;
}

bool ThreadPool::HasPieces() const {
  if constexpr (!kHasThreads) return false;
  const uint64_t ticket = ticket_.load();
  return NextOf(ticket) < PiecesOf(ticket);
}

void ThreadPool::RunJob(const Job& job) {
  if constexpr (kHasThreads) {
    job_ = job;
    done_.store(0, std::memory_order_relaxed);
    // This is an exchange, although a store would be enough in C++: in QEMU, a load (ldar) can
    // overtake the store of AArch64 (stlr) before it, and a worker that was not seen would sleep
    // on.
    ticket_.exchange(MakeTicket(EpochOf(ticket_.load()) + 1, 0, job.pieces));
    if (sleepers_.load() > 0) {
      MutexLock lock(mutex_);
      wake_.NotifyAll();
    }
    RunPieces(0);
    for (unsigned spin = 0; done_.load() < job.pieces && spin < spins_; ++spin) Pause();
    if (done_.load() < job.pieces) {
      MutexLock lock(mutex_);
      caller_sleeps_.exchange(1);  // as above
      while (done_.load() < job.pieces) finished_.Wait(mutex_);
      caller_sleeps_.store(0);
    }
  }
}

bool ThreadPool::RunPieces(unsigned worker) {
  bool any = false;
  if constexpr (kHasThreads) {
    uint64_t ticket = ticket_.load();
    while (NextOf(ticket) < PiecesOf(ticket)) {
      const size_t first = NextOf(ticket);
      const size_t share = (PiecesOf(ticket) - first) * 3 / 4 / threads();
      const uint32_t n = share > 1 ? static_cast<uint32_t>(share) : 1;
      const uint64_t next = MakeTicket(EpochOf(ticket), first + n, PiecesOf(ticket));
      if (!ticket_.compare_exchange_weak(ticket, next)) continue;
      const Job& job = job_;
      const size_t pieces = job.pieces;
      // Each piece has count / pieces indices, and the first `rest` pieces one more. (count * piece
      // could overflow.)
      const size_t base = job.count / pieces;
      const size_t rest = job.count % pieces;
      const auto begin_of = [&](size_t piece) {
        return piece * base + (piece < rest ? piece : rest);
      };
      job.run(job.context, begin_of(first), begin_of(first + n), worker);
      any = true;
      if (done_.fetch_add(n) + n == pieces && caller_sleeps_.load() != 0) {
        MutexLock lock(mutex_);
        finished_.NotifyAll();
      }
      ticket = ticket_.load();
    }
  }
  return any;
}

void ThreadPool::WorkerLoop(unsigned worker) {
  unsigned spin = 0;
  while (!stop_.load()) {
    if (RunPieces(worker)) {
      spin = 0;
    } else if (spin < spins_) {
      ++spin;
      Pause();
    } else {
      MutexLock lock(mutex_);
      sleepers_.fetch_add(1);
      while (!HasPieces() && !stop_.load()) wake_.Wait(mutex_);
      sleepers_.fetch_sub(1);
      spin = 0;
    }
  }
}

void ThreadPool::WorkerMain(void* worker) {
  const auto* self = static_cast<const Worker*>(worker);
  self->pool->WorkerLoop(self->index);
}

}  // namespace clamma
