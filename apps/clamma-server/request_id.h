// SPDX-License-Identifier: MIT
// X-Request-Id, by which a client's log and the server's are brought together.
#ifndef CLAMMA_SERVER_REQUEST_ID_H_
#define CLAMMA_SERVER_REQUEST_ID_H_

#include <string>

namespace server {

// A new one, such as req_ and 24 hexadecimal digits.
std::string MakeRequestId();

// The client's own, if it is short and of letters, digits and a few marks; else a new one.
std::string RequestIdOf(const std::string* wanted);

}  // namespace server

#endif  // CLAMMA_SERVER_REQUEST_ID_H_
