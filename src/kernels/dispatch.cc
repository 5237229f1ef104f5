// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <cstring>

#include "kernels/kernels.h"

namespace clamma {
namespace {

#if defined(__x86_64__)
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && HasAvx2();
}
#endif

}  // namespace

void UsableKernels(const Kernels* (&tables)[kMostTables]) {
  for (const Kernels*& table : tables) table = nullptr;
  size_t n = 0;
#if defined(__x86_64__)
  if (HasAvx512()) tables[n++] = &kAvx512Kernels;
  if (HasAvx2()) tables[n++] = &kAvx2Kernels;
#endif
  tables[n] = &kScalarKernels;
}

const Kernels& SelectKernels() {
  const Kernels* tables[kMostTables];
  UsableKernels(tables);
  if (const char* wanted = std::getenv("CLAMMA_CPU"); wanted != nullptr) {
    for (const Kernels* table : tables) {
      if (table != nullptr && std::strcmp(table->name, wanted) == 0) return *table;
    }
  }
  return *tables[0];
}

}  // namespace clamma
