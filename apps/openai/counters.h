// SPDX-License-Identifier: MIT
// What Service::counts() reports, counted on all threads.
#ifndef CLAMMA_APPS_OPENAI_COUNTERS_H_
#define CLAMMA_APPS_OPENAI_COUNTERS_H_

#include <mutex>

#include "openai/service.h"

namespace openai {

class Counters {
 public:
  void AddAnswer(Endpoint endpoint, int status) noexcept;
  void AddCancelled() noexcept;
  void AddFirstToken(double seconds) noexcept;
  void AddBetweenTokens(double seconds) noexcept;
  // Of a text that has ended.
  void AddTokens(const Usage& usage) noexcept;
  Service::Counts Copy() const;  // of what is counted here

 private:
  mutable std::mutex mutex_;
  Service::Counts counts_;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_COUNTERS_H_
