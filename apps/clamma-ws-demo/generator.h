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

  // These are done in the order in which they are asked for, between two steps; they return at
  // once.
  void Begin(std::shared_ptr<Generation> generation);
  void Stop(std::shared_ptr<Generation> generation);     // what still runs ends as stopped
  void Abandon(std::shared_ptr<Generation> generation);  // frees its sessions, without an update

 private:
  struct Command {
    enum class Type : uint8_t { kBegin, kStop, kAbandon };
    Type type;
    std::shared_ptr<Generation> generation;
  };
  class Stream;
  struct Running;

  void Post(Command::Type type, std::shared_ptr<Generation> generation);
  // Waits for commands if `idle`, takes them; returns false when it is time to end.
  bool Fetch(bool idle, std::vector<Command>& commands);
  void Run();
  void Execute(const Command& command);
  void BeginStreams(const std::shared_ptr<Generation>& generation);

  txf* const model_;
  const options::Sampling sampling_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Command> commands_;  // under the lock
  bool is_ending_ = false;         // under the lock

  std::vector<std::unique_ptr<Running>> running_;  // the thread's own
  std::thread thread_;                             // last: it uses all else
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_GENERATOR_H_
