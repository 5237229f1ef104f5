// SPDX-License-Identifier: MIT
// What the machine can do at this moment, with all threads: the limits that a model is held
// against.
#ifndef CLAMMA_BENCH_PROBE_H_
#define CLAMMA_BENCH_PROBE_H_

#include <sys/types.h>

namespace bench {

enum class Limit { kRead, kInt8, kFloat };

// A process of its own, so that the memory that it reads is not counted as ours, and is there all
// the time. It ends with us.
class Probe {
 public:
  Probe() = default;
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Must come before anything that starts threads. Returns false, with the reason in errno, if
  // there can be no process.
  bool Start();

  // Bytes or operations a second with so many threads, the best of a few short trials; 0 if it
  // failed. The first call for kRead takes a while: it needs memory far larger than the caches.
  double Measure(Limit limit, unsigned threads);

 private:
  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_PROBE_H_
