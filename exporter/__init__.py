# SPDX-License-Identifier: MIT
"""What export.py is made of.

    errors            ExportError: a reason to refuse, in one line
    stored_tensor     a tensor in a file, of which rows are read when they are wanted
    safetensors_file  the tensors of a .safetensors file
    torch_file        the tensors of a file by torch.save(), without torch and without running it
    llama             a Llama model: its numbers, and its matrices put together from tensors
    meta              models in Meta's layout: params.json and consolidated.*.pth; llama2.c's .pt
    huggingface       models in the layout of Hugging Face transformers
    weight_files      which files of such a folder have the tensors
    text_tokens       the tokens that begin and end texts
    checkpoint        writes llama2.c's three checkpoint formats
    dictionary        SentencePiece models to llama2.c's tokenizer.bin
    pipeline          what export.py does with its arguments
    output            files that appear whole or not at all; progress

Nothing but numpy is needed.
"""
