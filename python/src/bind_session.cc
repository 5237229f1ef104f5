// SPDX-License-Identifier: MIT
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bind.h"

namespace nb = nanobind;

namespace clamma_python {
namespace {

// What a call on a session uses: the model is not closed, nor destroyed, while it runs.
struct InUse {
  explicit InUse(const PySession& self)
      : engine(self.engine.get()), handle(self.handle.get()), model(engine->model()) {}

  std::shared_ptr<Engine> engine;
  std::shared_ptr<SessionHandle> handle;
  std::shared_ptr<clamma::Model> model;
  txf_session* session() const { return handle->get(); }
};

void Construct(PySession* self, const PyModel& model) {
  const std::shared_ptr<Engine>& engine = model.get();
  std::shared_ptr<SessionHandle> handle;
  {
    const Released released;
    handle = MakeShared<SessionHandle>(engine.get());
  }
  new (self) PySession{Owned<Engine>(engine), Owned<SessionHandle>(std::move(handle))};
}

std::shared_ptr<RunningQuery> Start(const std::shared_ptr<Engine>& engine,
                                    const std::shared_ptr<SessionHandle>& handle,
                                    const Request& request, bool whole, const PyModel* draft) {
  auto running = MakeShared<RunningQuery>(handle, whole);
  const Engine* draft_engine = draft == nullptr ? nullptr : draft->get().get();
  const Released released;
  engine->Start(handle, request, draft_engine, running);
  return running;
}

// A query that was cancelled ends at its next step. Waits for that.
void Settle(const PySession& self) {
  const InUse use(self);
  const std::shared_ptr<RunningQuery> last = self.last;
  if (last != nullptr && last->cancelled()) last->WaitForEnd();
}

PyQuery StartOnSession(PySession& self, const Request& request, bool whole, const PyModel* draft) {
  Settle(self);
  self.last = Start(self.engine.get(), self.handle.get(), request, whole, draft);
  return PyQuery(self.last);
}

void Cancel(const PySession& self) {
  const InUse use(self);
  if (self.last != nullptr) self.last->Cancel();
}

// Starts a query on a session that is destroyed when the query ends.
PyQuery StartOnModel(const PyModel& self, const Request& request, bool whole,
                     const PyModel* draft) {
  const std::shared_ptr<Engine>& engine = self.get();
  std::shared_ptr<SessionHandle> handle;
  {
    const Released released;
    handle = MakeShared<SessionHandle>(engine.get());
  }
  return PyQuery(Start(engine, handle, request, whole, draft));
}

std::vector<tok_id_t> Tokens(const PySession& self) {
  const InUse use(self);
  const Released released;
  return ContextOf(use.session());
}

void SetTokens(const PySession& self, const std::vector<tok_id_t>& tokens) {
  Settle(self);
  const InUse use(self);
  RunReleased([&](Released*) {
    return clamma_session_set_tokens(use.session(), tokens.data(), tokens.size()) == 0;
  });
}

nb::dict Facts(const PySession& self) {
  const InUse use(self);
  clamma_session_facts_t facts = {};
  RunReleased([&](Released*) { return clamma_session_facts(use.session(), &facts) == 0; });
  nb::dict dict;
  dict["position"] = facts.position;
  dict["memory_bytes"] = facts.memory_bytes;
  dict["memory_bytes_at_full_context"] = facts.memory_bytes_at_full_context;
  dict["seed"] = facts.rng_seed;
  dict["next_seed"] = facts.rng_state;
  return dict;
}

int AppendBytes(void* out, const void* bytes, size_t size) noexcept {
  try {
    static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

nb::bytes Save(const PySession& self) {
  Settle(self);
  const InUse use(self);
  std::string state;
  RunReleased(
      [&](Released*) { return clamma_session_save(use.session(), AppendBytes, &state) == 0; });
  return nb::bytes(state.data(), state.size());
}

struct Unread {
  const char* bytes;
  size_t size;
};

int ReadBytes(void* opaque, void* bytes, size_t size) noexcept {
  auto* unread = static_cast<Unread*>(opaque);
  if (size > unread->size) return 1;
  std::memcpy(bytes, unread->bytes, size);
  unread->bytes += size;
  unread->size -= size;
  return 0;
}

// Returns the number of bytes that were read.
size_t Restore(const PySession& self, const nb::bytes& state) {
  Settle(self);
  const InUse use(self);
  Unread unread = {state.c_str(), state.size()};
  RunReleased(
      [&](Released*) { return clamma_session_restore(use.session(), ReadBytes, &unread) == 0; });
  return state.size() - unread.size;
}

}  // namespace

void BindSession(nb::module_& m) {
  nb::class_<PySession>(m, "Session")
      .def("__init__", &Construct)
      .def("start", &StartOnSession, nb::arg("request"), nb::arg("whole"), nb::arg("draft").none())
      .def("cancel", &Cancel)
      .def("tokens", &Tokens)
      .def("set_tokens", &SetTokens)
      .def("facts", &Facts)
      .def("save", &Save)
      .def("restore", &Restore);
  m.def("start", &StartOnModel, nb::arg("model"), nb::arg("request"), nb::arg("whole"),
        nb::arg("draft").none());
}

}  // namespace clamma_python
