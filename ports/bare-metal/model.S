/* SPDX-License-Identifier: MIT
 * The checkpoint and the vocabulary, as they are, in read-only memory. Their alignment does not
 * matter to the library; that of a word is quicker to read.
 */
  .section .model, "a"
  .globl model_begin, model_end, dictionary_begin, dictionary_end
  .balign 64
model_begin:
  .incbin MODEL_FILE
model_end:
  .balign 64
dictionary_begin:
  .incbin DICTIONARY_FILE
dictionary_end:
