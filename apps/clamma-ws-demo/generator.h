// SPDX-License-Identifier: MIT
// The thread that generates: it alone calls the library once the model is there, and serves the
// streams of all visitors side by side.
#ifndef CLAMMA_WS_DEMO_GENERATOR_H_
#define CLAMMA_WS_DEMO_GENERATOR_H_

#include <clamma.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "generation.h"
#include "metrics.h"
#include "options.h"

namespace demo {

class Generator {
 public:
  // `model` and `metrics` must live longer. What a visitor does not choose comes from `sampling`.
  Generator(txf* model, const options::Sampling& sampling, Metrics& metrics);
  // Ends all streams without an update, at the latest when the step that runs is done.
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // These are done between two steps, and return at once. What was abandoned before another one
  // begins has no session any more by then. Only Begin() needs memory: if there is none, it throws
  // and nothing begins.
  void Begin(std::shared_ptr<Generation> generation);
  void Stop(Generation& generation) noexcept;     // what still runs ends as stopped
  void Abandon(Generation& generation) noexcept;  // frees its sessions, without an update

 private:
  class Stream;
  struct Running;

  void Notify() noexcept;
  // Waits for something to do if `idle`, takes what is to begin; returns false when it is time to
  // end.
  bool Fetch(bool idle, std::vector<std::shared_ptr<Generation>>& begun);
  void Run();
  void BeginStreams(const std::shared_ptr<Generation>& generation);

  txf* const model_;
  const options::Sampling sampling_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<std::shared_ptr<Generation>> begun_;  // under the lock
  bool has_wishes_ = false;  // a generation is to stop, or is abandoned; under the lock
  bool is_ending_ = false;   // under the lock

  std::vector<std::unique_ptr<Running>> running_;  // the thread's own
  std::thread thread_;                             // last: it uses all else
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_GENERATOR_H_
