// SPDX-License-Identifier: MIT
#include "admission_queue.h"

#include <algorithm>
#include <new>
#include <utility>

#include "messages.h"

namespace demo {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(30);
constexpr size_t kMaxMessagesToSend = 32;
// The messages of the page that are allowed at once, and per second in the long run.
constexpr double kMaxAllowance = 20;
constexpr double kAllowancePerSecond = 5;

// A seed that a page can send back, and that users can read and type.
uint64_t SeedFromClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ticks = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return 1 + static_cast<uint64_t>(ticks) % 4'000'000'000;
}

}  // namespace

bool Visitor::TakeAllowance() {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - allowance_at_).count();
  allowance_ = std::min(kMaxAllowance, allowance_ + seconds * kAllowancePerSecond);
  allowance_at_ = now;
  if (allowance_ < 1) return false;
  allowance_ -= 1;
  return true;
}

void Visitor::Send(std::string message) {
  if (messages_.size() < kMaxMessagesToSend) {
    messages_.push_back(std::move(message));
  } else {
    overrun_ = true;
  }
}

bool Visitor::Handle(std::string_view text, AdmissionQueue& queue) {
  if (!TakeAllowance()) return false;
  Message message;
  message.request = queue.defaults();
  if (const std::string wrong = Parse(text, message); !wrong.empty()) {
    Send(ErrorMessage(wrong));
  } else if (message.type == Message::Type::kBegin) {
    queue.Begin(*this, std::move(message.request));
  } else {
    queue.Stop(*this);
  }
  return !overrun_;
}

Clock::time_point Visitor::due() const {
  if (!messages_.empty() || (waiting_ && place_ != place_sent_)) return Clock::time_point::min();
  if (generation_ == nullptr || !generation_->has_updates()) return Clock::time_point::max();
  return generation_->ended() ? Clock::time_point::min() : next_progress_;
}

std::optional<std::string> Visitor::Next(Clock::time_point now) {
  if (due() > now) return std::nullopt;
  if (!messages_.empty()) {
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  if (waiting_ && place_ != place_sent_) {
    place_sent_ = place_;
    return WaitingMessage(place_);
  }
  const bool last = generation_->ended();  // read before fetching, so that no later text is lost
  std::vector<StreamUpdate> updates = generation_->Fetch();
  next_progress_ = now + kProgressInterval;
  if (last) {
    generation_.reset();
    idle_since_ = now;
  }
  return ProgressMessage(updates);
}

AdmissionQueue::AdmissionQueue(Generator& generator, Metrics& metrics, Rules rules,
                               std::function<void()> wake)
    : generator_(generator),
      metrics_(metrics),
      rules_(std::move(rules)),
      wake_(std::move(wake)),
      free_seats_(rules_.seats) {}

std::unique_ptr<Visitor> AdmissionQueue::Enter() {
  auto visitor = std::make_unique<Visitor>();
  visitor->idle_since_ = visitor->allowance_at_ = Clock::now();
  visitor->allowance_ = kMaxAllowance;
  visitor->Send(HelloMessage(rules_.model, rules_.defaults, rules_.thinks));
  visitors_.insert(visitor.get());
  Count();
  return visitor;
}

void AdmissionQueue::Leave(Visitor& visitor) noexcept {
  Dequeue(visitor);
  Abandon(visitor);
  visitors_.erase(&visitor);
  Admit();
}

void AdmissionQueue::Begin(Visitor& visitor, Request request) {
  if (draining_) return visitor.Send(ErrorMessage("the server is about to end"));
  if (!visitor.waiting_) {  // a waiting visitor keeps its place
    queue_.push_back(&visitor);
    Abandon(visitor);
    visitor.waiting_ = true;
    visitor.place_sent_ = 0;
  }
  visitor.request_ = std::move(request);
  Admit();
}

void AdmissionQueue::Stop(Visitor& visitor) {
  if (visitor.waiting_) {
    Dequeue(visitor);
    visitor.Send(WaitingMessage(0));
    Admit();
  } else if (visitor.seated_ && visitor.generation_ != nullptr) {
    generator_.Stop(*visitor.generation_);
  }
}

void AdmissionQueue::Dequeue(Visitor& visitor) noexcept {
  if (!visitor.waiting_) return;
  queue_.erase(std::find(queue_.begin(), queue_.end(), &visitor));
  visitor.waiting_ = false;
  visitor.idle_since_ = Clock::now();
}

void AdmissionQueue::Release(Visitor& visitor) noexcept {
  if (!visitor.seated_) return;
  visitor.seated_ = false;
  ++free_seats_;
}

void AdmissionQueue::Abandon(Visitor& visitor) noexcept {
  if (visitor.seated_ && visitor.generation_ != nullptr) generator_.Abandon(*visitor.generation_);
  visitor.generation_.reset();
  Release(visitor);
}

// The sessions of the seat's previous visitor are destroyed before those of this one begin.
void AdmissionQueue::Seat(Visitor& visitor) {
  if (visitor.request_.seed == 0) visitor.request_.seed = SeedFromClock();
  std::string message = BeginMessage(visitor.request_);
  auto generation = std::make_shared<Generation>(visitor.request_, rules_.buffer, wake_);
  generator_.Begin(generation);
  try {
    visitor.Send(std::move(message));
  } catch (const std::bad_alloc&) {
    generator_.Abandon(*generation);
    throw;
  }
  visitor.generation_ = std::move(generation);
  visitor.waiting_ = false;
  visitor.seated_ = true;
  --free_seats_;
}

void AdmissionQueue::Admit() noexcept {
  for (Visitor* visitor : visitors_) {
    // The visitor may have fetched the end already.
    if (visitor->generation_ == nullptr || visitor->generation_->ended()) Release(*visitor);
  }
  try {
    while (free_seats_ > 0 && !queue_.empty()) {
      Seat(*queue_.front());
      queue_.pop_front();
    }
  } catch (const std::bad_alloc&) {  // see starved()
  }
  size_t place = 0;
  for (Visitor* visitor : queue_) visitor->place_ = ++place;
  Count();
}

void AdmissionQueue::Drain(unsigned seconds) noexcept {
  draining_ = true;
  while (!queue_.empty()) Dequeue(*queue_.front());
  Count();
  try {
    for (Visitor* visitor : visitors_) visitor->Send(DrainMessage(seconds));
  } catch (const std::bad_alloc&) {  // visitors then only see that the connection closes
  }
}

void AdmissionQueue::StopAll() noexcept {
  for (Visitor* visitor : visitors_) {
    if (visitor->generation_ != nullptr) generator_.Stop(*visitor->generation_);
  }
}

void AdmissionQueue::Count() noexcept { metrics_.SetVisitors(visitors_.size(), queue_.size()); }

}  // namespace demo
