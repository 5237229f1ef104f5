/* SPDX-License-Identifier: MIT
 * Texts that llama2.c prints, with the model and the options for each. For C and C++. */
#ifndef CLAMMA_TESTS_SUPPORT_GOLDENS_H_
#define CLAMMA_TESTS_SUPPORT_GOLDENS_H_

#include <stdint.h>

#define CLAMMA_FLOAT_MODEL "stories260K.bin"
#define CLAMMA_FLOAT_V1_MODEL "stories260K.v1.bin"
#define CLAMMA_Q80_MODEL "stories260K.q80.bin"

struct golden {
  const char* name;
  const char* model;
  const char* file;   /* golden/FILE.txt of the test data, which includes the prompt */
  const char* prompt; /* NULL: none */
  float temperature;
  float topp;
  uint64_t seed;
};

static const struct golden kGoldens[] = {
    {"FloatGreedyBos", CLAMMA_FLOAT_MODEL, "float-greedy-bos", "", 0, 0.9f, 1},
    {"FloatSeed1024Bos", CLAMMA_FLOAT_MODEL, "float-s1024-bos", "", 1, 0.9f, 1024},
    {"FloatPromptGreedy", CLAMMA_FLOAT_MODEL, "float-prompt-greedy", "Once upon a time, Tom", 0,
     0.9f, 1},
    {"FloatPromptNucleus", CLAMMA_FLOAT_MODEL, "float-prompt-t08-p05-s42", "The little dog", 0.8f,
     0.5f, 42},
    {"FloatPromptWholeVocabulary", CLAMMA_FLOAT_MODEL, "float-prompt-t1-p1-s7", "Lily", 1, 1, 7},
    {"FloatReadmeTranscript", CLAMMA_FLOAT_MODEL, "seed-readme-transcript", 0, 1, 0.9f, 1024},
    {"V1PromptNucleus", CLAMMA_FLOAT_V1_MODEL, "float-prompt-t08-p05-s42", "The little dog", 0.8f,
     0.5f, 42},
    {"V1ReadmeTranscript", CLAMMA_FLOAT_V1_MODEL, "seed-readme-transcript", 0, 1, 0.9f, 1024},
    {"Q80GreedyBos", CLAMMA_Q80_MODEL, "q80-greedy-bos", "", 0, 0.9f, 1},
    {"Q80Seed1024Bos", CLAMMA_Q80_MODEL, "q80-s1024-bos", "", 1, 0.9f, 1024},
    {"Q80PromptGreedy", CLAMMA_Q80_MODEL, "q80-prompt-greedy", "Once upon a time, Tom", 0, 0.9f, 1},
};

#endif /* CLAMMA_TESTS_SUPPORT_GOLDENS_H_ */
