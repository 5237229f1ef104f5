// SPDX-License-Identifier: MIT
// The generating thread. Once the model is loaded, only this thread calls the library; it serves
// the streams of all visitors side by side.
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
  // `model` and `metrics` must outlive the object. `sampling` has the values that visitors cannot
  // choose.
  Generator(txf* model, const options::Sampling& sampling, Metrics& metrics);
  // Ends all streams without an update, at the latest after the running step.
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // These functions return at once and take effect between two steps. Sessions of generations that
  // were abandoned before a Begin() are destroyed before it takes effect. Only Begin() needs
  // memory: if there is none, it throws and nothing begins.
  void Begin(std::shared_ptr<Generation> generation);
  void Stop(Generation& generation) noexcept;     // its running streams end as stopped
  void Abandon(Generation& generation) noexcept;  // destroys its sessions, without an update

 private:
  class Stream;
  struct Running;

  void Notify() noexcept;
  // Waits for work if `idle`, and takes the generations to begin. Returns false if the thread must
  // end.
  bool Fetch(bool idle, std::vector<std::shared_ptr<Generation>>& begun);
  void Run();
  void BeginStreams(const std::shared_ptr<Generation>& generation);

  txf* const model_;
  const options::Sampling sampling_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<std::shared_ptr<Generation>> begun_;  // needs the lock
  bool has_wishes_ = false;  // a generation must stop, or is abandoned; needs the lock
  bool is_ending_ = false;   // needs the lock

  std::vector<std::unique_ptr<Running>> running_;  // used only by the thread
  std::thread thread_;                             // last, because it uses the other members
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_GENERATOR_H_
