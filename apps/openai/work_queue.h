// SPDX-License-Identifier: MIT
// The service's threads: workers, which prepare requests and start texts while there are slots, and
// one that steps.
#ifndef CLAMMA_APPS_OPENAI_WORK_QUEUE_H_
#define CLAMMA_APPS_OPENAI_WORK_QUEUE_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "openai/call.h"
#include "openai/generation.h"
#include "openai/model.h"

namespace openai {

class WorkQueue : public Generation::Slots {
 public:
  struct Options {
    size_t slots = 1;  // texts that are generated at the same time
    size_t workers = 2;
    size_t max_waiting = 64;  // requests that wait for slots, or for a worker with long work
    size_t max_bytes = size_t{64} << 20;  // of requests that no worker has begun with
  };
  // Runs on a worker. It must not throw.
  using Prepare = std::function<void(const std::shared_ptr<Call>&)>;

  // The models must outlive this.
  WorkQueue(const Options& options, std::vector<const txf*> models, Prepare prepare);
  // Ends what runs without a further call.
  ~WorkQueue() override;
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // Any thread. Returns false if too many bytes wait for a worker. Throws std::bad_alloc.
  bool Push(std::shared_ptr<Call> call);

  // On a worker: lets a prepared request's texts begin as slots become free. Requests take turns,
  // one text each, so that one with many texts does not hold up those behind it. Returns false if
  // too many requests wait. Throws std::bad_alloc.
  bool Admit(const std::shared_ptr<Generation>& generation);
  // Whether a request that is admitted now has to wait. Of several threads' answers, some may be
  // out of date.
  bool MustWait() const;
  // Work that takes passes over the weights, on a worker; at least one other worker goes on with
  // requests. `work` must not throw. Returns false if too many requests wait.
  bool AdmitLong(std::function<void()> work);

  struct Numbers {
    size_t parsing = 0, waiting = 0, running = 0;
  };
  Numbers numbers() const;
  bool idle() const;

  void Release(Generation& generation) noexcept override;
  void Started() noexcept override;
  void ChoicesStopped() noexcept override;

 private:
  struct Waiting {
    std::shared_ptr<Generation> generation;
    size_t next = 0;  // choice
  };
  struct Running {
    std::shared_ptr<Generation> generation;
    size_t slots = 0;
  };

  void Work();
  void Step();
  void End();  // of the threads
  bool HasWork() const;
  void WorkOnce(std::unique_lock<std::mutex>& lock);
  void StartNext(std::unique_lock<std::mutex>& lock);
  void SkipStopped(std::unique_lock<std::mutex>& lock);

  const Options options_;
  const std::vector<const txf*> models_;
  const Prepare prepare_;

  mutable std::mutex mutex_;
  std::condition_variable has_work_;
  // The following need the lock.
  std::deque<std::shared_ptr<Call>> calls_;
  size_t queued_bytes_ = 0;  // of calls_
  std::list<Waiting> waiting_;
  std::deque<std::function<void()>> long_;
  std::map<Generation*, Running> running_;
  size_t free_slots_;
  size_t busy_ = 0;           // workers
  size_t busy_long_ = 0;      // ... of them with long work
  bool has_stopped_ = false;  // some of waiting_ may not have to be started

  std::mutex step_mutex_;
  std::condition_variable can_step_;
  bool has_started_ = false;  // needs the lock of step_mutex_
  std::atomic<bool> is_ending_{false};

  std::vector<std::thread> workers_;
  std::thread stepper_;  // last: uses the other members
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_WORK_QUEUE_H_
