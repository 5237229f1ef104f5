// SPDX-License-Identifier: MIT
// The code that the tests of native_ops.h share: every table that this machine can run, and those
// of the compiler's vectors, so that all widths are tested on every machine.
#ifndef CLAMMA_TESTS_KERNELS_NATIVE_FIXTURE_H_
#define CLAMMA_TESTS_KERNELS_NATIVE_FIXTURE_H_

#include <algorithm>
#include <string>
#include <vector>

#include "kernel_fixture.h"
#include "kernels/native_ops.h"
#include "vector_tables/vector_tables.h"

namespace clamma_test {

// The scalar table first.
inline std::vector<const clamma::OrderKernels*> NativeTables() {
  std::vector<const clamma::OrderKernels*> tables = {&clamma::kScalarNativeOrder};
  for (const clamma::OrderKernels& table : kVectorNativeOrders) tables.push_back(&table);
  for (const clamma::Kernels* usable : Tables()) {  // several tables may share one
    const clamma::OrderKernels* table = usable->orders[clamma::SumOrder::kNative];
    if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  }
  return tables;
}

class NativeTest : public testing::TestWithParam<const clamma::OrderKernels*> {
 protected:
  const clamma::OrderKernels& ops_ = *GetParam();
  const clamma::OrderKernels& scalar_ = clamma::kScalarNativeOrder;
};

inline std::string NameOfNative(const testing::TestParamInfo<const clamma::OrderKernels*>& table) {
  return NameInTests(table.param->name);
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_KERNELS_NATIVE_FIXTURE_H_
