// SPDX-License-Identifier: MIT
// The native order of sums in plain C++: the reference of the other tables.
#include "kernels/native_ops.h"
#include "kernels/skeletons/native_portable.h"

namespace clamma {

constinit const OrderKernels kScalarNativeOrder = {
    .name = "scalar",
    .rmsnorm = portable::native::RmsNorm,
    .softmax = portable::native::Softmax,
    .glu = {{{GluType::kSilu, portable::native::SwiGlu},
             {GluType::kGelu, portable::native::GeGlu},
             {GluType::kClampedSilu, portable::native::ClampedSwiGlu}}},
    .soft_cap = portable::native::SoftCap,
    .attention = {{{KvType::kF32, portable::native::Attention<KvType::kF32>},
                   {KvType::kF16, portable::native::Attention<KvType::kF16>},
                   {KvType::kQ8, portable::native::Attention<KvType::kF32>}}},
    .attention_scratch = NativeAttentionScratch,
    .query_tile = kNativeTile,
    .attend_segments = portable::native::AttendSegments,
    .merge_states = portable::native::MergeStates,
    .finish_attention = portable::native::FinishAttention,
};

}  // namespace clamma
