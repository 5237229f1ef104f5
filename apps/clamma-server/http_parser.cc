// SPDX-License-Identifier: MIT
#include "http_parser.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace server {
namespace {

constexpr size_t kMaxChunkLine = 1024;  // a chunk's size, and extensions, which are ignored
constexpr size_t kMaxTrailers = 4096;   // bytes of fields after the last chunk, which are ignored

bool IsFieldByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool IsTargetByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f;
}

std::string_view Trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

bool AreFieldBytes(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsFieldByte);
}

// Fields that may come only once, because what they say decides how the request is understood.
bool IsSingle(std::string_view name) {
  return name == "host" || name == "content-length" || name == "transfer-encoding" ||
         name == "content-type" || name == "authorization" || name == "origin" || name == "expect";
}

}  // namespace

const std::string* HttpRequest::Find(std::string_view name) const {
  for (const HttpField& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

void HttpParser::Reset() { *this = HttpParser(limits_); }

void HttpParser::Fail(int status, std::string_view reason) {
  state_ = State::kFailed;
  status_ = status;
  reason_ = reason;
}

size_t HttpParser::Take(std::string_view bytes) {
  if (state_ == State::kHead) return TakeHead(bytes);
  if (state_ == State::kBody) return TakeBody(bytes);
  return 0;
}

size_t HttpParser::TakeLine(std::string_view bytes, bool* complete) {
  const size_t end = bytes.find('\n');
  *complete = end != std::string_view::npos;
  const size_t size = *complete ? end + 1 : bytes.size();
  line_ += bytes.substr(0, size);
  if (!*complete) return size;
  if (!line_.ends_with("\r\n")) {
    Fail(400, "a line must end with CR and LF");
    return size;
  }
  line_.resize(line_.size() - 2);
  return size;
}

size_t HttpParser::TakeHead(std::string_view bytes) {
  size_t taken = 0;
  while (state_ == State::kHead && taken < bytes.size()) {
    const size_t most = std::min(bytes.size() - taken, limits_.head_bytes + 1 - head_bytes_);
    bool complete = false;
    const size_t size = TakeLine(bytes.substr(taken, most), &complete);
    taken += size;
    head_bytes_ += size;
    if (state_ == State::kFailed) break;
    if (head_bytes_ > limits_.head_bytes) {
      Fail(has_line_ ? 431 : 414,
           has_line_ ? "the header fields are too large" : "the request's target is too long");
    } else if (complete) {
      OnHeadLine();
      line_.clear();
    }
  }
  return taken;
}

void HttpParser::OnHeadLine() {
  if (has_line_) {
    line_.empty() ? OnHeadEnd() : OnField();
  } else if (!line_.empty()) {  // empty lines before a request are ignored
    OnRequestLine();
  }
}

void HttpParser::OnRequestLine() {
  const std::string_view line = line_;
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || !IsToken(line.substr(0, first))) {
    return Fail(400, "the request line is not METHOD TARGET HTTP/1.1");
  }
  const std::string_view version = line.substr(last + 1);
  if (version == "HTTP/1.0") {
    request_.is_http10 = true;
    request_.keep_alive = false;
  } else if (version != "HTTP/1.1") {
    const bool is_http = version.starts_with("HTTP/");
    return Fail(is_http ? 505 : 400, "only HTTP/1.1 and HTTP/1.0 are supported");
  }
  request_.method = line.substr(0, first);
  if (!SplitTarget(line.substr(first + 1, last - first - 1))) {
    return Fail(400, "the request's target is not a path");
  }
  has_line_ = true;
}

bool HttpParser::SplitTarget(std::string_view target) {
  if (!std::all_of(target.begin(), target.end(), IsTargetByte)) return false;
  if (target != "*" && !target.starts_with('/')) return false;
  const size_t mark = std::min(target.find('?'), target.size());
  request_.path = target.substr(0, mark);
  if (mark < target.size()) request_.query = target.substr(mark + 1);
  return request_.path.find('#') == std::string::npos;
}

void HttpParser::OnField() {
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    return Fail(400, "a header field is not NAME: VALUE");
  }
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (!AreFieldBytes(value)) {
    return Fail(400, "a header field has a control character");
  }
  if (request_.fields.size() >= limits_.fields)
    return Fail(431, "there are too many header fields");
  std::string name = LowerCase(line.substr(0, colon));
  if (IsSingle(name) && request_.Find(name) != nullptr) {
    return Fail(400, "a header field is repeated that must come once");
  }
  request_.fields.push_back({std::move(name), std::string(value)});
}

