// SPDX-License-Identifier: MIT
// Writes and reads a session's conversation as a stream of bytes with checksums.
//
// Format, version 2, all little-endian:
//   0   "CLAMMAST", the magic
//   8   uint32 version, 2
//   12  uint32 type of keys and values: 0 float, 1 half precision, 2 int8; plus 0x100 if they are
//       rotated as in long sequences
//   16  uint64 fingerprint of the model with its vocabulary: Transformer::Fingerprint()
//   24  uint64 seed of the last query, and uint64 state of its random generator
//   40  uint32 number of tokens, and uint32 number of those in the KV cache
//   48  uint32 number (0 .. 3) of bytes of an unfinished character, and the bytes, padded to 4
//   56  uint64 Checksum of the 56 bytes before
//   64  the tokens, each int32
//   ... for each position in the KV cache, for each layer: key and value, each (kv_dim); if int8,
//       a float follows each head, its scale. Layers with a window have only the positions that
//       the next ones need.
//   ... uint64 Checksum of all bytes before
#ifndef CLAMMA_ENGINE_SESSION_STATE_H_
#define CLAMMA_ENGINE_SESSION_STATE_H_

#include <cstddef>
#include <cstdint>

#include "engine/conversation.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class Transformer;

// The functions write, or read, exactly `size` bytes; anything but 0 is a failure.
struct StateSink {
  int (*write)(void* opaque, const void* bytes, size_t size);
  void* opaque;
};
struct StateSource {
  int (*read)(void* opaque, void* bytes, size_t size);
  void* opaque;
};

// The conversation must belong to a session without a query.
Status WriteState(const Transformer& transformer, const Conversation& conversation,
                  const StateSink& sink);

// Reads into an empty, initialised conversation, and allocates from `memory`. Any bytes are safe;
// those that WriteState() did not write for the same model and type of keys and values are refused.
Status ReadState(const Transformer& transformer, Memory& memory, const StateSource& source,
                 Conversation* conversation);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_STATE_H_
