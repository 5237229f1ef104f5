/* SPDX-License-Identifier: MIT
 * The checkpoint and the vocabulary, unchanged, in read-only memory. The library accepts any
 * alignment; aligned words are faster to read.
 */
  .section .model, "a"
  .globl model_begin, model_end, vocabulary_begin, vocabulary_end
  .balign 64
model_begin:
  .incbin MODEL_FILE
model_end:
  .balign 64
vocabulary_begin:
  .incbin VOCABULARY_FILE
vocabulary_end:
