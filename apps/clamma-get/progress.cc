// SPDX-License-Identifier: MIT
#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "models.h"

namespace get {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBetweenBars(200);
constexpr seconds kBetweenLines(10);
constexpr seconds kBetweenRates(1);

size_t Columns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool IsTerminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

std::string Time(double left) {
  const auto s =
      static_cast<unsigned long long>(std::min(left, 1e9));  // NOLINT(google-runtime-int)
  char text[48];
  if (s < 3600) {
    std::snprintf(text, sizeof(text), "%llu:%02llu", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof(text), "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
  }
  return text;
}

}  // namespace

Progress::Progress(std::string what, uint64_t total, uint64_t done, bool quiet)
    : what_(std::move(what)),
      total_(total),
      quiet_(quiet),
      terminal_(IsTerminal()),
      last_done_(done),
      last_(Clock::now()),
      shown_(last_),
      newest_(done) {}

std::string Progress::Figures(uint64_t done) const {
  std::string text = models::ReadableSize(done);
  if (total_ > 0) text += " of " + models::ReadableSize(total_);
  if (rate_ <= 0) return text;
  text += ", " + models::ReadableSize(static_cast<uint64_t>(rate_)) + "/s";
  if (total_ > done) text += ", " + Time(static_cast<double>(total_ - done) / rate_) + " left";
  return text;
}

void Progress::Draw(uint64_t done) {
  std::string line = Figures(done);
  const size_t columns = Columns();
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 0;
  if (total_ > 0 && columns > line.size() + 20) {
    const size_t width = std::min<size_t>(columns - line.size() - 10, 40);
    const auto full = static_cast<size_t>(std::min(share, 1.0) * static_cast<double>(width));
    char percent[16];
    std::snprintf(percent, sizeof(percent), "%3.0f%% ", share * 100);
    line = percent + ("[" + std::string(full, '=') + std::string(width - full, ' ') + "] ") + line;
  }
  line.resize(std::min(line.size(), columns - 1));
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  drawn_ = true;
}

void Progress::Show(uint64_t done) {
  newest_ = done;
  if (quiet_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ >= kBetweenRates) {
    const double rate = static_cast<double>(done - std::min(done, last_done_)) /
                        duration<double>(now - last_).count();
    rate_ = rate_ > 0 ? 0.7 * rate_ + 0.3 * rate : rate;
    last_ = now;
    last_done_ = done;
  }
  if (terminal_ && (now - shown_ >= kBetweenBars || !drawn_)) {
    Draw(done);
    shown_ = now;
  } else if (!terminal_ && now - shown_ >= kBetweenLines) {
    std::fprintf(stderr, "%s: %s\n", what_.c_str(), Figures(done).c_str());
    shown_ = now;
  }
}

void Progress::End() {
  if (!drawn_) return;
  Draw(newest_);
  std::fputc('\n', stderr);
  drawn_ = false;
}

}  // namespace get
