// SPDX-License-Identifier: MIT
#include "waker.h"

#include <libwebsockets.h>

namespace web {

void Waker::Set(lws_context* context) {
  const std::lock_guard lock(mutex_);
  context_ = context;
}

void Waker::Wake() {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) lws_cancel_service(context_);
}

}  // namespace web
