// SPDX-License-Identifier: MIT
// The vector units that this machine can run.
#ifndef CLAMMA_TESTS_KERNELS_UNITS_USABLE_UNITS_H_
#define CLAMMA_TESTS_KERNELS_UNITS_USABLE_UNITS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernel_fixture.h"
#include "unit_ops.h"

namespace clamma_test {

// A unit, and the kernel table that exists if the machine has the unit.
struct UnitOfTable {
  const UnitOps* unit;
  const char* table;
};
constexpr UnitOfTable kUnitsOfTables[] = {
#if defined(__x86_64__)
    {&kAvx2Ops, "avx2"},        {&kAvx512Ops, "avx512"},
#if defined(CLAMMA_HAVE_AVX_VNNI)
    {&kAvxVnniOps, "avx-vnni"},
#endif
#elif defined(__AARCH64EL__)
    {&kNeonOps, "neon"},        {&kNeonDotOps, "neondot"},
#endif
    {&kVector128Ops, "scalar"}, {&kVector256Ops, "scalar"}, {&kVector512Ops, "scalar"},
};

inline std::vector<const UnitOps*> UsableUnits() {
  std::vector<const UnitOps*> units;
  for (const UnitOfTable& candidate : kUnitsOfTables) {
    for (const clamma::Kernels* table : Tables()) {
      if (std::string(table->name) == candidate.table) units.push_back(candidate.unit);
    }
  }
  return units;
}

inline std::string NameOfUnit(const testing::TestParamInfo<const UnitOps*>& unit) {
  std::string name = unit.param->name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_KERNELS_UNITS_USABLE_UNITS_H_
