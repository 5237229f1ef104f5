// SPDX-License-Identifier: MIT
// Standard streams that are there. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_
#define CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_

// A standard stream that is closed would leave its number to the next file, pipe or socket, which
// would be read as input then, or get what is meant for the user. To be called before any is made.
void KeepStandardStreams();

#endif  // CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_
