/* SPDX-License-Identifier: MIT
 * minimal CHECKPOINT VOCABULARY [PROMPT]: continues a text.
 *   cc minimal.c $(pkg-config --cflags --libs clamma) -o minimal
 */
#include <clamma.h>
#include <stdio.h>

static int print_it(void* user, const char* text) {
  (void)user;
  return fputs(text, stdout) < 0 || fflush(stdout) != 0; /* non-zero: stop */
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  clamma_txf_info_t info = {0}; /* 0 is a good choice for every field except the next one */
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = argv[1];
  info.tokenizer_path = argv[2];
  struct txf* txf = clamma_txf_construct(&info); /* NULL: stderr has the reason */
  if (!txf) return 1;
  struct txf_session* session = clamma_session_construct(txf);
  info.prompt = argc > 3 ? argv[3] : NULL; /* NULL: the model begins a text of its own */
  info.issue_cb = print_it;
  int failed = !session || clamma_session_query(session, &info);
  if (!failed && info.prompt) fputs(info.prompt, stdout);
  while (clamma_sessions_step_next()) continue; /* generates one token per call */
  putchar('\n');
  clamma_txf_destroy(txf); /* also destroys the session */
  return failed;
}
