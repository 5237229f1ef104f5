// SPDX-License-Identifier: MIT
// Quantised blocks in the tables of all instruction sets: their functions are compiled in sources
// of their own, and look up a matrix's format by its type themselves.
#ifndef CLAMMA_KERNELS_TABLES_BLOCKS_H_
#define CLAMMA_KERNELS_TABLES_BLOCKS_H_

#include "kernels/skeletons/native_activations.h"

namespace clamma {

extern Kernels::QuantizeFunction QuantizeBlocks32Plain, QuantizeBlocks256Plain;
extern Kernels::MatmulFunction MatmulBlocks32Avx2, MatmulBlocks256Avx2;
extern Kernels::QuantizeFunction QuantizeBlocks32Avx2, QuantizeBlocks256Avx2;
extern Kernels::MatmulFunction MatmulBlocks32AvxVnni, MatmulBlocks256AvxVnni;
extern Kernels::QuantizeFunction QuantizeBlocks32AvxVnni, QuantizeBlocks256AvxVnni;
extern Kernels::MatmulFunction MatmulBlocks32Avx512, MatmulBlocks256Avx512;
extern Kernels::QuantizeFunction QuantizeBlocks32Avx512, QuantizeBlocks256Avx512;
extern Kernels::MatmulFunction MatmulBlocks32Avx512Zen, MatmulBlocks256Avx512Zen;
extern Kernels::MatmulFunction MatmulBlocks32Amx, MatmulBlocks256Amx;
extern Kernels::MatmulFunction MatmulBlocks32Neon, MatmulBlocks256Neon;
extern Kernels::QuantizeFunction QuantizeBlocks32Neon, QuantizeBlocks256Neon;
extern Kernels::MatmulFunction MatmulBlocks32NeonDot, MatmulBlocks256NeonDot;
extern Kernels::QuantizeFunction QuantizeBlocks32NeonDot, QuantizeBlocks256NeonDot;

// How a table multiplies blocks of 32 columns and of 256. Quantizer and matmul share a layout.
struct BlockFunctions {
  Kernels::Quantizer quantize32;
  Kernels::Matmul matmul32;
  Kernels::Quantizer quantize256;
  Kernels::Matmul matmul256;
};

namespace {

constexpr BlockFunctions BlocksBy(Kernels::QuantizeFunction* quantize32,
                                  Kernels::MatmulFunction* matmul32,
                                  Kernels::QuantizeFunction* quantize256,
                                  Kernels::MatmulFunction* matmul256) {
  return {.quantize32 = {.bytes = native::BlockActivations<32>::Bytes, .quantize = quantize32},
          .matmul32 = matmul32,
          .quantize256 = {.bytes = native::BlockActivations<256>::Bytes, .quantize = quantize256},
          .matmul256 = matmul256};
}

constexpr BlockFunctions kBlocksPlain = BlocksBy(QuantizeBlocks32Plain, MatmulBlocks32Plain,
                                                 QuantizeBlocks256Plain, MatmulBlocks256Plain);
constexpr BlockFunctions kBlocksAvx2 =
    BlocksBy(QuantizeBlocks32Avx2, MatmulBlocks32Avx2, QuantizeBlocks256Avx2, MatmulBlocks256Avx2);
constexpr BlockFunctions kBlocksAvxVnni =
    BlocksBy(QuantizeBlocks32AvxVnni, MatmulBlocks32AvxVnni, QuantizeBlocks256AvxVnni,
             MatmulBlocks256AvxVnni);
constexpr BlockFunctions kBlocksAvx512 = BlocksBy(QuantizeBlocks32Avx512, MatmulBlocks32Avx512,
                                                  QuantizeBlocks256Avx512, MatmulBlocks256Avx512);
constexpr BlockFunctions kBlocksAvx512Zen =
    BlocksBy(QuantizeBlocks32Avx512, MatmulBlocks32Avx512Zen, QuantizeBlocks256Avx512,
             MatmulBlocks256Avx512Zen);
constexpr BlockFunctions kBlocksAmx = BlocksBy(QuantizeBlocks32Avx512, MatmulBlocks32Amx,
                                               QuantizeBlocks256Avx512, MatmulBlocks256Amx);
constexpr BlockFunctions kBlocksNeon =
    BlocksBy(QuantizeBlocks32Neon, MatmulBlocks32Neon, QuantizeBlocks256Neon, MatmulBlocks256Neon);
constexpr BlockFunctions kBlocksNeonDot =
    BlocksBy(QuantizeBlocks32NeonDot, MatmulBlocks32NeonDot, QuantizeBlocks256NeonDot,
             MatmulBlocks256NeonDot);

// A table's products, by the type of the weights.
constexpr ByKey<WeightType, kWeightTypes, Kernels::Matmul> MatmulsBy(Kernels::Matmul f32,
                                                                     Kernels::Matmul int8,
                                                                     Kernels::Matmul f16,
                                                                     Kernels::Matmul bf16,
                                                                     const BlockFunctions& blocks) {
  return {{{WeightType::kF32, f32},
           {WeightType::kInt8Groups, int8},
           {WeightType::kF16, f16},
           {WeightType::kBF16, bf16},
           {WeightType::kQ8_0, blocks.matmul32},
           {WeightType::kQ4_0, blocks.matmul32},
           {WeightType::kQ4_1, blocks.matmul32},
           {WeightType::kQ5_0, blocks.matmul32},
           {WeightType::kQ5_1, blocks.matmul32},
           {WeightType::kIQ4_NL, blocks.matmul32},
           {WeightType::kMXFP4, blocks.matmul32},
           {WeightType::kQ4_K, blocks.matmul256},
           {WeightType::kQ5_K, blocks.matmul256},
           {WeightType::kQ6_K, blocks.matmul256},
           {WeightType::kQ2_K, blocks.matmul256},
           {WeightType::kQ3_K, blocks.matmul256},
           {WeightType::kIQ4_XS, blocks.matmul256}}};
}

// ... and its quantizers.
constexpr ByKey<ActivationKind, kActivationKinds, Kernels::Quantizer> QuantizersBy(
    const Kernels::Quantizer& int8, const BlockFunctions& blocks) {
  return {{{ActivationKind::kFloats, {}},
           {ActivationKind::kInt8Groups, int8},
           {ActivationKind::kBlocks32, blocks.quantize32},
           {ActivationKind::kBlocks256, blocks.quantize256}}};
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_TABLES_BLOCKS_H_
