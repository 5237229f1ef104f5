// SPDX-License-Identifier: MIT
// Shared by the sources of this folder: convert C's arguments to the engine's, and a Status to a
// return value and a message.
#ifndef CLAMMA_API_CONVERT_H_
#define CLAMMA_API_CONVERT_H_

#include <cstdint>

#include "clamma.h"
#include "engine/session.h"
#include "platform/log.h"
#include "platform/status.h"

namespace clamma {

// Converts a query's parameters and checks all of them except `null_on_destroy` and the contents of
// texts.
Status ReadQuery(const clamma_txf_info_t& info, Query* query);

// Writes a failure to the log, and to the info's `desc`.
void Report(const Log& log, const clamma_txf_info_t* info, const Status& status);

// Returns 0, or 1 after writing the message to the log.
int Return(const Log& log, const Status& status);

// Report that a function was given NULL where it needs an argument. Return 1.
int ReturnMissing(const Transformer* transformer, const char* function);
int ReturnMissing(const txf* handle, const char* function);
int ReturnMissing(const txf_session* handle, const char* function);
int ReportMissing(const txf_session* session, const clamma_txf_info_t* info, const char* function);

// Returns a query's result, and writes its seed, or the reason for the failure, to `desc`.
int ReportQuery(const Session& session, const clamma_txf_info_t& info, const Status& status,
                uint64_t seed);

}  // namespace clamma

#endif  // CLAMMA_API_CONVERT_H_
