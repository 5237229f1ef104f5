// SPDX-License-Identifier: MIT
#include "connection.h"

#include <algorithm>
#include <utility>

#include "request_id.h"

namespace server {
namespace {

using std::chrono::seconds;

constexpr seconds kKeepAlive{75};     // for the next request
constexpr seconds kHeadTime{10};      // for a head, from its first byte
constexpr seconds kBodyPause{30};     // between the bytes of a body
constexpr seconds kBodyTime{300};     // for a request altogether
constexpr seconds kStall{120};        // in which a client fetches less than kProgress of what waits
constexpr seconds kCommentPause{10};  // of silence in a stream, before a comment
constexpr seconds kLinger{2};
constexpr size_t kProgress = 16384;
constexpr size_t kHighWater = 65536;  // bytes in output_ before more are taken
constexpr size_t kMaxEarly = 65536;
constexpr std::string_view kComment = ": waiting\n\n";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr unsigned kRetrySeconds = 5;

Reply Loading() {
  return LaterReply(503, "server_error", "the models are being loaded", 1, "loading");
}

Reply Draining() {
  return LaterReply(503, "server_error", "the server is shutting down", kRetrySeconds,
                    "shutting_down");
}

Reply NoMemory() {
  return LaterReply(503, "server_error", "the server is short of memory", kRetrySeconds,
                    "out_of_memory");
}

Reply Text(std::string text) {
  Reply reply;
  reply.body = std::move(text);
  return reply;
}

}  // namespace

Connection::Connection(Site& site, uint64_t id, web::LocalAddress local)
    : site_(site),
      id_(id),
      local_(std::move(local)),
      parser_(site.limits),
      idle_since_(Clock::now()) {
  site_.metrics.ConnectionOpens();
}

Connection::~Connection() {
  site_.metrics.ConnectionCloses();
  site_.bodies -= counted_body_;
  site_.outputs -= counted_output_;
  if (phase_ != Phase::kAnswering) return;
  exchange_.entry.left = true;
  exchange_.answer->Abandon();
  if (exchange_.ticket != nullptr) exchange_.ticket->Cancel();
  try {
    site_.left.emplace(id_, std::move(exchange_));
    site_.ready->Add(id_);  // it may have ended already
  } catch (const std::bad_alloc&) {
    return;  // it is not logged
  }
}

bool Connection::idle() const {
  return phase_ == Phase::kReading && !parser_.has_begun() && output().empty();
}

// --- Requests ---

void Connection::OnBytes(std::string_view bytes) {
  if (phase_ == Phase::kReading) return Feed(bytes);
  if (phase_ == Phase::kLingering || closes_) return;
  if (early_.size() + bytes.size() > kMaxEarly) {
    closes_ = true;  // the next requests go unanswered
    early_ = {};
    return;
  }
  early_ += bytes;
}

void Connection::Feed(std::string_view bytes) {
  last_bytes_ = Clock::now();
  const bool had_begun = parser_.has_begun();
  if (!had_begun) head_begin_ = last_bytes_;
  while (phase_ == Phase::kReading) {
    bytes.remove_prefix(parser_.Take(bytes));
    CountBody();
    switch (parser_.state()) {
      case HttpParser::State::kHeadDone:
        OnHead();
        if (phase_ == Phase::kReading) parser_.ReadBody();
        break;
      case HttpParser::State::kDone:
        OnRequest();
        break;
      case HttpParser::State::kFailed:
        BeginExchange("other");
        Respond(ParserReply(parser_.status(), parser_.reason()), true);
        break;
      default:
        if (site_.bodies > site_.max_bodies && parser_.state() == HttpParser::State::kBody) {
          Respond(NoMemory(), true);
        } else if (bytes.empty()) {
          return;
        }
    }
  }
  if (bytes.size() > kMaxEarly) closes_ = true;
  if (!closes_) early_ = bytes;
}

void Connection::CountBody() {
  const size_t size = parser_.request().body.size();
  site_.bodies += size - counted_body_;
  counted_body_ = size;
}

void Connection::CountOutput() {
  site_.outputs += output_.size() - counted_output_;
  counted_output_ = output_.size();
}

void Connection::BeginExchange(const char* route) {
  const HttpRequest& request = parser_.request();
  exchange_ = {};
  exchange_.begin = head_begin_;
  exchange_.entry.id = RequestIdOf(request.Find("x-request-id"));
  exchange_.entry.method = request.method;
  exchange_.entry.route = route;
}

void Connection::OnHead() {
  const HttpRequest& request = parser_.request();
  route_ = FindRoute(request.path);
  keep_alive_ = request.keep_alive;
  BeginExchange(route_.name);
  std::optional<Reply> refusal = site_.access.Check(request, route_, local_, &exchange_.key);
  if (exchange_.key != nullptr) exchange_.entry.key = exchange_.key->number();
  if (refusal) return Respond(std::move(*refusal), request.has_body);
  if (request.expects_continue) {
    if (output().empty()) last_sent_ = Clock::now();
    output_ += kContinue;
  }
}

void Connection::OnRequest() {
  if (route_.place != Place::kService) return Respond(AnswerHere(), false);
  if (site_.service == nullptr) return Respond(Loading(), false);
  if (site_.draining) return Respond(Draining(), true);
  AskService();
}

Reply Connection::AnswerHere() {
  if (route_.place == Place::kMetrics) {
    Reply reply;
    reply.type = "text/plain; version=0.0.4; charset=utf-8";
    if (site_.service == nullptr) {
      reply.body = site_.metrics.Text(nullptr, site_.bodies);
    } else {
      const openai::Service::Counts counts = site_.service->counts();
      reply.body = site_.metrics.Text(&counts, site_.bodies);
    }
    return reply;
  }
  if (route_.place == Place::kPage) {
    Reply reply;
    reply.type = web::ContentType(route_.file->name);
    reply.body.assign(route_.file->bytes.begin(), route_.file->bytes.end());
    return reply.With("cache-control", "no-cache");
  }
  if (site_.draining) return Draining();
  if (site_.service == nullptr) return Loading();
  return Text(R"({"status":"ok"})");
}

void Connection::AskService() {
  HttpRequest& request = parser_.request();
  openai::Request asked;
  asked.endpoint = route_.endpoint;
  asked.model = route_.model;
  if (route_.takes_body) asked.body = std::move(request.body);
  asked.salt = exchange_.key == nullptr ? 0 : exchange_.key->salt();
  if (site_.log.with_contents()) exchange_.entry.request = asked.body;
  site_.bodies -= std::exchange(counted_body_, 0);
  request.body = {};
  exchange_.answer = std::make_shared<PendingAnswer>(site_.ready, id_);
  has_head_ = false;
  phase_ = Phase::kAnswering;
  exchange_.ticket = site_.service->Submit(std::move(asked), exchange_.answer);
}

// --- Answers ---

void Connection::OnNews() {
  Pump();
  if (phase_ == Phase::kSending && output().empty()) Continue();
}

void Connection::Pump() {
  if (phase_ != Phase::kAnswering || output().size() >= kHighWater) return;
  PendingAnswer::News news = exchange_.answer->Take(kHighWater - output().size());
  if (site_.log.with_contents()) exchange_.entry.answer += news.bytes;
  if (!news.has_begun) return;
  if (news.streams) return PumpStream(news);
  if (!news.has_ended) return;
  if (is_cancelled_) return Respond(Draining(), true);
  if (news.has_overrun) return Respond(NoMemory(), false);
  if (site_.outputs > 0 && site_.outputs + news.bytes.size() > site_.max_outputs) {
    return Respond(NoMemory(), false);
  }
  Reply reply;
  reply.status = news.status;
  reply.headers = std::move(news.headers);
  reply.body = std::move(news.bytes);
  exchange_.entry.has_usage = true;
  exchange_.entry.usage = news.usage;
  Respond(std::move(reply), false);
}

void Connection::PumpStream(PendingAnswer::News& news) {
  const Clock::time_point now = Clock::now();
  if (!has_head_) {
    has_head_ = true;
    last_event_ = now;
    Reply reply;
    reply.status = exchange_.entry.status = news.status;
    reply.type = "text/event-stream; charset=utf-8";
    reply.headers = std::move(news.headers);
    reply.With("cache-control", "no-cache, no-store").With("x-accel-buffering", "no");
    reply.With("x-request-id", exchange_.entry.id);
    for (const Header& header : site_.access.CorsHeaders(parser_.request())) {
      reply.headers.push_back(header);
    }
    is_chunked_ = !parser_.request().is_http10;
    keep_alive_ = keep_alive_ && is_chunked_;
    if (output().empty()) last_sent_ = now;
    output_ += HeadOf(reply, is_chunked_ ? Framing::kChunks : Framing::kClose, keep_alive_);
  }
  if (!news.bytes.empty()) Append(news.bytes);
  if (!news.has_ended) return;
  if (news.has_overrun) {  // the client learns it if it reads on
    site_.metrics.AddSlowReader();
    AppendError(
        ErrorReply(503, "server_error", "the answer was not fetched in time", "slow_reader"));
  } else if (is_cancelled_) {
    AppendError(Draining());
  }
  if (is_chunked_) output_ += kLastChunk;
  Finish(news.usage);
}

void Connection::Append(std::string_view bytes) {
  last_event_ = Clock::now();
  if (output().empty()) last_sent_ = last_event_;
  if (is_chunked_) {
    output_ += ChunkOf(bytes);
  } else {
    output_ += bytes;
  }
}

void Connection::AppendError(const Reply& error) {
  Append("data: " + error.body + "\n\n");
  closes_ = true;
}

void Connection::Respond(Reply reply, bool close) {
  closes_ = closes_ || close || site_.draining;
  keep_alive_ = keep_alive_ && !closes_;
  reply.With("x-request-id", exchange_.entry.id);
  for (const Header& header : site_.access.CorsHeaders(parser_.request())) {
    reply.headers.push_back(header);
  }
  if (output().empty()) last_sent_ = Clock::now();
  output_ += HeadOf(reply, Framing::kLength, keep_alive_);
  if (exchange_.entry.method != "HEAD") output_ += reply.body;
  CountOutput();
  exchange_.entry.status = reply.status;
  Finish(exchange_.entry.usage);
}

void Connection::Finish(const openai::Usage& usage) {
  site_.Finish(exchange_, usage);
  phase_ = Phase::kSending;
  exchange_.answer = nullptr;
  exchange_.ticket = nullptr;
}

void Connection::Sent(size_t bytes) {
  sent_ += bytes;
  progress_ += bytes;
  if (sent_ == output_.size() || progress_ >= kProgress) {
    last_sent_ = Clock::now();
    progress_ = 0;
  }
  if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
    if (output_.capacity() > 2 * kHighWater) output_ = {};
  } else if (sent_ > kHighWater && sent_ >= output_.size() / 2) {  // so that bytes move seldom
    output_.erase(0, sent_);
    sent_ = 0;
  }
  CountOutput();
  if (phase_ == Phase::kAnswering) Pump();
  if (phase_ == Phase::kSending && output().empty()) Continue();
}

