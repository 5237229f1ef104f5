// SPDX-License-Identifier: MIT
// Makes sure that the standard streams are open. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_
#define CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_

// Opens standard streams that are closed. Otherwise the next file, pipe or socket would get the
// number of the stream, and so be read as input, or receive the output. Call this before any is
// opened.
void KeepStandardStreams();

#endif  // CLAMMA_APPS_COMMON_STANDARD_STREAMS_H_
