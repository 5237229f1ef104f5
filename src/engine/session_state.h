// SPDX-License-Identifier: MIT
// A session's conversation as a stream of bytes: what it holds, and how it is checked.
//
// Format, version 2, all little-endian:
//   0   "CLAMMAST", the magic
//   8   uint32 version, 2
//   12  uint32 type of keys and values: 0 float, 1 half precision, 2 int8
//   16  uint64 fingerprint of the model with its vocabulary: Transformer::Fingerprint()
//   24  uint64 seed of the last query, and uint64 state of its random generator
//   40  uint32 tokens of the conversation, and uint32 of them in the cache
//   48  uint32 bytes (0 .. 3) held back of an unfinished character, and those, filled up to 4
//   56  uint64 Checksum of the 56 bytes before
//   64  the tokens, each int32
//   ... for each position in the cache, for each layer: its key and its value, each (kv_dim); of
//       int8 behind each head its scale, a float
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

// Takes, or gives, exactly `size` bytes; anything but 0 is a failure.
struct StateSink {
  int (*write)(void* opaque, const void* bytes, size_t size);
  void* opaque;
};
struct StateSource {
  int (*read)(void* opaque, void* bytes, size_t size);
  void* opaque;
};

// Of a conversation between two queries.
Status WriteState(const Transformer& transformer, const Conversation& conversation,
                  const StateSink& sink);

// Fills in an empty conversation that is initialised, in `memory`. Any bytes are safe; what
// was not written by WriteState() for the same model and type of keys and values is refused.
Status ReadState(const Transformer& transformer, Memory& memory, const StateSource& source,
                 Conversation* conversation);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_STATE_H_
