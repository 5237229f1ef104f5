// SPDX-License-Identifier: MIT
// Runs before the first paint, so that the page does not flash in the other scheme.
"use strict";
try {
  const scheme = localStorage.getItem("clamma.scheme");
  if (scheme === "light" || scheme === "dark") document.documentElement.dataset.scheme = scheme;
} catch {
  // No storage: the system's scheme.
}
