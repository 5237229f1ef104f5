// SPDX-License-Identifier: MIT
// What apps that chat set up: the template, sampling as the model's file has it, and a context that
// fits in memory. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_CHAT_SETUP_H_
#define CLAMMA_APPS_COMMON_CHAT_SETUP_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "command_line.h"
#include "options.h"

namespace options {

// Adds --template. ReadTemplate(), behind Parse(), puts the text of a file in the place of its
// path; it returns "" or what is wrong.
void AddTemplate(CommandLine& line, Model& o);
std::string ReadTemplate(Model* o);

// Sampling of answers where neither the user nor the file says anything.
constexpr float kChatTemperature = 0.7f;
constexpr float kChatTopp = 0.9f;

// Takes what a GGUF file's metadata says of sampling (general.sampling.*) for what the user has not
// given.
void TakeModelSampling(const txf* model, const CommandLine& line, Sampling* o);

// Positions of a context: as many as the model has, but with no more keys and values than four
// fifths of the memory that is available now.
size_t FittingContext(const txf* model, const txf_session* session);

// Bytes that can be had without swapping; UINT64_MAX where the system does not say.
uint64_t AvailableMemory();

// Whether answers begin inside the model's thoughts, as the template opens them by <think>.
bool BeginsInThoughts(const txf* model, const Model& o, const char* arguments);

}  // namespace options

#endif  // CLAMMA_APPS_COMMON_CHAT_SETUP_H_
