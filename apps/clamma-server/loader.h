// SPDX-License-Identifier: MIT
// Loads the models on a thread, while the server already answers that it is not ready.
#ifndef CLAMMA_SERVER_LOADER_H_
#define CLAMMA_SERVER_LOADER_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "openai/service.h"

namespace server {

class Loader {
 public:
  // `wake` is called on the thread when it has ended.
  Loader(std::vector<openai::Service::Model> models, openai::Service::Options options,
         std::function<void()> wake);
  ~Loader() { thread_.join(); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  enum class State : uint8_t { kLoading, kLoaded, kFailed };
  bool is_loading() {
    const std::lock_guard lock(mutex_);
    return state_ == State::kLoading;
  }
  // With kLoaded, *service is set at the first call; with kFailed, *reason.
  State Poll(std::unique_ptr<openai::Service>* service, std::string* reason);

 private:
  std::mutex mutex_;  // protects the members below
  State state_ = State::kLoading;
  std::unique_ptr<openai::Service> service_;
  std::string reason_;
  std::thread thread_;  // last, as it uses the others
};

}  // namespace server

#endif  // CLAMMA_SERVER_LOADER_H_
