// SPDX-License-Identifier: MIT
// Receipts that were computed on an x86-64 machine; every kernel table gave the same.
#ifndef CLAMMA_APPS_SELFTEST_KEPT_RECEIPTS_H_
#define CLAMMA_APPS_SELFTEST_KEPT_RECEIPTS_H_

#include <cstdint>
#include <string_view>

namespace selftest {

struct KeptReceipt {
  std::string_view name;
  std::string_view receipt;
};

// Receipts of the models that are made from a seed.
inline constexpr KeptReceipt kMadeReceipts[] = {
    {"llama2.c float", "0b6091538160a90a-919945040fc198be"},
    {"llama2.c int8", "c6fcedb618af7ce7-43e18a66433fb0d2"},
    {"GGUF F32", "ed31ea6d46d60d89-b3688a6732a76970"},
    {"GGUF F16", "c38f65f2ce6de423-1245965668877c57"},
    {"GGUF BF16", "fa854ec2824ab958-842540fc0bb50a1d"},
    {"GGUF Q8_0", "11e96edfdb3a5bfd-9e746659e487522f"},
    {"GGUF Q4_0", "58e68d2dad494b76-f0b0d9c4af62887b"},
    {"GGUF Q4_1", "b4a43658cc9cc311-7a5ff75810ade0f2"},
    {"GGUF Q5_0", "8ef77f24bd2e29b5-ecc47275f4905874"},
    {"GGUF Q5_1", "7fec81822259a69b-35fbc2cbca2724ac"},
    {"GGUF IQ4_NL", "30281bc97c99ae39-33846bf9f5b7f616"},
    {"GGUF MXFP4", "2f620d0952fcb445-07fbc586bc14a10b"},
    {"GGUF Q4_K", "e550ca40d58c2e8c-673f1727b9ff4c1f"},
    {"GGUF Q5_K", "d91bd2b12151f4d0-6f7f18bd7a1b15cc"},
    {"GGUF Q6_K", "a35115391c4e3a51-6c89bd4fc98d26bc"},
    {"GGUF Q2_K", "2c90edf5417472f0-121f4d2b3fe5a64d"},
    {"GGUF Q3_K", "8c2755004ed6a45c-3e6dc48eba424703"},
    {"GGUF IQ4_XS", "7243096a81476ab7-2e032522731bd717"},
};

// A model file with a known receipt.
struct KnownModel {
  uint64_t fingerprint;
  std::string_view name;
  std::string_view receipt;
};
inline constexpr KnownModel kKnownModels[] = {
    {0x35c415c7b782850c, "stories260K", "39396b726de73cfe-4c13defa014c0e96"},
    {0x8eaf3c839d52f114, "stories260K, version 1", "39396b726de73cfe-4c13defa014c0e96"},
    {0xe3d38f2440eba9d3, "stories260K, int8", "c73179a6c8e06d42-f2afeb5557db7217"},
    {0x879189456de59a54, "SmolLM2-135M-Instruct, Q4_1", "1aaa912369a315a7-7a44824e6486bf2a"},
};

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_KEPT_RECEIPTS_H_
