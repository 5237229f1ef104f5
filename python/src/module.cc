// SPDX-License-Identifier: MIT
// The module clamma._core: what the package's Python code is built on. Its interface is private;
// _core.pyi describes it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.h"

NB_MODULE(_core, m) {
  clamma_python::WatchForks();
  // Threads that the interpreter's end stops may hold objects.
  nanobind::set_leak_warnings(false);
  const nanobind::exception<clamma::Error> error(m, "Error", PyExc_RuntimeError);
  m.def("version", &clamma::Version);
  m.def("sum_order_version", &clamma::SumOrderVersion);
  m.def("process_number", &clamma_python::ProcessNumber);
  m.def("prepare_exit", &clamma_python::PrepareExit);
  clamma_python::BindNames(m);
  clamma_python::BindQueries(m);
  clamma_python::BindModel(m);
  clamma_python::BindSession(m);
}
