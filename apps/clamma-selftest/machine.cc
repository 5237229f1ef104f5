// SPDX-License-Identifier: MIT
#include "machine.h"

#include <sys/utsname.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <utility>

#include "platform/cores.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace selftest {
namespace {

using Features = std::vector<std::pair<std::string, bool>>;

#if defined(__x86_64__)
Features FindFeatures() {
  Features features = {{"avx2", static_cast<bool>(__builtin_cpu_supports("avx2"))},
                       {"fma", static_cast<bool>(__builtin_cpu_supports("fma"))},
                       {"avx512f", static_cast<bool>(__builtin_cpu_supports("avx512f"))},
                       {"avx512bw", static_cast<bool>(__builtin_cpu_supports("avx512bw"))},
                       {"avx512dq", static_cast<bool>(__builtin_cpu_supports("avx512dq"))},
                       {"avx512vl", static_cast<bool>(__builtin_cpu_supports("avx512vl"))},
                       {"avx512vnni", static_cast<bool>(__builtin_cpu_supports("avx512vnni"))}};
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool has_1 = __get_cpuid(1, &a, &b, &c, &d) != 0;
  features.insert(features.begin() + 2, {"f16c", has_1 && (c >> 29 & 1) != 0});
  const bool has_7_1 = __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0;
  features.emplace_back("avx-vnni", has_7_1 && (a >> 4 & 1) != 0);
  const bool has_7 = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0;
  features.emplace_back("amx-tile", has_7 && (d >> 24 & 1) != 0);
  features.emplace_back("amx-int8", has_7 && (d >> 25 & 1) != 0);
  return features;
}
#elif defined(__aarch64__) && defined(__linux__)
Features FindFeatures() {
  const auto has = getauxval(AT_HWCAP);
  const auto has_2 = getauxval(AT_HWCAP2);
  // asm/hwcap.h of Linux
  return {{"asimd", (has >> 1 & 1) != 0},
          {"asimddp", (has >> 20 & 1) != 0},
          {"sve", (has >> 22 & 1) != 0},
          {"i8mm", (has_2 >> 13 & 1) != 0}};
}
#else
Features FindFeatures() { return {}; }
#endif

std::string Compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "an unknown compiler";
#endif
}

}  // namespace

std::string DescribeSystem() {
  utsname system = {};
  const bool known = uname(&system) >= 0;
  const std::string name =
      known ? std::string(system.sysname) + " " + system.release + ", " + system.machine
            : "an unknown system";
  return name + (std::endian::native == std::endian::big ? ", big-endian, " : ", little-endian, ") +
         std::to_string(8 * sizeof(void*)) + " bits, " + Compiler();
}

std::string DescribeCpu() {
  std::string name;
  for (const char* key : {"model name", "cpu model", "uarch", "Processor", "vendor_id"}) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; name.empty() && std::getline(file, line);) {
      const size_t colon = line.find(": ");
      if (line.starts_with(key) && colon != std::string::npos) name = line.substr(colon + 2);
    }
  }
  // Remove terminal control characters.
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
  const clamma::Cores cores = clamma::FindCores();
  std::string text = name.empty() ? "unknown name" : name;
  text += ", " + std::to_string(cores.usable) + (cores.usable == 1 ? " core" : " cores");
  if (cores.quota_milli != 0) {
    text += " by a quota of " + std::to_string(cores.quota_milli) + " thousandths of a core";
  }
  return text;
}

std::string DescribeFeatures() {
  std::string found;
  std::string missing;
  for (const auto& [name, is_there] : FindFeatures()) {
    std::string& list = is_there ? found : missing;
    list += (list.empty() ? "" : " ") + name;
  }
  if (found.empty() && missing.empty()) return "none are checked on this architecture";
  return (found.empty() ? "none" : found) + (missing.empty() ? "" : ", not " + missing);
}

std::vector<const clamma::Kernels*> UsableTables() {
  std::vector<const clamma::Kernels*> tables;
  for (size_t i = 0; i < clamma::TableCount(); ++i) {
    const clamma::Kernels* table = clamma::UsableTable(i);
    const bool is_new = std::find(tables.begin(), tables.end(), table) == tables.end();
    if (table != nullptr && is_new) tables.push_back(table);
  }
  return tables;
}

}  // namespace selftest
