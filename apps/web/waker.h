// SPDX-License-Identifier: MIT
// Wakes libwebsockets' loop from another thread. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_WEB_WAKER_H_
#define CLAMMA_APPS_WEB_WAKER_H_

#include <mutex>

struct lws_context;

namespace web {

// Any thread may call Wake(), also after the loop has ended.
class Waker {
 public:
  void Set(lws_context* context);  // or nullptr
  void Wake();

 private:
  std::mutex mutex_;
  lws_context* context_ = nullptr;
};

}  // namespace web

#endif  // CLAMMA_APPS_WEB_WAKER_H_
