// SPDX-License-Identifier: MIT
// What a server asks of the system for itself: signals as a descriptor, and open files.
#ifndef CLAMMA_APPS_WEB_PROCESS_H_
#define CLAMMA_APPS_WEB_PROCESS_H_

#include <cstddef>
#include <string>

namespace web {

// Sets *fd to a descriptor that becomes readable when SIGTERM or SIGINT asks the program to end; a
// second signal ends it at once. With `reload`, a byte 'h' is also written for each SIGHUP, and 'e'
// for the end. SIGPIPE is ignored. Call it once. Returns "" or the reason of a failure.
std::string HandleSignals(bool reload, int* fd);

// Whether this many connections can be open; raises the limit of open files where it must.
bool HaveDescriptors(size_t connections);

}  // namespace web

#endif  // CLAMMA_APPS_WEB_PROCESS_H_