void Connection::Continue() {
  has_served_ = true;
  site_.bodies -= std::exchange(counted_body_, 0);
  if (!keep_alive_ || closes_) {
    phase_ = Phase::kLingering;
    parser_.Reset();
    return;
  }
  parser_.Reset();
  phase_ = Phase::kReading;
  idle_since_ = Clock::now();
  if (site_.draining) {
    phase_ = Phase::kLingering;
    return;
  }
  const std::string early = std::exchange(early_, {});
  if (!early.empty()) Feed(early);
}

// --- Time ---

Clock::time_point Connection::ReadingDue() const {
  if (!parser_.has_begun()) return idle_since_ + kKeepAlive;
  if (parser_.state() == HttpParser::State::kHead) return head_begin_ + kHeadTime;
  return std::min(last_bytes_ + kBodyPause, head_begin_ + kBodyTime);
}

Clock::time_point Connection::due() const {
  if (!output().empty()) {
    const bool reads = phase_ == Phase::kReading;
    return reads ? std::min(last_sent_ + kStall, ReadingDue()) : last_sent_ + kStall;
  }
  switch (phase_) {
    case Phase::kReading:
      return ReadingDue();
    case Phase::kAnswering:
      return has_head_ ? last_event_ + kCommentPause : Clock::time_point::max();
    case Phase::kLingering:
      return std::max(last_sent_, idle_since_) + kLinger;
    default:
      return Clock::time_point::max();
  }
}

void Connection::OnTimer() {
  if (Clock::now() < due()) return;
  if (!output().empty() && phase_ != Phase::kReading) {
    is_stalled_ = true;
    return;
  }
  if (phase_ == Phase::kAnswering) {
    Append(kComment);
  } else if (phase_ == Phase::kReading && parser_.has_begun()) {
    if (parser_.state() == HttpParser::State::kHead) BeginExchange("other");
    Respond(ErrorReply(408, "invalid_request_error", "the request did not arrive in time"), true);
  } else {
    phase_ = Phase::kClosed;
  }
}

void Connection::OnDrain() {
  if (has_served_ && idle()) phase_ = Phase::kLingering;
}

void Connection::Cancel() {
  if (phase_ != Phase::kAnswering) return;
  is_cancelled_ = true;
  if (exchange_.ticket != nullptr) exchange_.ticket->Cancel();
}

}  // namespace server