void HttpParser::CheckLength(std::string_view text) {
  uint64_t length = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, length);
  const bool is_number =
      !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return Fail(400, "Content-Length is not a number");
  if (error != std::errc() || stop != end || length > limits_.body_bytes) {
    return Fail(413, "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
  }
  has_length_ = true;
  remaining_ = static_cast<size_t>(length);
}

void HttpParser::OnHeadEnd() {
  const std::string* coding = request_.Find("transfer-encoding");
  const std::string* length = request_.Find("content-length");
  if (!request_.is_http10 && request_.Find("host") == nullptr) {
    return Fail(400, "the request has no Host");
  }
  if (coding != nullptr) {
    if (length != nullptr)
      return Fail(400, "Transfer-Encoding and Content-Length exclude each other");
    if (request_.is_http10) return Fail(400, "HTTP/1.0 has no Transfer-Encoding");
    if (LowerCase(*coding) != "chunked")
      return Fail(501, "only chunked is a known Transfer-Encoding");
    is_chunked_ = true;
  } else if (length != nullptr) {
    CheckLength(*length);
    if (state_ == State::kFailed) return;
  }
  if (const std::string* expect = request_.Find("expect"); expect != nullptr) {
    if (LowerCase(*expect) != "100-continue") return Fail(417, "only 100-continue can be expected");
    request_.expects_continue = !request_.is_http10 && (is_chunked_ || remaining_ > 0);
  }
  for (const HttpField& field : request_.fields) {
    if (field.name != "connection") continue;
    if (ListHas(field.value, "close")) request_.keep_alive = false;
  }
  request_.has_body = is_chunked_ || has_length_;
  state_ = State::kHeadDone;
}

void HttpParser::ReadBody() {
  line_.clear();
  part_ = is_chunked_ ? BodyPart::kSize : BodyPart::kLength;
  state_ = is_chunked_ || remaining_ > 0 ? State::kBody : State::kDone;
}

size_t HttpParser::TakeBody(std::string_view bytes) {
  size_t taken = 0;
  while (state_ == State::kBody && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    if (part_ == BodyPart::kLength || part_ == BodyPart::kData) {
      const size_t size = std::min(rest.size(), remaining_);
      request_.body += rest.substr(0, size);
      taken += size;
      remaining_ -= size;
      if (remaining_ > 0) continue;
      if (part_ == BodyPart::kLength) state_ = State::kDone;
      part_ = BodyPart::kDataEnd;
      continue;
    }
    bool complete = false;
    taken += TakeLine(rest.substr(0, kMaxChunkLine + 1 - std::min(line_.size(), kMaxChunkLine)),
                      &complete);
    if (state_ == State::kFailed) break;
    if (line_.size() > kMaxChunkLine) {
      Fail(400, "a chunk's size is too long");
    } else if (complete) {
      OnChunkLine();
      line_.clear();
    }
  }
  return taken;
}

void HttpParser::OnChunkLine() {
  if (part_ == BodyPart::kDataEnd) {
    if (!line_.empty()) return Fail(400, "a chunk is longer than its size");
    part_ = BodyPart::kSize;
    return;
  }
  if (part_ == BodyPart::kTrailer) {
    trailer_bytes_ += line_.size();
    if (trailer_bytes_ > kMaxTrailers) return Fail(431, "the trailer fields are too large");
    const std::string_view field = line_;
    if (field.empty()) {
      state_ = State::kDone;
    } else if (!IsToken(field.substr(0, field.find(':'))) || !AreFieldBytes(field) ||
               field.find(':') == std::string_view::npos) {
      Fail(400, "a trailer field is not NAME: VALUE");
    }
    return;
  }
  const std::string_view line = line_;
  const std::string_view digits = line.substr(0, std::min(line.find_first_of("; \t"), line.size()));
  uint64_t size = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, size, 16);
  if (error == std::errc::invalid_argument || stop != end) {
    return Fail(400, "a chunk's size is not a hexadecimal number");
  }
  const std::string_view extension = Trimmed(line.substr(digits.size()));
  if (!AreFieldBytes(extension) || (!extension.empty() && !extension.starts_with(';'))) {
    return Fail(400, "a chunk's size is not followed by ';' or the line's end");
  }
  if (error != std::errc() || size > limits_.body_bytes - request_.body.size()) {
    return Fail(413, "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
  }
  remaining_ = static_cast<size_t>(size);
  part_ = size == 0 ? BodyPart::kTrailer : BodyPart::kData;
}

}  // namespace server
