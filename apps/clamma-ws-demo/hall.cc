// SPDX-License-Identifier: MIT
#include "hall.h"

#include <algorithm>
#include <utility>

#include "messages.h"

namespace demo {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(30);
constexpr size_t kMostMessages = 32;
// Messages of the page: so many at once, and so many a second in the long run.
constexpr double kMostAllowance = 20;
constexpr double kAllowancePerSecond = 5;

// One that a page can ask for again: see messages.cc.
uint64_t SeedFromClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ticks = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return 1 + static_cast<uint64_t>(ticks) % (uint64_t{1} << 52);
}

}  // namespace

bool Visitor::Allowed() {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - allowance_at_).count();
  allowance_ = std::min(kMostAllowance, allowance_ + seconds * kAllowancePerSecond);
  allowance_at_ = now;
  if (allowance_ < 1) return false;
  allowance_ -= 1;
  return true;
}

void Visitor::Tell(std::string message) {
  if (messages_.size() < kMostMessages) {
    messages_.push_back(std::move(message));
  } else {
    overrun_ = true;
  }
}

bool Visitor::Ask(std::string_view text, Hall& hall) {
  if (!Allowed()) return false;
  Message message;
  message.request = hall.defaults();
  if (const std::string wrong = Parse(text, message); !wrong.empty()) {
    Tell(ErrorMessage(wrong));
  } else if (message.type == Message::Type::kBegin) {
    hall.Begin(*this, std::move(message.request));
  } else {
    hall.Stop(*this);
  }
  return !overrun_;
}

Clock::time_point Visitor::due() const {
  if (!messages_.empty() || (waiting_ && place_ != place_told_)) return Clock::time_point::min();
  if (stories_ == nullptr || !stories_->has_news()) return Clock::time_point::max();
  return stories_->ended() ? Clock::time_point::min() : next_progress_;
}

std::optional<std::string> Visitor::Next(Clock::time_point now) {
  if (due() > now) return std::nullopt;
  if (!messages_.empty()) {
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  if (waiting_ && place_ != place_told_) {
    place_told_ = place_;
    return WaitingMessage(place_);
  }
  const bool last = stories_->ended();  // before fetching: what comes later is not lost
  std::vector<News> news = stories_->Fetch();
  next_progress_ = now + kProgressInterval;
  if (last) {
    stories_.reset();
    idle_since_ = now;
  }
  return ProgressMessage(news);
}

Hall::Hall(Generator& generator, Metrics& metrics, Rules rules, std::function<void()> wake)
    : generator_(generator),
      metrics_(metrics),
      rules_(std::move(rules)),
      wake_(std::move(wake)),
      free_seats_(rules_.seats) {}

std::unique_ptr<Visitor> Hall::Enter() {
  auto visitor = std::make_unique<Visitor>();
  visitor->idle_since_ = visitor->allowance_at_ = Clock::now();
  visitor->allowance_ = kMostAllowance;
  visitor->Tell(HelloMessage(rules_.model, rules_.defaults));
  visitors_.insert(visitor.get());
  Count();
  return visitor;
}

void Hall::Leave(Visitor& visitor) {
  Quit(visitor);
  Abandon(visitor);
  visitors_.erase(&visitor);
  Update();
}

void Hall::Begin(Visitor& visitor, Request request) {
  if (draining_) return visitor.Tell(ErrorMessage("the server is about to end"));
  visitor.request_ = std::move(request);
  if (visitor.waiting_) return;  // it keeps its place
  Abandon(visitor);
  visitor.waiting_ = true;
  visitor.place_told_ = 0;
  queue_.push_back(&visitor);
  Update();
}

void Hall::Stop(Visitor& visitor) {
  if (visitor.waiting_) {
    Quit(visitor);
    visitor.Tell(WaitingMessage(0));
    Update();
  } else if (visitor.seated_ && visitor.stories_ != nullptr) {
    generator_.Stop(visitor.stories_);
  }
}

void Hall::Quit(Visitor& visitor) {
  if (!visitor.waiting_) return;
  queue_.erase(std::find(queue_.begin(), queue_.end(), &visitor));
  visitor.waiting_ = false;
  visitor.idle_since_ = Clock::now();
}

void Hall::Rise(Visitor& visitor) {
  if (!visitor.seated_) return;
  visitor.seated_ = false;
  ++free_seats_;
}

void Hall::Abandon(Visitor& visitor) {
  if (visitor.seated_ && visitor.stories_ != nullptr) generator_.Abandon(visitor.stories_);
  visitor.stories_.reset();
  Rise(visitor);
}

// Whoever had the seat before has left his sessions by now, or does before these are begun.
void Hall::Seat(Visitor& visitor) {
  visitor.waiting_ = false;
  visitor.seated_ = true;
  --free_seats_;
  if (visitor.request_.seed == 0) visitor.request_.seed = SeedFromClock();
  visitor.Tell(BeginMessage(visitor.request_));
  visitor.stories_ = std::make_shared<Stories>(visitor.request_, rules_.buffer, wake_);
  generator_.Begin(visitor.stories_);
}

void Hall::Update() {
  for (Visitor* visitor : visitors_) {
    // It may have fetched the end before we came to see it.
    if (visitor->stories_ == nullptr || visitor->stories_->ended()) Rise(*visitor);
  }
  while (free_seats_ > 0 && !queue_.empty()) {
    Visitor* first = queue_.front();
    queue_.pop_front();
    Seat(*first);
  }
  size_t place = 0;
  for (Visitor* visitor : queue_) visitor->place_ = ++place;
  Count();
}

void Hall::Drain(unsigned seconds) {
  draining_ = true;
  while (!queue_.empty()) Quit(*queue_.front());
  for (Visitor* visitor : visitors_) visitor->Tell(DrainMessage(seconds));
  Count();
}

void Hall::StopAll() {
  for (Visitor* visitor : visitors_) Stop(*visitor);
}

void Hall::Count() { metrics_.SetVisitors(visitors_.size(), queue_.size()); }

}  // namespace demo
