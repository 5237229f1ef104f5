# SPDX-License-Identifier: MIT
"""Serves a model with llama.cpp's server: server_load_peer.py MODEL PORT THREADS SLOTS CONTEXT. Context is
that of a slot; keys and values are in f16, as by default."""
import sys
import threading

import xllamacpp

model, port, threads, slots, context = sys.argv[1], *map(int, sys.argv[2:6])
options = xllamacpp.CommonParams()
options.model.path = model
options.port = port
options.n_parallel = slots
options.n_ctx = slots * context
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(options)
threading.Event().wait()
