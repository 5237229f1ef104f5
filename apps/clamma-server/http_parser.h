// SPDX-License-Identifier: MIT
// Reads requests of HTTP/1.1 (RFC 9112) from bytes that arrive in any pieces. Strict: what two
// programs could understand in two ways is refused. Independent of sockets, and safe for untrusted
// input.
#ifndef CLAMMA_SERVER_HTTP_PARSER_H_
#define CLAMMA_SERVER_HTTP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace server {

struct HttpField {
  std::string name;  // in lower case
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string path;   // the target up to "?", as it was sent; begins with /, or is *
  std::string query;  // what follows "?"
  std::vector<HttpField> fields;
  std::string body;

  bool is_http10 = false;
  bool keep_alive = true;
  bool has_body = false;          // also one of 0 bytes
  bool expects_continue = false;  // the client waits for 100 before it sends the body

  // The value of a field; nullptr if there is none. Of several, the first.
  const std::string* Find(std::string_view name) const;
};

class HttpParser {
 public:
  struct Limits {
    size_t head_bytes = 16384;
    size_t fields = 100;
    size_t body_bytes = size_t{4} << 20;
  };

  enum class State : uint8_t {
    kHead,      // reads the head
    kHeadDone,  // the head is complete: ReadBody() continues
    kBody,      // reads the body
    kDone,      // the request is complete
    kFailed     // status() and reason() say why; nothing more can be read
  };

  explicit HttpParser(const Limits& limits) : limits_(limits) {}

  // Takes bytes up to the next change of the state, and returns how many. Takes none in the states
  // kHeadDone, kDone and kFailed.
  size_t Take(std::string_view bytes);

  void ReadBody();  // in kHeadDone
  void Reset();     // for the next request

  State state() const { return state_; }
  bool has_begun() const { return state_ != State::kHead || !line_.empty() || has_line_; }
  HttpRequest& request() { return request_; }
  int status() const { return status_; }
  const std::string& reason() const { return reason_; }

 private:
  enum class BodyPart : uint8_t { kLength, kSize, kData, kDataEnd, kTrailer };

  void Fail(int status, std::string_view reason);
  size_t TakeHead(std::string_view bytes);
  size_t TakeBody(std::string_view bytes);
  // Adds bytes up to a line's end to line_. Sets *complete if the end is there; a line without CR
  // before LF fails.
  size_t TakeLine(std::string_view bytes, bool* complete);
  void OnHeadLine();
  void OnRequestLine();
  bool SplitTarget(std::string_view target);
  void OnField();
  void OnHeadEnd();
  void CheckLength(std::string_view text);
  void OnChunkLine();

  Limits limits_;
  State state_ = State::kHead;
  HttpRequest request_;
  std::string line_;
  bool has_line_ = false;  // the request line has been read
  size_t head_bytes_ = 0;
  bool has_length_ = false;
  bool is_chunked_ = false;
  BodyPart part_ = BodyPart::kLength;
  size_t remaining_ = 0;  // of the body, or of its chunk
  size_t trailer_bytes_ = 0;
  int status_ = 0;
  std::string reason_;
};

// Replaces %XX. Returns false if a percent sign has no two hexadecimal digits behind it, or stands
// for a NUL.
bool DecodePercent(std::string_view text, std::string* decoded);

// Whether a comma-separated list, as of Connection, has an element; `element` is in lower case.
bool ListHas(std::string_view list, std::string_view element);

bool IsToken(std::string_view text);  // a name of a method or a field

std::string LowerCase(std::string_view text);

}  // namespace server

#endif  // CLAMMA_SERVER_HTTP_PARSER_H_
