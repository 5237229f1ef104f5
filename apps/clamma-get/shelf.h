// SPDX-License-Identifier: MIT
// Lists and removes downloaded models.
#ifndef CLAMMA_APPS_CLAMMA_GET_SHELF_H_
#define CLAMMA_APPS_CLAMMA_GET_SHELF_H_

#include <string>

namespace get {

// Prints the catalogue and the downloaded models, one line each.
void List();

// Removes the files of a model, complete or not. Throws Failure if there are none.
void Remove(const std::string& name, bool quiet);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_SHELF_H_
