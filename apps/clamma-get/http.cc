// SPDX-License-Identifier: MIT
#include "http.h"

#include <clamma-extra.h>
#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <exception>
#include <stdexcept>
#include <utility>

#include "failure.h"

namespace get {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxText = 16 << 20;
constexpr size_t kMaxHeaders = 200;
constexpr long kConnectSeconds = 20;  // NOLINT(google-runtime-int)
constexpr long kSilentSeconds = 60;   // NOLINT(google-runtime-int)

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The scheme, host and port of an address; throws if there are none.
struct Place {
  std::string scheme, host, port;
  bool operator==(const Place&) const = default;

  bool is_loopback() const {
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
  }
};

Place PlaceOf(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(curl_url(), curl_url_cleanup);
  const auto part = [&](CURLUPart what, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(parts.get(), what, &text, flags) != CURLUE_OK) return std::string();
    std::string copy = text;
    curl_free(text);
    return copy;
  };
  if (parts == nullptr || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(),
                                       CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    throw Failure(kExitUsage, Shown(url) + " is no address");
  }
  return {Lower(part(CURLUPART_SCHEME, 0)), Lower(part(CURLUPART_HOST, 0)),
          part(CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

uint64_t Number(std::string_view text) {
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() ? value : 0;
}

}  // namespace

const std::string& Reply::Header(const std::string& name) const {
  static const std::string none;
  const auto found = headers.find(name);
  return found == headers.end() ? none : found->second;
}

uint64_t Reply::whole() const {
  if (status != 206) return Number(Header("content-length"));
  const std::string& range = Header("content-range");  // bytes 5-9/10
  const size_t slash = range.find('/');
  return slash == std::string::npos ? 0 : Number(std::string_view{range}.substr(slash + 1));
}

uint64_t Reply::first() const {
  const std::string& range = Header("content-range");
  const size_t dash = range.find('-');
  if (!range.starts_with("bytes ") || dash == std::string::npos) return UINT64_MAX;
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(range.data() + 6, range.data() + dash, value);
  return error == std::errc() && stop == range.data() + dash ? value : UINT64_MAX;
}

// The state of libcurl's callbacks. libcurl is C, so exceptions are stored, not thrown through it.
struct Client::Transfer {
  Reply reply;
  const std::function<void(const Reply&)>* begin = nullptr;
  const std::function<void(std::string_view)>* data = nullptr;
  bool begun = false;
  std::exception_ptr thrown;

  void Begin() {
    if (!begun) (*begin)(reply);
    begun = true;
  }

  void Ask(CURL* curl) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    long version = 0;  // NOLINT(google-runtime-int)
    curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, &version);
    reply.framed = version >= CURL_HTTP_VERSION_2_0 || !reply.Header("transfer-encoding").empty();
  }

  static size_t OnHeader(char* text, size_t, size_t size, void* user) {
    auto* transfer = static_cast<Transfer*>(user);
    const std::string_view line(text, size);
    if (line.starts_with("HTTP/")) transfer->reply.headers.clear();
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    if (transfer->reply.headers.size() >= kMaxHeaders) return 0;
    std::string_view value = line.substr(colon + 1);
    const size_t begin = value.find_first_not_of(" \t\r\n");
    value = begin == std::string_view::npos ? "" : value.substr(begin);
    value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
    transfer->reply.headers[Lower(std::string(line.substr(0, colon)))] = value;
    return size;
  }

  static size_t OnData(char* bytes, size_t, size_t size, void* user) {
    auto* transfer = static_cast<Transfer*>(user);
    try {
      ThrowIfInterrupted();
      if (transfer->reply.status == 0) return 0;  // the status is known before the first byte
      if (transfer->reply.status >= 300 && transfer->reply.status < 400) return size;
      transfer->Begin();
      if (transfer->reply.status == 200 || transfer->reply.status == 206) {
        (*transfer->data)(std::string_view(bytes, size));
      }
      return size;
    } catch (...) {
      transfer->thrown = std::current_exception();
      return 0;
    }
  }

  static int OnProgress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return interrupted != 0 ? 1 : 0;
  }
};

Client::Client(Rules rules) : rules_(std::move(rules)), curl_(nullptr, curl_easy_cleanup) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl_.reset(curl_easy_init());
  if (curl_ == nullptr) throw Failure(kExitHere, "libcurl cannot be set up");
}

Client::~Client() = default;

void Client::Check(const std::string& url, const std::string& redirected_from) const {
  const Place place = PlaceOf(url);
  const bool first = redirected_from.empty();
  const std::string who = first ? url : redirected_from + " redirects to " + Shown(url) + ", which";
  if (place.scheme != "http" && place.scheme != "https") {
    throw Failure(first ? kExitUsage : kExitNetwork, who + " is neither https nor http");
  }
  if (!first && place.is_loopback() && !PlaceOf(redirected_from).is_loopback()) {
    throw Failure(kExitNetwork, who + " is this machine");
  }
  if (place.scheme == "http" && !rules_.insecure_http && !place.is_loopback()) {
    throw Failure(first ? kExitUsage : kExitNetwork,
                  who + " is not encrypted: --insecure-http allows that");
  }
}

