// SPDX-License-Identifier: MIT
// What the sources of this folder share: from C's arguments to the engine's, and from Status to a
// return value and a message.
#ifndef CLAMMA_API_CONVERT_H_
#define CLAMMA_API_CONVERT_H_

#include <cstdint>

#include "clamma.h"
#include "engine/session.h"
#include "platform/log.h"
#include "platform/status.h"

namespace clamma {

// What a query asks, but for its `null_on_destroy` and texts' contents all checked.
Status ReadQuery(const clamma_txf_info_t& info, Query* query);

// Writes a failure to the log, and to the info's `desc`.
void Report(const Log& log, const clamma_txf_info_t* info, const Status& status);

// 0, or 1 and a message.
int Return(const Log& log, const Status& status);

// 1, as a call was not given what it needs.
int ReturnMissing(const Transformer* transformer, const char* function);
int ReturnMissing(const txf* handle, const char* function);
int ReturnMissing(const txf_session* handle, const char* function);
int ReportMissing(const txf_session* session, const clamma_txf_info_t* info, const char* function);

// What a query returns, and tells: its seed, or why it was refused.
int ReportQuery(const Session& session, const clamma_txf_info_t& info, const Status& status,
                uint64_t seed);

}  // namespace clamma

#endif  // CLAMMA_API_CONVERT_H_
