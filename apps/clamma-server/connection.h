// SPDX-License-Identifier: MIT
// A connection: bytes in, bytes out, one request after the other. Independent of sockets; used on
// the loop's thread only.
#ifndef CLAMMA_SERVER_CONNECTION_H_
#define CLAMMA_SERVER_CONNECTION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http_parser.h"
#include "http_reply.h"
#include "site.h"

namespace server {

class Connection {
 public:
  // `site` must outlive the connection. `id` is never used again.
  Connection(Site& site, uint64_t id, web::LocalAddress local);
  ~Connection();  // cancels what runs for it
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void OnBytes(std::string_view bytes);
  void OnNews();   // the answer has something new
  void OnTimer();  // due() has come
  void OnDrain();  // the server ends soon; who has asked nothing yet gets an answer that says so
  void Cancel();   // ends a running answer, which says so

  // The bytes to send. After some of them were sent, Sent() makes room for more.
  std::string_view output() const { return std::string_view(output_).substr(sent_); }
  void Sent(size_t bytes);

  // When OnTimer() is to be called.
  Clock::time_point due() const;

  bool must_close() const { return phase_ == Phase::kClosed || is_stalled_; }
  // Everything has been sent, and nothing more will be: the sending side can be shut.
  bool must_shut() const { return phase_ == Phase::kLingering; }
  uint64_t id() const { return id_; }
  // Nothing is to be sent or answered.
  bool idle() const;

 private:
  enum class Phase : uint8_t {
    kReading,    // a request
    kAnswering,  // the service answers
    kSending,    // the rest of an answer
    kLingering,  // what still comes is dropped, so that the client can read the answer
    kClosed
  };

  void Feed(std::string_view bytes);
  void CountBody();
  void CountOutput();
  void BeginExchange(const char* route);
  void OnHead();
  void OnRequest();
  Reply AnswerHere();  // of what needs no service
  void AskService();

  void Pump();  // moves the answer's news to output_
  void PumpStream(PendingAnswer::News& news);
  void Append(std::string_view bytes);  // of a stream
  void AppendError(const Reply& error);
  void Respond(Reply reply, bool close);
  void Finish(const openai::Usage& usage);
  void Continue();  // after an answer has been sent
  Clock::time_point ReadingDue() const;

  Site& site_;
  const uint64_t id_;
  const web::LocalAddress local_;
  Phase phase_ = Phase::kReading;

  HttpParser parser_;
  Route route_;
  Exchange exchange_;
  std::string early_;        // what came before the last request was answered
  size_t counted_body_ = 0;  // bytes in site_.bodies

  bool keep_alive_ = true;
  bool closes_ = false;  // after this answer, whatever the client wants
  bool is_chunked_ = false;
  bool has_head_ = false;    // of a stream
  bool has_served_ = false;  // a request
  bool is_cancelled_ = false;
  bool is_stalled_ = false;  // the client fetches nothing
  std::string output_;
  size_t sent_ = 0;            // of output_
  size_t progress_ = 0;        // bytes sent since last_sent_
  size_t counted_output_ = 0;  // bytes in site_.outputs

  Clock::time_point idle_since_;
  Clock::time_point head_begin_;
  Clock::time_point last_bytes_;
  Clock::time_point last_sent_;   // or since when there is something to send; counts as sent what
                                  // makes a difference, so that nobody stays by a byte a minute
  Clock::time_point last_event_;  // of a stream
};

}  // namespace server

#endif  // CLAMMA_SERVER_CONNECTION_H_
