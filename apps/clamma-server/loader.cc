// SPDX-License-Identifier: MIT
#include "loader.h"

namespace server {

Loader::Loader(std::vector<openai::Service::Model> models, openai::Service::Options options,
               std::function<void()> wake)
    : thread_([this, models = std::move(models), options = std::move(options),
               wake = std::move(wake)]() mutable {
        std::string reason;
        std::unique_ptr<openai::Service> service =
            openai::Service::Make(std::move(models), std::move(options), &reason);
        {
          const std::lock_guard lock(mutex_);
          state_ = service == nullptr ? State::kFailed : State::kLoaded;
          service_ = std::move(service);
          reason_ = std::move(reason);
        }
        wake();
      }) {}

Loader::State Loader::Poll(std::unique_ptr<openai::Service>* service, std::string* reason) {
  const std::lock_guard lock(mutex_);
  if (service_ != nullptr) *service = std::move(service_);
  if (state_ == State::kFailed) *reason = reason_;
  return state_;
}

}  // namespace server
