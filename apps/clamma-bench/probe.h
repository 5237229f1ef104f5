// SPDX-License-Identifier: MIT
// Measures the limits of the machine at this moment, with all threads, with which a model is
// compared.
#ifndef CLAMMA_BENCH_PROBE_H_
#define CLAMMA_BENCH_PROBE_H_

#include <sys/types.h>

namespace bench {

enum class Limit { kRead, kInt8, kFloat };

// A separate process, so that the memory that it reads is not counted for this process, and stays
// allocated. It ends with this process.
class Probe {
 public:
  Probe() = default;
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Call it before anything that starts threads. Returns false, with the reason in errno, if the
  // process cannot be started.
  bool Start();

  // Measures bytes or operations per second with `threads` threads: the best of a few short trials;
  // 0 on failure. The first call for kRead takes a while: it needs memory far larger than the
  // caches.
  double Measure(Limit limit, unsigned threads);

 private:
  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_PROBE_H_
