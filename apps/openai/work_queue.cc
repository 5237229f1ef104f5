// SPDX-License-Identifier: MIT
#include "openai/work_queue.h"

#include <chrono>
#include <new>
#include <utility>

namespace openai {
namespace {

constexpr size_t kCallBytes = 4096;  // of a request beside its body, about
constexpr std::chrono::milliseconds kMemoryPause{10};

size_t BytesOf(const Call& call) { return call.request().body.size() + kCallBytes; }

}  // namespace

WorkQueue::WorkQueue(const Options& options, std::vector<const txf*> models, Prepare prepare)
    : options_(options),
      models_(std::move(models)),
      prepare_(std::move(prepare)),
      free_slots_(options.slots) {
  try {
    for (size_t i = 0; i < options_.workers; ++i) workers_.emplace_back([this] { Work(); });
    stepper_ = std::thread([this] { Step(); });
  } catch (...) {
    End();
    throw;
  }
}

WorkQueue::~WorkQueue() {
  End();
  for (auto& [key, running] : running_) running.generation->Abandon();
}

void WorkQueue::End() {
  {
    const std::lock_guard lock(mutex_);
    const std::lock_guard step_lock(step_mutex_);
    is_ending_ = true;
  }
  has_work_.notify_all();
  can_step_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  if (stepper_.joinable()) stepper_.join();
}

bool WorkQueue::Push(std::shared_ptr<Call> call) {
  const size_t bytes = BytesOf(*call);
  {
    const std::lock_guard lock(mutex_);
    if (!calls_.empty() && queued_bytes_ + bytes > options_.max_bytes) return false;
    calls_.push_back(std::move(call));
    queued_bytes_ += bytes;
  }
  has_work_.notify_one();
  return true;
}

bool WorkQueue::Admit(const std::shared_ptr<Generation>& generation) {
  {
    const std::lock_guard lock(mutex_);
    const bool waits = free_slots_ == 0 || !waiting_.empty();
    if (waits && waiting_.size() >= options_.max_waiting) return false;
    waiting_.push_back({generation});
    if (generation->stopped()) has_stopped_ = true;  // before it was here to be found
  }
  has_work_.notify_one();
  return true;
}

bool WorkQueue::MustWait() const {
  const std::lock_guard lock(mutex_);
  return free_slots_ == 0 || !waiting_.empty();
}

bool WorkQueue::AdmitLong(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (long_.size() >= options_.max_waiting) return false;
    long_.push_back(std::move(work));
  }
  has_work_.notify_one();
  return true;
}

WorkQueue::Numbers WorkQueue::numbers() const {
  const std::lock_guard lock(mutex_);
  return {calls_.size() + busy_, waiting_.size() + long_.size(), options_.slots - free_slots_};
}

bool WorkQueue::idle() const {
  const std::lock_guard lock(mutex_);
  return calls_.empty() && waiting_.empty() && long_.empty() && running_.empty() && busy_ == 0;
}

void WorkQueue::Release(Generation& generation) noexcept {
  std::shared_ptr<Generation> last;
  {
    const std::lock_guard lock(mutex_);
    ++free_slots_;
    const auto running = running_.find(&generation);
    if (running != running_.end() && --running->second.slots == 0) {
      last = std::move(running->second.generation);
      running_.erase(running);
    }
  }
  has_work_.notify_one();
}

void WorkQueue::Started() noexcept {
  {
    const std::lock_guard lock(step_mutex_);
    has_started_ = true;
  }
  can_step_.notify_one();
}

void WorkQueue::ChoicesStopped() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return;
    has_stopped_ = true;
  }
  has_work_.notify_one();
}

bool WorkQueue::HasWork() const {
  return has_stopped_ || !calls_.empty() || (free_slots_ > 0 && !waiting_.empty()) ||
         (!long_.empty() && busy_long_ + 1 < options_.workers);
}

void WorkQueue::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return is_ending_ || HasWork(); });
    if (is_ending_) return;
    ++busy_;
    WorkOnce(lock);
    --busy_;
  }
}

void WorkQueue::WorkOnce(std::unique_lock<std::mutex>& lock) {
  if (has_stopped_) return SkipStopped(lock);
  if (free_slots_ > 0 && !waiting_.empty()) return StartNext(lock);
  if (!calls_.empty()) {
    const std::shared_ptr<Call> call = std::move(calls_.front());
    calls_.pop_front();
    queued_bytes_ -= BytesOf(*call);
    lock.unlock();
    prepare_(call);
    lock.lock();
    return;
  }
  const std::function<void()> work = std::move(long_.front());
  long_.pop_front();
  ++busy_long_;
  lock.unlock();
  work();
  lock.lock();
  --busy_long_;
  if (!long_.empty()) has_work_.notify_one();
}

void WorkQueue::StartNext(std::unique_lock<std::mutex>& lock) {
  Waiting& first = waiting_.front();
  const std::shared_ptr<Generation> generation = first.generation;
  Running* running = nullptr;
  try {
    running = &running_[generation.get()];
  } catch (const std::bad_alloc&) {  // it is tried again
    lock.unlock();
    std::this_thread::sleep_for(kMemoryPause);
    lock.lock();
    return;
  }
  const size_t choice = first.next++;
  if (first.next == generation->size()) {
    waiting_.pop_front();
  } else {
    waiting_.splice(waiting_.end(), waiting_, waiting_.begin());
  }
  --free_slots_;
  running->generation = generation;
  ++running->slots;
  if (free_slots_ > 0 && !waiting_.empty()) has_work_.notify_one();
  lock.unlock();
  generation->Start(choice);
  lock.lock();
}

// Takes those out of the queue whose requests were cancelled, or have failed.
void WorkQueue::SkipStopped(std::unique_lock<std::mutex>& lock) {
  has_stopped_ = false;
  for (auto each = waiting_.begin(); each != waiting_.end();) {
    if (!each->generation->stopped()) {
      ++each;
      continue;
    }
    const Waiting stopped = std::move(*each);
    waiting_.erase(each);
    lock.unlock();
    for (size_t choice = stopped.next; choice < stopped.generation->size(); ++choice) {
      stopped.generation->Skip(choice);
    }
    lock.lock();
    each = waiting_.begin();
  }
}

void WorkQueue::Step() {
  while (!is_ending_) {
    bool served = false;
    for (const txf* model : models_) {
      if (clamma_txf_step_next(model) != 0) served = true;
    }
    if (served) continue;
    std::unique_lock lock(step_mutex_);
    can_step_.wait(lock, [this] { return is_ending_ || has_started_; });
    has_started_ = false;
  }
}

}  // namespace openai
