// SPDX-License-Identifier: MIT
#include "http_reply.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <utility>

#include "json.h"
#include "page.h"

namespace server {
namespace {

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

void AddField(std::string* head, std::string_view name, std::string_view value) {
  *head += name;
  *head += ": ";
  *head += value;
  *head += "\r\n";
}

std::string DateNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char text[40];
  const size_t size = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, size};
}

}  // namespace

Reply& Reply::With(std::string name, std::string value) {
  headers.push_back({std::move(name), std::move(value)});
  return *this;
}

Reply ErrorReply(int status, std::string_view type, std::string_view message,
                 std::string_view code) {
  Reply reply;
  reply.status = status;
  const Json error = Json::Object({{"message", message},
                                   {"type", type},
                                   {"param", Json()},
                                   {"code", code.empty() ? Json() : Json(code)}});
  reply.body = Json::Object({{"error", error}}).Text();
  return reply;
}

Reply LaterReply(int status, std::string_view type, std::string_view message, unsigned seconds,
                 std::string_view code) {
  return ErrorReply(status, type, message, code).With("retry-after", std::to_string(seconds));
}

Reply ParserReply(int status, const std::string& reason) {
  return ErrorReply(status, "invalid_request_error", reason);
}

bool IsHeaderValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte < 0x7f);
  });
}

std::string HeadOf(const Reply& reply, Framing framing, bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " + ReasonOf(reply.status);
  head += "\r\n";
  AddField(&head, "date", DateNow());
  bool has_cache = false;
  for (const Header& header : reply.headers) {
    if (!IsHeaderValue(header.value)) continue;
    AddField(&head, header.name, header.value);
    has_cache = has_cache || header.name == "cache-control";
  }
  if (!has_cache) AddField(&head, "cache-control", "no-store");
  for (const web::Header& header : web::kSecurityHeaders) {
    AddField(&head, header.name, header.value);
  }
  if (!reply.type.empty()) AddField(&head, "content-type", reply.type);
  if (framing == Framing::kChunks) {
    AddField(&head, "transfer-encoding", "chunked");
  } else if (framing == Framing::kLength && reply.status != 204) {
    AddField(&head, "content-length", std::to_string(reply.body.size()));
  }
  AddField(&head, "connection", keep_alive ? "keep-alive" : "close");
  if (keep_alive) AddField(&head, "keep-alive", "timeout=75");
  return head + "\r\n";
}

std::string ChunkOf(std::string_view bytes) {
  char size[20];
  std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  std::string chunk = size;
  chunk += bytes;
  chunk += "\r\n";
  return chunk;
}

}  // namespace server
