# SPDX-License-Identifier: MIT
"""The modules of export.py.

    errors              ExportError: a reason to refuse, in one line
    stored_tensor       a tensor in a file, whose rows are read on demand
    safetensors_file    the tensors of a .safetensors file
    torch_file          the tensors of a file by torch.save(), without torch and without running it
    llama               a Llama model: its numbers, and its matrices built from tensors
    meta                models in Meta's layout: params.json and consolidated.*.pth; llama2.c's .pt
    huggingface         models in the layout of Hugging Face transformers
    weight_files        the files in such a folder that have the tensors
    text_tokens         the tokens that begin and end texts
    checkpoint          writes llama2.c's three checkpoint formats
    sentencepiece_file  reads SentencePiece models
    dictionary          converts SentencePiece models to llama2.c's tokenizer.bin
    gguf_model          converts a folder in Hugging Face's layout to the content of a GGUF file
    families            the families of models in GGUF files: a row for each
    family_keys         converts a model's configuration to the keys of a GGUF file
    family_tensors      converts a model's tensors to those of a GGUF file
    vocabulary          converts a tokenizer to the keys of a GGUF file
    pretokenizers       the rules by which tokenizers split texts into words
    special_tokens      the tokens that begin and end texts, and chat templates
    gguf_types          the types of weights in GGUF files
    gguf_file           writes GGUF files
    pipeline            does what the arguments of export.py ask for
    output              writes files completely or not at all; shows progress

The only dependency is numpy.
"""
