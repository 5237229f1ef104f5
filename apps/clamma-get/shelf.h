// SPDX-License-Identifier: MIT
// The models that are there: to list and to remove them.
#ifndef CLAMMA_APPS_CLAMMA_GET_SHELF_H_
#define CLAMMA_APPS_CLAMMA_GET_SHELF_H_

#include <string>

namespace get {

// Prints the catalogue and what is there, a line each.
void List();

// Removes the files of a model, finished or not. Throws Failure where there are none.
void Remove(const std::string& name, bool quiet);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_SHELF_H_
