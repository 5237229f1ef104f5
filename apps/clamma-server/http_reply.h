// SPDX-License-Identifier: MIT
// Replies as bytes: heads, chunks, and the API's error objects.
#ifndef CLAMMA_SERVER_HTTP_REPLY_H_
#define CLAMMA_SERVER_HTTP_REPLY_H_

#include <string>
#include <string_view>
#include <vector>

#include "openai/service.h"

namespace server {

using openai::Header;

inline constexpr const char* kJsonType = "application/json";
inline constexpr const char* kTextType = "text/plain; charset=utf-8";

struct Reply {
  int status = 200;
  std::string type = kJsonType;  // "": no body, as with 204
  std::string body;
  std::vector<Header> headers;  // further ones; names in lower case

  Reply& With(std::string name, std::string value);
};

// An error object of the API. `code` may be "", which becomes null.
Reply ErrorReply(int status, std::string_view type, std::string_view message,
                 std::string_view code = "");
// 429 or 503 with Retry-After.
Reply LaterReply(int status, std::string_view type, std::string_view message, unsigned seconds,
                 std::string_view code = "");
// The error for a request that is no valid HTTP.
Reply ParserReply(int status, const std::string& reason);

enum class Framing : uint8_t {
  kLength,  // Content-Length
  kChunks,  // chunked
  kClose    // until the connection is closed, as for HTTP/1.0
};

// The head of a reply: status line, Date, the security headers, and the reply's own.
std::string HeadOf(const Reply& reply, Framing framing, bool keep_alive);

// `bytes` as a chunk; they must not be empty.
std::string ChunkOf(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Whether a value can be sent as that of a header: visible ASCII, spaces and tabs.
bool IsHeaderValue(std::string_view text);

}  // namespace server

#endif  // CLAMMA_SERVER_HTTP_REPLY_H_