bool Client::MayHaveToken(const std::string& url) const {
  if (rules_.token.empty()) return false;
  const Place place = PlaceOf(url);
  return place == PlaceOf(rules_.hub) && (place.scheme == "https" || place.is_loopback());
}

// Performs one request, without redirects.
void Client::Perform(const Request& request, Transfer& transfer) {
  CURL* curl = curl_.get();
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT,
                   (std::string("clamma-get/") + clamma_version()).c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  struct Body {
    CURL* curl;
    Transfer* transfer;
  } body = {curl, &transfer};
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* bytes, size_t one, size_t size, void* user) {
        auto* to = static_cast<Body*>(user);
        to->transfer->Ask(to->curl);
        return Transfer::OnData(bytes, one, size, to->transfer);
      });
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);

  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
  const auto add = [&](const std::string& header) {
    curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  if (request.offset > 0) add("Range: bytes=" + std::to_string(request.offset) + "-");
  if (request.offset > 0 && !request.if_range.empty()) add("If-Range: " + request.if_range);
  if (MayHaveToken(request.url)) add("Authorization: Bearer " + rules_.token);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  const CURLcode code = curl_easy_perform(curl);
  transfer.Ask(curl);
  if (transfer.thrown != nullptr) std::rethrow_exception(transfer.thrown);
  ThrowIfInterrupted();
  if (code == CURLE_OK) return;
  const std::string why = error[0] != '\0' ? Shown(error) : curl_easy_strerror(code);
  const std::string host = PlaceOf(request.url).host;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WRITE_ERROR:
      throw Failure(kExitNetwork, host + ": " + why);
    default:
      throw Interruption(host + ": " + why);
  }
}

// The seconds in the last reply's header Retry-After, which may also be a date.
unsigned Client::RetryAfter() const {
  curl_off_t seconds = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_RETRY_AFTER, &seconds);
  return static_cast<unsigned>(std::clamp<curl_off_t>(seconds, 0, 1'000'000));
}

Reply Client::Get(const Request& request, const std::function<void(const Reply&)>& begin,
                  const std::function<void(std::string_view)>& data) {
  Request now = request;
  std::string from;
  for (int redirects = 0;; ++redirects) {
    if (redirects > kMaxRedirects) {
      throw Failure(kExitNetwork, request.url + " is redirected more than " +
                                      std::to_string(kMaxRedirects) + " times");
    }
    Check(now.url, from);
    Transfer transfer;
    transfer.begin = &begin;
    transfer.data = &data;
    transfer.reply.url = now.url;
    Perform(now, transfer);
    const long status = transfer.reply.status;  // NOLINT(google-runtime-int)
    if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
      char* next = nullptr;
      curl_easy_getinfo(curl_.get(), CURLINFO_REDIRECT_URL, &next);
      if (next == nullptr) throw Failure(kExitNetwork, now.url + " redirects to nowhere");
      from = now.url;
      now.url = next;
      continue;
    }
    if (status == 429 || (status >= 500 && status <= 599)) {
      throw Interruption(PlaceOf(now.url).host + " answers " + std::to_string(status),
                         RetryAfter());
    }
    transfer.Begin();
    return transfer.reply;
  }
}

std::string Client::Text(const std::string& url, Reply* reply) {
  std::string text;
  Request request;
  request.url = url;
  Retries retries(rules_.tries, rules_.quiet);
  for (bool whole = false; !whole;) {
    try {
      *reply = Get(
          request, [&](const Reply&) { text.clear(); },
          [&](std::string_view bytes) {
            if (text.size() + bytes.size() > kMaxText) {
              throw Failure(kExitNetwork, url + " is longer than 16 MB");
            }
            text += bytes;
          });
      whole = true;
    } catch (const Interruption& e) {
      retries.Await(e, /*brought_something=*/false, "");
    }
  }
  if (reply->status != 200) ThrowStatus(*reply, url, !rules_.token.empty());
  return text;
}

void ThrowStatus(const Reply& reply, const std::string& what, bool has_token) {
  std::string why = what + ": ";
  if (reply.status == 404 || reply.status == 410) {
    why += "there is no such file (" + std::to_string(reply.status) + ")";
  } else if (reply.status == 401 || reply.status == 403) {
    why += "access is refused (" + std::to_string(reply.status) + "): ";
    why += has_token
               ? "the token HF_TOKEN has no right to it, or the model's terms are not accepted"
               : "there is no such model, or it needs a token in HF_TOKEN, of an account that "
                 "has accepted its terms";
  } else {
    why += "the server answers " + std::to_string(reply.status);
  }
  const std::string& message = reply.Header("x-error-message");
  if (!message.empty()) why += " (" + Shown(message) + ")";
  throw Failure(kExitNetwork, why);
}

}  // namespace get
