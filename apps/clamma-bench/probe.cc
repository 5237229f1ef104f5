// SPDX-License-Identifier: MIT
#include "probe.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

#include "compute_peak.h"
#include "machine.h"
#include "read_stream.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTrials = 3;
constexpr std::chrono::milliseconds kTrialTime(50);
constexpr uint64_t kLoops = 4096;               // some microseconds of a PeakKernel
constexpr size_t kStretch = size_t{256} << 10;  // bytes read between two looks at the clock

// Runs work(thread), which returns the work done, repeatedly on all threads until the trial's time
// is up. Returns the total work per second; each thread uses its own clock, so that none waits for
// one that starts late. Ends the process if threads cannot be started.
double Rate(unsigned threads, const std::function<double(unsigned)>& work) {
  std::vector<double> rates(threads, 0.0);
  std::atomic<unsigned> ready{0};
  const auto run = [&](unsigned thread) {
    ready.fetch_add(1);
    while (ready.load() < threads) std::this_thread::yield();
    const Clock::time_point start = Clock::now();
    double done = 0;
    Clock::duration time{};
    while (time < kTrialTime) {
      done += work(thread);
      time = Clock::now() - start;
    }
    rates[thread] = done / std::chrono::duration<double>(time).count();
  };
  std::vector<std::thread> others;
  try {
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(run, i);
  } catch (const std::system_error&) {  // the other threads would wait for ever
    _exit(1);
  }
  run(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

double BestRate(unsigned threads, const std::function<double(unsigned)>& work) {
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) best = std::max(best, Rate(threads, work));
  return best;
}

double PeakRate(const PeakKernel& kernel, unsigned threads) {
  return BestRate(threads, [&](unsigned) {
    kernel.run(kLoops);
    return kernel.ops_per_loop * static_cast<double>(kLoops);
  });
}

// Four times the largest cache, but not so much that the model's pages would be evicted.
size_t BufferBytes() {
  const uint64_t wanted =
      std::clamp<uint64_t>(4 * LargestCacheBytes(), uint64_t{256} << 20, uint64_t{2} << 30);
  return static_cast<size_t>(std::min(wanted, AvailableMemoryBytes() / 8)) / kStretch * kStretch;
}

// The faster of two ways to read. Each thread reads its own part in a cycle, and continues where it
// stopped the last time.
double ReadRate(unsigned threads) {
  static const size_t bytes = BufferBytes();
  static const uint8_t* const buffer = MakeReadBuffer(bytes);
  static std::vector<size_t> positions;
  if (buffer == nullptr || bytes / kStretch < threads) return 0;
  positions.resize(threads);
  const size_t part = bytes / kStretch / threads * kStretch;
  const auto rate = [&](void (*read)(const uint8_t* data, size_t bytes)) {
    return BestRate(threads, [&](unsigned thread) {
      size_t& position = positions[thread];
      if (position + kStretch > part) position = 0;
      read(buffer + thread * part + position, kStretch);
      position += kStretch;
      return static_cast<double>(kStretch);
    });
  };
  return std::max(rate(ReadStream), rate(ReadSideBySide));
}

struct Request {
  Limit limit;
  unsigned threads;
};

double Answer(const Request& request) {
  switch (request.limit) {
    case Limit::kRead:
      return ReadRate(request.threads);
    case Limit::kInt8:
      return PeakRate(Int8PeakKernel(), request.threads);
    case Limit::kFloat:
      return PeakRate(FloatPeakKernel(), request.threads);
  }
  return 0;
}

[[noreturn]] void Serve(int socket) {
  Request request = {};
  while (recv(socket, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
    const double rate = Answer(request);
    if (send(socket, &rate, sizeof(rate), 0) != sizeof(rate)) break;
  }
  _exit(0);
}

}  // namespace

bool Probe::Start() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return false;
  child_ = fork();
  if (child_ == 0) {
    close(sockets[0]);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, SIG_DFL);
    Serve(sockets[1]);
  }
  close(sockets[1]);
  socket_ = sockets[0];
  return child_ > 0;
}

Probe::~Probe() {
  if (socket_ >= 0) close(socket_);
  if (child_ > 0) waitpid(child_, nullptr, 0);
}

double Probe::Measure(Limit limit, unsigned threads) {
  const Request request = {limit, threads};
  double rate = 0;
  if (send(socket_, &request, sizeof(request), 0) != sizeof(request) ||
      recv(socket_, &rate, sizeof(rate), MSG_WAITALL) != sizeof(rate)) {
    return 0;
  }
  return rate;
}

}  // namespace bench
